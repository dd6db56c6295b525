import { describe, expect, it } from 'vitest';
import { createProgress, formatDuration, formatProgress, type ProgressState } from './progress.ts';

const state = (patch: Partial<ProgressState>): ProgressState => ({
  stage: 'scores/1',
  done: 0,
  total: 4000,
  resumed: 0,
  failed: 0,
  evaluations: 0,
  ...patch,
});

describe('a progress line', () => {
  it('has percentage, count, rate, evaluations and time left', () => {
    expect(formatProgress(state({ done: 1680, evaluations: 3360 }), 8)).toBe(
      'scores/1          42%  1,680/4,000  210/s  3,360 evaluations  12 s left',
    );
  });
  it('measures the rate on what this process did, not on what was there', () => {
    const line = formatProgress(state({ done: 2010, resumed: 2000, failed: 3 }), 10);
    expect(line).toBe('scores/1          50%  2,010/4,000  1.0/s  3 failed  33 min 10 s left');
  });
  it('never says 100% while something is left, nor divides by zero', () => {
    expect(formatProgress(state({ done: 3999 }), 1)).toContain(' 99%');
    expect(formatProgress(state({ total: 0 }), 0)).toContain('100%  0/0');
    expect(formatProgress(state({ done: 4000, resumed: 4000 }), 0)).toContain('already there');
    expect(formatProgress(state({}), 3)).toBe('scores/1           0%  0/4,000');
  });
  it.each([
    [0, '0 s'],
    [0.2, '1 s'],
    [59.5, '1 min 00 s'],
    [75, '1 min 15 s'],
    [3600, '1 h 00 min'],
    [7199, '2 h 00 min'],
  ])('writes %d s as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('progress', () => {
  const recorder = (options: { isTTY: boolean; quiet?: boolean }) => {
    const written: string[] = [];
    const clock = { ms: 0 };
    const progress = createProgress({
      stream: { isTTY: options.isTTY, columns: 60, write: (text) => written.push(text) },
      quiet: options.quiet ?? false,
      now: () => clock.ms,
    });
    return { written, clock, progress };
  };

  it('writes a line at most every 5 s into a file, and always the last', () => {
    const { written, clock, progress } = recorder({ isTTY: false });
    for (let done = 0; done <= 12_000; done += 1) {
      clock.ms = done;
      progress.update(state({ done, total: 12_000 }));
    }
    progress.update(state({ done: 12_000, total: 12_000 }));
    progress.end();
    expect(written.map((line) => line.trim().split('  ').filter(Boolean)[1]?.trim())).toEqual([
      '41%',
      '83%',
      '100%',
    ]);
    expect(written.every((line) => line.endsWith('\n') && !line.includes('\r'))).toBe(true);
  });

  it('redraws one line on a terminal, cut to its width', () => {
    const { written, clock, progress } = recorder({ isTTY: true });
    progress.update(state({ done: 0 }));
    clock.ms = 50;
    progress.update(state({ done: 10 }));
    clock.ms = 150;
    progress.update(state({ done: 20, evaluations: 1_000_000, failed: 7 }));
    progress.note('a note');
    progress.end();
    expect(written.filter((text) => text.startsWith('scores/1'))).toHaveLength(2);
    expect(Math.max(...written.map((text) => text.length))).toBeLessThanOrEqual(59);
    expect(written.slice(-2)).toEqual(['\r\x1b[K', 'a note\n']);
  });

  it('says nothing when it is to be quiet', () => {
    const { written, progress } = recorder({ isTTY: true, quiet: true });
    progress.update(state({ done: 4000 }));
    progress.note('a note');
    progress.end();
    expect(written).toEqual([]);
  });
});
