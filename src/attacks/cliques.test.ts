import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VerbatimError } from '../errors.ts';
import type { Picture, PictureOrError } from '../images/index.ts';
import { createRandom, graphBelow, maximumClique } from '../math/index.ts';
import { openTiledDistances, type TiledDistances } from '../search/index.ts';
import { createCliqueSearch } from './cliques.ts';
import {
  type CliquesResult,
  captionsTogether,
  expectedSamples,
  prepareCliques,
  type SampleTask,
  searchCliques,
} from './index.ts';

let engine: TiledDistances;
beforeAll(async () => {
  engine = await openTiledDistances({ threads: 1 });
});
afterAll(() => engine.close());

/** A picture of noise around .5, as different from others as such are; √2 · .29 = .41 apart on average. */
function noise(seed: number, side = 12): Picture {
  const random = createRandom(seed);
  return {
    width: side,
    height: side,
    data: Uint8Array.from({ length: 3 * side * side }, () => random.integer(256)),
  };
}

/** The same picture with a little noise: about .01 apart. */
function nearly(picture: Picture, seed: number): Picture {
  const random = createRandom(seed);
  return { ...picture, data: picture.data.map((value) => Math.min(255, value + random.integer(5))) };
}

const memorized = noise(1);

/** A supply of captions, each by its own function of the sample's number; and what was asked of it. */
function supplyOf(...captions: ((sample: number) => PictureOrError)[]) {
  const asked: SampleTask[] = [];
  return {
    asked,
    count: captions.length,
    supply: async (tasks: readonly SampleTask[]) => {
      asked.push(...tasks);
      return tasks.map(({ caption, sample }) => captions[caption]!(sample));
    },
  };
}

async function run(
  { supply, count }: Pick<ReturnType<typeof supplyOf>, 'supply' | 'count'>,
  options: unknown,
  together = 3,
): Promise<CliquesResult[]> {
  const results: CliquesResult[] = [];
  await searchCliques(
    count,
    supply,
    engine,
    prepareCliques(options),
    async (caption, search) => {
      results[caption] = search.result();
    },
    { together },
  );
  return results;
}

