import { identityTransform } from '../transform.ts';
import type { Transform } from '../types.ts';
import { type Agreement, agreementOf, bestPart, type Part } from './agreement.ts';
import { repeatedEvidence } from './background.ts';
import type { PatchMatch } from './field.ts';
import { type WorkingPicture, workingSide } from './working.ts';

/** A guess that some training picture, laid over the query like this, explains it. */
export interface Hypothesis {
  readonly index: number;
  readonly transform: Transform;
}

/** Pictures of which guesses are followed up. */
const picturesTried = 16;
/** Guesses per picture, beside that it lies where it is. */
const guessesPerPicture = 2;
/** Guesses whose transform is refined, those that come near the best of them. */
const guessesRefined = 3;
const nearBest = 0.4;
/** Matches whose shifts differ by less support each other, working pixels. */
const shiftBin = 4;
/** A transform that leaves this range is not followed: patches differ by a quarter in scale at most. */
const scaleRange = [0.6, 1.7] as const;

/** What a match says: the transform that takes the one place to the other. */
function transformOf({ scale, flip, query, training }: PatchMatch): Transform {
  const middle = workingSide / 2;
  const move = (axis: 0 | 1) => {
    const from = flip && axis === 0 ? workingSide - training[0] : training[axis];
    return (query[axis] - middle - scale * (from - middle)) / workingSide;
  };
  return { flip, scale, x: move(0), y: move(1) };
}

/**
 * The guesses that most matches agree on, grouped by training picture: matches of one picture with the same flip,
 * scale and nearly the same shift add up. The best pictures come first.
 */
export function hypothesesOf(matches: readonly PatchMatch[]): Hypothesis[] {
  const groups = new Map<string, { index: number; weight: number; transforms: Transform[] }>();
  for (const match of matches) {
    const transform = transformOf(match);
    const bin = (value: number) => Math.round((value * workingSide) / shiftBin);
    const key = `${match.index} ${match.flip} ${match.scale} ${bin(transform.x)} ${bin(transform.y)}`;
    const group = groups.get(key) ?? { index: match.index, weight: 0, transforms: [] };
    // A tie of equal patches weighs nothing by itself, but many of them in one place do.
    group.weight += match.weight + 1e-3;
    group.transforms.push(transform);
    groups.set(key, group);
  }
  const byPicture = new Map<
    number,
    { weight: number; groups: { weight: number; transforms: Transform[] }[] }
  >();
  for (const { index, ...group } of groups.values()) {
    const picture = byPicture.get(index) ?? { weight: 0, groups: [] };
    picture.weight += group.weight;
    picture.groups.push(group);
    byPicture.set(index, picture);
  }
  return [...byPicture]
    .sort(([a, { weight: first }], [b, { weight: second }]) => second - first || a - b)
    .slice(0, picturesTried)
    .flatMap(([index, picture]) =>
      picture.groups
        .sort((a, b) => b.weight - a.weight)
        .slice(0, guessesPerPicture)
        .map(({ transforms }) => ({ index, transform: meanOf(transforms) })),
    );
}

function meanOf(transforms: readonly Transform[]): Transform {
  const mean = (pick: (transform: Transform) => number) =>
    transforms.reduce((sum, transform) => sum + pick(transform), 0) / transforms.length;
  return { ...transforms[0]!, x: mean(({ x }) => x), y: mean(({ y }) => y) };
}

/** An agreement with a training picture, and the part of the query that it explains best. */
export interface Alignment extends Agreement {
  readonly index: number;
  readonly part: Part;
}

/** The best of the alignments that were tried: by what they explain of the whole, and of a part. */
export interface Alignments {
  readonly whole: Alignment | undefined;
  /** Its `cells` are less what the picture has in common with itself (`repeatedEvidence`). */
  readonly part: Alignment | undefined;
}

/**
 * Tries guesses, refines the best of them, and says which explains most.
 *
 * @param training pictures at the working size, by position; what is absent is not tried
 */
export function align(
  query: WorkingPicture,
  background: Float64Array,
  hypotheses: readonly Hypothesis[],
  training: ReadonlyMap<number, WorkingPicture>,
): Alignments {
  const tried: Alignment[] = [];
  const attempt = (index: number, transform: Transform): Alignment | undefined => {
    const picture = training.get(index);
    if (picture === undefined) return undefined;
    const agreement = agreementOf(query, background, picture, transform);
    return { ...agreement, index, part: bestPart(agreement.cells) };
  };
  const places = new Set(hypotheses.map(({ index }) => index));
  for (const hypothesis of [
    ...[...places].map((index) => ({ index, transform: identityTransform })),
    ...hypotheses,
  ]) {
    const alignment = attempt(hypothesis.index, hypothesis.transform);
    if (alignment !== undefined) tried.push(alignment);
  }
  // Those that may win either way are refined: by the whole, and by a part.
  const chosen = new Set([...promising(tried, wholeScore), ...promising(tried, partScore)]);
  // What a step gains for the part it may lose for the whole, so where they started counts too.
  const refined = [...[...chosen].map((start) => refine(start, attempt)), ...chosen];
  // A part must stand for itself: what decides is taken off here, and not before, where it would hide good guesses.
  const repeated = repeatedEvidence(query.data, background);
  const parts = refined.map((alignment) => {
    const cells = less(alignment.cells, repeated);
    return { ...alignment, cells, part: bestPart(cells) };
  });
  return { whole: best(refined, wholeScore)[0], part: best(parts, partScore)[0] };
}

function less(cells: Float64Array, repeated: Float64Array): Float64Array {
  return cells.map((value, cell) => value - repeated[cell]!);
}

const wholeScore = ({ explained }: Alignment) => explained;
const partScore = ({ part }: Alignment) => part.score;

/** The best first; of equals the picture that comes first. */
function best(alignments: readonly Alignment[], score: (alignment: Alignment) => number): Alignment[] {
  return [...alignments].sort((a, b) => score(b) - score(a) || a.index - b.index);
}

function promising(tried: readonly Alignment[], score: (alignment: Alignment) => number): Alignment[] {
  const ranked = best(tried, score).slice(0, guessesRefined);
  return ranked.filter((alignment) => score(alignment) >= nearBest * score(ranked[0]!));
}

/** Steps of the search: scale (relative), shift (working pixels). */
const steps = [
  [0.05, 1],
  [0.025, 0.5],
  [0.0125, 0.25],
] as const;

/** Walks to the transform that explains most, one parameter at a time, in ever smaller steps. */
function refine(
  start: Alignment,
  attempt: (index: number, transform: Transform) => Alignment | undefined,
): Alignment {
  const gain = (alignment: Alignment) => alignment.explained + alignment.part.score;
  let current = start;
  for (const [scaling, pixels] of steps) {
    const shift = pixels / workingSide;
    for (let round = 0; round < 4; round++) {
      const before = current;
      for (const [ds, dx, dy] of [
        [0, shift, 0],
        [0, -shift, 0],
        [0, 0, shift],
        [0, 0, -shift],
        [scaling, 0, 0],
        [-scaling, 0, 0],
      ] as const) {
        const { transform } = current;
        const scale = transform.scale * (1 + ds);
        if (scale < scaleRange[0] || scale > scaleRange[1]) continue;
        const next = attempt(current.index, {
          ...transform,
          scale,
          x: transform.x + dx,
          y: transform.y + dy,
        });
        if (next !== undefined && gain(next) > gain(current) + 1e-6) current = next;
      }
      if (current === before) break;
    }
  }
  return current;
}
