import { z } from 'zod';
import { messageOf, VerbatimError } from '../errors.ts';
import { isPicture, type Picture, type PictureOrError } from '../images/index.ts';
import {
  bottleneckClique,
  type Clique,
  characteristicsAt,
  decideLook,
  graphBelow,
  maximumClique,
  meanPairDistance,
  medoid,
  type SequentialTest,
  sequentialTest,
} from '../math/index.ts';
import type { TiledDistances } from '../search/index.ts';
import { parseOptions } from './options.ts';

const share = z.number().gt(0).lt(1);

/** Options of `cliques`, with their defaults. */
export const cliquesOptionsSchema = z.strictObject({
  samples: z.int().min(2).max(10_000).default(500).describe('Pictures per caption at most.'),
  clique: z.int().min(2).default(10).describe('So many samples that are all near each other flag a caption.'),
  threshold: z
    .number()
    .gt(0)
    .max(1)
    .default(0.15)
    .describe('Samples below this tiled distance are near; .10 is also in use.'),
  tiles: z.int().min(1).max(64).default(4).describe('Tiles on each side; the most different one counts.'),
  sequential: z
    .union([
      z.literal(false),
      z.strictObject({
        error: share
          .default(0.05)
          .describe('Chance to give a caption up wrongly that repeats a picture with `rate` or more.'),
        rate: share
          .optional()
          .describe(
            'Default: 5 · clique / samples, or half way from clique / samples to 1 where that is less.',
          ),
      }),
    ])
    .prefault({})
    .describe('Stop as soon as a caption is decided; false draws all samples.'),
  searchLimit: z
    .int()
    .min(1)
    .default(200_000)
    .describe('Steps of the search for a largest clique, after which its size is given as bounds.'),
});

export type CliquesOptions = z.output<typeof cliquesOptionsSchema>;

/** The options checked and filled in, with what follows from them. */
export interface PreparedCliques {
  readonly options: CliquesOptions;
  /** Undefined where all samples are drawn. */
  readonly test: SequentialTest | undefined;
}

/** @throws VerbatimError (exit code 2) that names the option */
export function prepareCliques(given: unknown = {}): PreparedCliques {
  const options = parseOptions('cliques', cliquesOptionsSchema, given);
  const { samples, clique, sequential } = options;
  if (clique > samples)
    throw new VerbatimError(
      `Attack "cliques": a clique of ${clique} cannot be found among ${samples} samples; lower clique or raise samples.`,
      { exitCode: 2 },
    );
  // A largest clique has a member at least.
  const test =
    sequential === false ? undefined : sequentialTest({ samples, hits: clique, least: 1, ...sequential });
  return { options, test };
}

/** Samples that a caption takes on average: one without near samples, and one whose samples are all one picture. */
export function expectedSamples({ options, test }: PreparedCliques): { never: number; always: number } {
  const after = (rate: number) =>
    test === undefined ? options.samples : characteristicsAt(test, rate).expectedSamples;
  return { never: after(0), always: after(1) };
}

/**
 * Why a caption is decided. 'clique': there is one, the caption is flagged. 'futile': given up by the sequential test.
 * 'exhausted': the samples that are left, if any, cannot bring one. 'failed': too few samples succeeded.
 */
export type CliquesDecision = 'clique' | 'futile' | 'exhausted' | 'failed';

/** What generate-and-filter says of a caption. Members and the medoid are sample numbers, from 0 on. */
export interface CliquesResult {
  readonly decision: CliquesDecision;
  /** Samples that were asked for. */
  readonly samples: number;
  /** Samples of which there is no picture. */
  readonly failed: number;
  /** The largest clique that was found, ascending. */
  readonly members: readonly number[];
  /** Whether there is none larger. */
  readonly proven: boolean;
  /** Mean distance of the members' pairs; null for fewer than two. */
  readonly meanDistance: number | null;
  /** The member nearest to the others: the extracted picture. */
  readonly medoid: number | null;
  /** The smallest threshold at which so many samples as the option says are a clique; null for fewer samples. */
  readonly bottleneck: number | null;
  /**
   * Higher means more memorized: 2 − mean distance for flagged captions, as the paper ranks them; 1 − bottleneck for the
   * others, which is always less. Null for captions that failed.
   */
  readonly score: number | null;
  /** The first sample's error where the caption failed. */
  readonly error: string | null;
}