describe('cliques', () => {
  it('flags a caption whose samples repeat one picture, at once, and names the picture in the middle', async () => {
    const { asked, ...source } = supplyOf((sample) => nearly(memorized, sample));
    const [result] = await run(source, { samples: 100, clique: 5 });
    expect(result).toMatchObject({ decision: 'clique', samples: 5, failed: 0, proven: true, error: null });
    expect(result!.members).toEqual([0, 1, 2, 3, 4]);
    expect(result!.members).toContain(result!.medoid);
    expect(result!.meanDistance).toBeGreaterThan(0);
    expect(result!.meanDistance).toBeLessThan(0.02);
    expect(result!.score).toBe(2 - result!.meanDistance!);
    expect(asked.map(({ sample }) => sample)).toEqual([0, 1, 2, 3, 4]);
  });

  it('gives a caption up whose samples are all different, and says how far it was from a clique', async () => {
    const [result] = await run(
      supplyOf((sample) => noise(100 + sample)),
      { samples: 100, clique: 5 },
    );
    const { never, always } = expectedSamples(prepareCliques({ samples: 100, clique: 5 }));
    expect(never).toBeLessThanOrEqual(20);
    expect(always).toBe(5);
    expect(result).toMatchObject({
      decision: 'futile',
      samples: never,
      members: [expect.any(Number)],
      meanDistance: null,
      medoid: null,
    });
    expect(result!.bottleneck).toBeGreaterThan(0.15);
    expect(result!.score).toBe(1 - result!.bottleneck!);
  });

  it('without the sequential test draws all samples and finds the whole clique', async () => {
    const every = (sample: number) => (sample % 3 === 0 ? nearly(memorized, sample) : noise(100 + sample));
    const full = { samples: 150, clique: 5, sequential: false };
    const [result, other] = await run(
      supplyOf(every, (sample) => noise(100 + sample)),
      full,
    );
    expect(result).toMatchObject({ decision: 'clique', samples: 150, proven: true });
    expect(result!.members).toEqual(Array.from({ length: 50 }, (_, i) => 3 * i));
    expect(other).toMatchObject({ decision: 'exhausted', samples: 150 });
    expect(expectedSamples(prepareCliques(full))).toEqual({ never: 150, always: 150 });
  });

  it('decides as the full test does, but for the error that is stated, and ranks flagged captions first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 4 }), async (seed, together) => {
        const random = createRandom(seed);
        const rates = [0, 0.05, 0.3, 0.9, 1];
        const repeats = rates.map((rate) => Array.from({ length: 60 }, () => random.uniform() < rate));
        const source = supplyOf(
          ...repeats.map(
            (own, caption) => (sample: number) =>
              own[sample] ? nearly(memorized, sample) : noise(1000 * (caption + 1) + sample),
          ),
        );
        const results = await run(source, { samples: 60, clique: 4 }, together);
        const full = await run(source, { samples: 60, clique: 4, sequential: false }, together);
        results.forEach((result, caption) => {
          const repeated = repeats[caption]!.filter(Boolean).length;
          expect(full[caption]!.decision).toBe(repeated >= 4 ? 'clique' : 'exhausted');
          expect(full[caption]!.members.length).toBe(Math.max(1, repeated));
          // What is found early is found at the end, too.
          if (result.decision === 'clique') expect(full[caption]!.decision).toBe('clique');
          expect(result.samples).toBeLessThanOrEqual(60);
          if (result.decision === 'clique') expect(result.score).toBeGreaterThan(1.8);
          else expect(result.score).toBeLessThan(0.85);
        });
        expect(results.slice(3).map(({ decision }) => decision)).toEqual(['clique', 'clique']);
      }),
      { numRuns: 8 },
    );
  });

  it('takes equal samples for a clique of all, 0 apart', async () => {
    const [result] = await run(
      supplyOf(() => memorized),
      { samples: 20, clique: 3, sequential: false },
    );
    expect(result).toMatchObject({ decision: 'clique', meanDistance: 0, bottleneck: 0, medoid: 0, score: 2 });
    expect(result!.members.length).toBe(20);
  });

  it('keeps the clique that flagged a caption where the search for the largest gives up before it', async () => {
    const [size, searchLimit, count] = [11, 20, 40];
    const random = createRandom(3);
    const near = Array.from({ length: count ** 2 }, () => random.uniform() < 0.7);
    const triangle = Array.from({ length: count }, (_, i) =>
      Array.from({ length: i }, (_, j) => (near[i * count + j] ? 0.1 : 0.5)),
    ).flat();
    const distances = Float64Array.from(triangle);
    // What the case rests on: this search, by itself, finds less.
    const hasty = maximumClique(graphBelow(distances, count, 0.15), { limit: searchLimit });
    expect(hasty.members.length).toBeLessThan(size);
    const search = createCliqueSearch(
      prepareCliques({ samples: count, clique: size, sequential: false, searchLimit }),
      {
        collect: () => ({ count, distances, add: async () => {}, picture: () => memorized }),
        close: async () => {},
      },
    );
    await search.take(Array.from({ length: count }, () => memorized));
    const result = search.result();
    expect(result.decision).toBe('clique');
    expect(result.members.length).toBeGreaterThanOrEqual(size);
    expect(result.members).toContain(result.medoid);
    expect(result.meanDistance).toBeCloseTo(0.1, 12);
  });

  it('counts failed samples, and names samples by their own numbers', async () => {
    const error = new VerbatimError('refused');
    const [some, all, many] = await run(
      supplyOf(
        (sample) => (sample % 2 === 0 ? error : nearly(memorized, sample)),
        () => error,
        (sample) => (sample < 9 ? error : nearly(memorized, sample)),
      ),
      { samples: 12, clique: 4 },
    );
    expect(some).toMatchObject({ decision: 'clique', members: [1, 3, 5, 7].slice(0, some!.members.length) });
    expect(some!.failed).toBe(some!.samples - some!.members.length);
    expect(all).toMatchObject({ decision: 'failed', score: null, members: [], medoid: null, proven: true });
    expect(all!.error).toBe('only 0 of 9 samples succeeded, and a clique has 4: refused');
    expect(many).toMatchObject({ decision: 'failed', score: null });
  });

  it('refuses samples of different sizes', async () => {
    const source = supplyOf((sample) => noise(sample, sample === 3 ? 16 : 12));
    await expect(run(source, {})).rejects.toThrow(/picture 3 is 16×16, the first one 12×12/);
  });

  it('keeps as many captions in memory as fit a gigabyte', () => {
    expect(captionsTogether(prepareCliques({}), 3 * 512 * 512)).toBe(2);
    expect(captionsTogether(prepareCliques({ samples: 100, clique: 5 }), 3 * 64 * 64)).toBe(873);
    expect(captionsTogether(prepareCliques({}), 3 * 2048 * 2048)).toBe(1);
  });

  it.each([
    [{ samples: 1 }, /option "samples"/],
    [{ samples: 5 }, /a clique of 10 cannot be found among 5 samples; lower clique or raise samples/],
    [{ clique: 1 }, /option "clique"/],
    [{ threshold: 0 }, /option "threshold"/],
    [{ sequential: true }, /option "sequential"/],
    [{ sequential: { error: 0 } }, /option "sequential/],
    [{ treshold: 0.1 }, /no option "treshold"; did you mean "threshold"/],
  ])('refuses %o in one line', (options, message) => {
    expect(() => prepareCliques(options)).toThrow(VerbatimError);
    expect(() => prepareCliques(options)).toThrow(message);
  });
});
