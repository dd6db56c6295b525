import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  captionAgreement,
  captionTemplate,
  captionWords,
  modalityOf,
  normalCaption,
  similarCaptions,
} from './index.ts';

const words = ['shaw', 'floors', 'carpet', 'red', 'blue', 'no', '12', 'Écru', 'vinyl'];
const caption = fc.array(fc.constantFrom(...words), { maxLength: 7 }).map((list) => list.join(' '));

/** Each pair with its Jaccard similarity, by the definition. */
function byDefinition(captions: readonly string[], threshold: number, newFrom = 0): string[] {
  const sets = captions.map((text) => new Set(captionWords(text)));
  const found: string[] = [];
  for (let b = newFrom; b < captions.length; b++)
    for (let a = 0; a < b; a++) {
      const common = [...sets[a]!].filter((word) => sets[b]!.has(word)).length;
      const union = sets[a]!.size + sets[b]!.size - common;
      if (common > 0 && common / union >= threshold) found.push(`${a} ${b} ${common / union}`);
    }
  return found.sort();
}

function found(captions: readonly string[], threshold: number, newFrom = 0): string[] {
  const pairs: string[] = [];
  for (const { a, b, score } of similarCaptions(captions, threshold, { newFrom }))
    a.forEach((item, i) => {
      pairs.push(`${item} ${b[i]} ${score[i]}`);
    });
  return pairs.sort();
}

describe('similarCaptions', () => {
  it('finds every pair, each once, and only those', () => {
    const threshold = fc.constantFrom(0.2, 1 / 3, 0.5, 0.6, 2 / 3, 0.75, 0.8, 1);
    fc.assert(
      fc.property(fc.array(caption, { maxLength: 14 }), threshold, fc.nat(14), (captions, least, newFrom) => {
        expect(found(captions, least)).toEqual(byDefinition(captions, least));
        expect(found(captions, least, newFrom)).toEqual(byDefinition(captions, least, newFrom));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a threshold that is none', () => {
    for (const threshold of [0, -1, 1.1, Number.NaN])
      expect(() => found(['a'], threshold)).toThrow(RangeError);
  });
});

describe('captions', () => {
  it('differ neither by case nor by spaces', () => {
    expect(normalCaption('  A  Red\n SOFA ')).toBe('a red sofa');
    expect(normalCaption('Ｓｏｆａ')).toBe('sofa');
  });

  it('are sets in which a word may come several times', () => {
    expect(captionWords("New new York's, 2 rooms – <b>new</b>")).toEqual([
      'new',
      'new 2',
      "york's",
      '2',
      'rooms',
      'b',
      'new 3',
      'b 2',
    ]);
    expect(captionWords('— … !')).toEqual([]);
  });

  it('of a family have a template', () => {
    expect(
      captionTemplate(['Shaw Floors Simply The Best Red 00801', 'Shaw Floors Simply The Best Blue 00400']),
    ).toBe('Shaw Floors Simply The Best …');
    expect(captionTemplate(['a b'])).toBe('a b');
    expect(captionTemplate([])).toBe('');
  });

  it('agree or not', () => {
    const kind = (captions: string[]) => modalityOf(captionAgreement(captions), captions.length);
    // More than a call takes arguments: a placeholder under every caption of a crawl.
    const many = Array.from({ length: 200_000 }, (_, i) => `caption ${i}`);
    expect(captionAgreement(many)).toEqual({ captions: 200_000, share: 1 / 200_000 });
    expect(captionAgreement(['x', 'y', 'x', 'x'])).toEqual({ captions: 2, share: 0.75 });
    expect(kind(['x', 'x'])).toBe('image-and-text');
    expect(kind(['x', 'x', 'y'])).toBe('mixed');
    expect(kind(['x', 'z', 'y'])).toBe('image-only');
  });
});
