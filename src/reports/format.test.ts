import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { area, captionText, counted, duration, integer, percentage, score, times } from './format.ts';

describe('numbers', () => {
  it.each([
    [integer(0), '0'],
    [integer(1234567), '1,234,567'],
    [counted(1, 'caption'), '1 caption'],
    [counted(1200, 'caption'), '1,200 captions'],
    [percentage(0), '0%'],
    [percentage(0.9634), '96.3%'],
    [percentage(0.5), '50%'],
    [percentage(0.0001), '< 0.1%'],
    [percentage(0.99999), '> 99.9%'],
    [percentage(1), '100%'],
    [area(0.98765), '0.988'],
    [area(0.99982), '0.9998'],
    [area(1), '1.000'],
    [duration(0.04), '0.0 s'],
    [duration(83.2), '83 s'],
    [duration(720), '12 min'],
    [duration(725), '12 min 5 s'],
    [duration(7380), '2 h 3 min'],
    [score(213.6), '213.6'],
    [score(-0.012345), '−0.01235'],
    [score(0), '0'],
    [score(0.00001), '1.00e−5'],
    [times(4400.4), '4,400 times'],
    [times(3.21), '3.2 times'],
  ])('%s', (actual, expected) => {
    expect(actual).toBe(expected);
  });
});

describe('captionText', () => {
  it('holds no control character and has a bounded length, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (caption) => {
        const text = captionText(caption);
        expect([...text].length).toBeLessThan(260);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
        expect(text).not.toMatch(/[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
        // Encoding replaces lone surrogates: there are none.
        expect(Buffer.from(text).toString()).toBe(text);
      }),
    );
  });

  it('leaves an ordinary caption as it is', () => {
    expect(captionText('Brass lamp, 30 × 40 cm – 50% off! 😀')).toBe('Brass lamp, 30 × 40 cm – 50% off! 😀');
  });
});
