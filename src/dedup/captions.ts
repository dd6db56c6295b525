import type { Edges } from './types.ts';

/** Spelling that makes no difference between two captions: case, width of letters, and space around words. */
export function normalCaption(caption: string): string {
  return caption.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}

/**
 * The words of a caption, lower-case: runs of letters, marks, digits and apostrophes. A word that comes again counts as another one
 * ("new new york" has three), so that a caption is a set.
 */
export function captionWords(caption: string): string[] {
  const seen = new Map<string, number>();
  return (normalCaption(caption).match(/[\p{L}\p{M}\p{N}'’]+/gu) ?? []).map((word) => {
    const times = (seen.get(word) ?? 0) + 1;
    seen.set(word, times);
    return times === 1 ? word : `${word} ${times}`;
  });
}

/** Pairs that are handed over at once. */
const pairsPerBatch = 1 << 16;

/**
 * All pairs of captions whose words have a Jaccard similarity |A ∩ B| / |A ∪ B| of at least `threshold`, each once, with that
 * similarity. No pair is missed: two sets that are so similar share one of each's rarest words (prefix filter), and
 * are of similar size (Bayardo, Ma & Srikant 2007; Xiao et al. 2008). Captions without words pair with none.
 *
 * Equal captions belong together already: give each once.
 *
 * @param threshold in (0, 1]
 * @param newFrom only pairs with at least one caption from this position on
 */
export function* similarCaptions(
  captions: readonly string[],
  threshold: number,
  { newFrom = 0, signal }: { readonly newFrom?: number; readonly signal?: AbortSignal | undefined } = {},
): Generator<Edges> {
  if (!(threshold > 0 && threshold <= 1))
    throw new RangeError(`a Jaccard similarity lies in (0, 1], not at ${threshold}`);
  const sets = rankedSets(captions);
  // The small ones first: a set then only looks among those that are no larger.
  const order = Array.from(sets.keys()).sort((x, y) => sets[x]!.length - sets[y]!.length || x - y);
  const holders = new Map<number, number[]>();
  let found: { a: number; b: number; score: number }[] = [];
  const shared = new Map<number, number>();
  for (const [step, item] of order.entries()) {
    if (step % 1024 === 0) signal?.throwIfAborted();
    const words = sets[item]!;
    const { length } = words;
    if (length === 0) continue;
    const prefix = length - Math.ceil(threshold * length) + 1;
    shared.clear();
    for (const word of words.subarray(0, prefix))
      for (const other of holders.get(word) ?? [])
        if (sets[other]!.length >= threshold * length - 1e-9) shared.set(other, 1);
    for (const other of shared.keys()) {
      if (item < newFrom && other < newFrom) continue;
      const common = commonWords(words, sets[other]!);
      const score = common / (length + sets[other]!.length - common);
      if (score >= threshold) found.push({ a: Math.min(item, other), b: Math.max(item, other), score });
    }
    for (const word of words.subarray(0, prefix)) {
      const list = holders.get(word);
      if (list === undefined) holders.set(word, [item]);
      else list.push(item);
    }
    if (found.length >= pairsPerBatch) {
      yield columns(found);
      found = [];
    }
  }
  yield columns(found);
}

function columns(found: readonly { a: number; b: number; score: number }[]): Edges {
  return {
    a: Uint32Array.from(found, ({ a }) => a),
    b: Uint32Array.from(found, ({ b }) => b),
    score: Float64Array.from(found, ({ score }) => score),
  };
}

/** Each caption's words as numbers, ascending: the rarest word of all captions is 0. */
function rankedSets(captions: readonly string[]): Uint32Array[] {
  const numbers = new Map<string, number>();
  const counts: number[] = [];
  const sets = captions.map((caption) =>
    Uint32Array.from(captionWords(caption), (word) => {
      const number = numbers.get(word) ?? numbers.size;
      numbers.set(word, number);
      counts[number] = (counts[number] ?? 0) + 1;
      return number;
    }),
  );
  const rank = new Uint32Array(counts.length);
  [...counts.keys()]
    .sort((x, y) => counts[x]! - counts[y]! || x - y)
    .forEach((number, place) => {
      rank[number] = place;
    });
  return sets.map((set) => set.map((number) => rank[number]!).sort());
}

/** Size of the intersection of two ascending lists. */
function commonWords(a: Uint32Array, b: Uint32Array): number {
  let [i, j, common] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      common += 1;
      i += 1;
      j += 1;
    } else if (a[i]! < b[j]!) i += 1;
    else j += 1;
  }
  return common;
}

/**
 * What captions of a family have in common: the words that all of them hold, in the order of the first, `…` where others stand
 * between: 'Shaw Floors … Carpet'.
 */
export function captionTemplate(captions: readonly string[]): string {
  const [first = '', ...others] = captions;
  const sets = others.map((caption) => new Set(captionWords(caption)));
  const seen = new Map<string, number>();
  const parts: string[] = [];
  for (const [word] of first.normalize('NFKC').matchAll(/[\p{L}\p{M}\p{N}'’]+/gu)) {
    const lower = word.toLowerCase();
    const times = (seen.get(lower) ?? 0) + 1;
    seen.set(lower, times);
    const key = times === 1 ? lower : `${lower} ${times}`;
    if (sets.every((set) => set.has(key))) parts.push(word);
    else if (parts.at(-1) !== '…') parts.push('…');
  }
  return parts.join(' ');
}
