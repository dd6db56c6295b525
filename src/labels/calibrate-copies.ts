import type { Picture } from '../images/index.ts';
import { type ScoreTail, scoreTail } from '../math/index.ts';
import {
  type Background,
  type CopyCollection,
  createBackground,
  type FindOptions,
  findCopies,
  type WorkingPicture,
  workingPicture,
} from './copies/index.ts';
import type { Neighbour } from './nearest.ts';

/** What held-out pictures say of the rules "aligned" and "local". */
export interface CopyCalibration {
  /** Of the share of a picture that its best training picture explains, laid over it. */
  readonly whole: ScoreTail;
  /** Of the evidence for its best part. */
  readonly part: ScoreTail;
  /** Held-out pictures that were compared: all, or as many as are needed, evenly spaced. */
  readonly heldOut: number;
}

/** Held-out pictures that are compared with the whole training set: enough for the tail's two parameters. */
const enough = 600;

/**
 * What is no repetition, whatever held-out pictures say: less than a fifth of what can be explained, or of a part less
 * than an excess of .05 nats per cell of the picture (3.2 in all). Held-out pictures that are all plain, or nothing like the
 * training set, would leave no threshold at all.
 */
const leastExplained = 0.2;
const leastPart = 0.05;

/** Evenly spaced positions, at most `count` of `size`. */
export function evenlySpaced(size: number, count: number): number[] {
  const n = Math.min(size, count);
  return Array.from({ length: n }, (_, i) => Math.floor((i * size) / n));
}

/** Held-out pictures as those that stand for unrelated ones. */
export interface Unrelated {
  readonly pictures: readonly WorkingPicture[];
  readonly background: Background;
}

/**
 * Held-out pictures that stand for unrelated ones: more of them know more of what pictures have in common, frames and plain
 * skies for instance. With 2,500 photographs instead of 600 the background took the last false labels from CIFAR-10's pairs.
 */
const mostUnrelated = 5000;

/** @param heldOut pictures that the model never saw, as the training set's are given */
export function unrelatedPictures(heldOut: readonly Picture[]): Unrelated {
  const pictures = evenlySpaced(heldOut.length, mostUnrelated).map((at) => workingPicture(heldOut[at]!));
  return { pictures, background: createBackground(pictures) };
}

/**
 * Calibrates on pictures: of each held-out one the training picture that explains most of it, and of a part of it, with
 * all the freedom that generated pictures have.
 *
 * @param nearest of each held-out picture that was given, in their order, the training picture that is nearest in place:
 *   it is tried with a generated picture, and so it is here
 * @throws VerbatimError when there are too few
 */
export async function calibrateCopies(
  { pictures, background }: Unrelated,
  nearest: readonly (Neighbour | null)[],
  training: CopyCollection,
  quantile: number,
  options: FindOptions = {},
): Promise<CopyCalibration> {
  const near = evenlySpaced(nearest.length, mostUnrelated).map((at) => nearest[at]!);
  if (near.length !== pictures.length)
    throw new RangeError(
      `calibrateCopies: ${near.length} nearest pictures for ${pictures.length} held-out ones`,
    );
  const compared = evenlySpaced(pictures.length, enough);
  const found = await findCopies(
    compared.map((at) => ({
      picture: pictures[at]!,
      background: background.of(pictures[at]!, at),
      also: near[at] === null ? [] : [near[at]!.index],
    })),
    training,
    options,
  );
  return {
    whole: scoreTail(
      found.map(({ whole }) => whole?.explained ?? 0),
      quantile,
      leastExplained,
    ),
    part: scoreTail(
      found.map(({ part }) => part?.part.score ?? 0),
      quantile,
      leastPart,
    ),
    heldOut: compared.length,
  };
}