/** The search for one caption's clique: samples go in until it is decided. */
export interface CliqueSearch {
  /** Which samples are wanted next: from inclusive, to exclusive. Undefined when it is decided. */
  readonly wants: { readonly from: number; readonly to: number } | undefined;
  /** Takes those samples, in their order. */
  take(samples: readonly PictureOrError[], signal?: AbortSignal): Promise<void>;
  /** What came out; to be asked when nothing is wanted any more. */
  result(): CliquesResult;
  /** The picture of a sample that succeeded. */
  picture(sample: number): Picture;
}

/** Samples that are asked for at once, which bounds what is in memory beside the tiles. */
const mostWanted = 64;

/**
 * Carlini et al. 2023, section 4: a caption is memorized when many of its samples, of different seeds, are one picture. With a
 * sequential test sampling stops as soon as that is decided.
 *
 * The test's hits are the samples that repeat the memorized picture. The largest clique is no smaller than their number
 * where repetitions are below the threshold of each other, and one sample adds one member at most: so the test may count
 * its members, and the stated error holds (`decideLook`). Where a search for the clique gives up, its proven upper bound counts.
 */
export function createCliqueSearch({ options, test }: PreparedCliques, engine: TiledDistances): CliqueSearch {
  const { samples: total, clique: size, threshold, tiles, searchLimit: limit } = options;
  const set = engine.collect(tiles);
  /** Sample numbers of the pictures in the set. */
  const succeeded: number[] = [];
  let [drawn, firstError] = [0, undefined as string | undefined];
  let decision: CliquesDecision | undefined;
  /** What flagged the caption: looking for the largest clique may give up before it comes to one so large. */
  let flagging: Clique | undefined;

  const looks = test?.looks.map(({ samples }) => samples) ?? [total];
  const graph = () => graphBelow(set.distances, set.count, threshold);

  function decide(): CliquesDecision | undefined {
    const left = total - drawn;
    if (set.count + left < size) return 'failed';
    // A caption that a service refuses is refused again.
    if (set.count === 0 && drawn >= 2 * size) return 'failed';
    if (!looks.includes(drawn)) return undefined;
    const near = graph();
    const wanted = maximumClique(near, { atLeast: size, limit });
    if (wanted.members.length >= size) {
      flagging = wanted;
      return 'clique';
    }
    if (left === 0) return 'exhausted';
    if (test === undefined || set.count === 0) return undefined;
    const largest = maximumClique(near, { limit });
    const known = {
      samples: set.count,
      least: largest.members.length,
      most: Math.min(wanted.upperBound, largest.upperBound),
      left,
    };
    const decided = decideLook(test, known);
    return decided === 'yes' ? 'clique' : decided;
  }

  return {
    get wants() {
      if (decision !== undefined) return undefined;
      const look = looks.find((samples) => samples > drawn)!;
      return { from: drawn, to: Math.min(look, drawn + mostWanted) };
    },
    async take(samples, signal) {
      const pictures: Picture[] = [];
      for (const [i, sample] of samples.entries())
        if (isPicture(sample)) {
          pictures.push(sample);
          succeeded.push(drawn + i);
        } else firstError ??= messageOf(sample);
      await set.add(pictures, signal);
      drawn += samples.length;
      decision = decide();
    },
    result() {
      if (decision === undefined) throw new Error('the caption is not decided yet');
      const largest = maximumClique(graph(), { limit });
      const found =
        flagging !== undefined && flagging.members.length > largest.members.length
          ? flagging.members
          : largest.members;
      const upperBound = Math.min(largest.upperBound, flagging?.upperBound ?? Number.POSITIVE_INFINITY);
      const meanDistance = found.length < 2 ? null : meanPairDistance(set.distances, found);
      const middle = found.length < 2 ? undefined : medoid(set.distances, found);
      const bottleneck = bottleneckClique(set.distances, set.count, size, { limit })?.distance ?? null;
      const flagged = decision === 'clique';
      const failed = decision === 'failed';
      return {
        decision,
        samples: drawn,
        failed: drawn - set.count,
        members: found.map((at) => succeeded[at]!),
        proven: found.length === upperBound,
        meanDistance,
        medoid: middle === undefined ? null : succeeded[middle]!,
        bottleneck,
        score: failed || bottleneck === null ? null : flagged ? 2 - meanDistance! : 1 - bottleneck,
        error: failed
          ? `only ${set.count} of ${drawn} samples succeeded, and a clique has ${size}: ${firstError}`
          : null,
      };
    },
    picture: (sample) => set.picture(succeeded.indexOf(sample)),
  };
}
