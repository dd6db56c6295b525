import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Picture } from '../images/index.ts';
import { edgeConsistency } from './ecs.ts';

interface Case {
  width: number;
  height: number;
  threshold: number;
  pictures: string[];
  score: number;
}
const { cases } = JSON.parse(readFileSync(new URL('./fixtures/ecs.json', import.meta.url), 'utf8')) as {
  cases: Case[];
};

describe('edgeConsistency', () => {
  it.each(cases)('agrees with Pillow and scipy on $pictures.length pictures: $score', (entry) => {
    const pictures = entry.pictures.map((base64): Picture => {
      return { width: entry.width, height: entry.height, data: Buffer.from(base64, 'base64') };
    });
    expect(edgeConsistency(pictures, entry.threshold)).toBeCloseTo(entry.score, 12);
  });

  /** Black to the left of `edge`, white to its right. */
  const step = (edge: number): Picture => {
    const data = new Uint8Array(256 * 256 * 3);
    for (let i = 0; i < data.length; i++) data[i] = Math.floor(i / 3) % 256 < edge ? 0 : 255;
    return { width: 256, height: 256, data };
  };

  it('takes an edge only from more than half of the pictures', () => {
    // A step is two columns of edge; the others lie elsewhere.
    const columns = (...edges: number[]) => edgeConsistency(edges.map(step)) * 256;
    expect(columns(100, 100, 100, 100)).toBe(2);
    expect(columns(100, 100, 100, 30)).toBe(2);
    expect(columns(100, 100, 60, 30)).toBe(0);
    expect(columns(100, 100, 30)).toBe(2);
  });

  it('counts a grey step of 1 as 16 in each channel', () => {
    const limit = 3 * 16;
    expect(edgeConsistency([step(100)], limit - 1e-6)).toBe(2 / 256);
    expect(edgeConsistency([step(100)], limit + 1e-6)).toBe(0);
  });
});
