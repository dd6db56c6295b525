import { normalizeCaption, orderedAlphabet, words } from './pieces.ts';

/** Marks the last symbol of a word. */
export const wordEnd = '</w>';
export const startOfText = '<|startoftext|>';
export const endOfText = '<|endoftext|>';

/** A word's symbols before any merge: its characters, the last one marked. */
function wordSymbols(word: string): string[] {
  const symbols = [...word];
  symbols[symbols.length - 1] += wordEnd;
  return symbols;
}

/**
 * Byte-pair encoding (Sennrich 2016): merges the pair of the lowest rank, everywhere in the word and from
 * the left, until no pair has a rank. `rank` gives a pair's place in the list of merges.
 */
export function mergeWord(word: string, rank: (left: string, right: string) => number | undefined): string[] {
  let symbols = wordSymbols(word);
  while (symbols.length > 1) {
    let best = Number.POSITIVE_INFINITY;
    let at = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const found = rank(symbols[i]!, symbols[i + 1]!);
      if (found !== undefined && found < best) [best, at] = [found, i];
    }
    if (at < 0) return symbols;
    symbols = mergePair(symbols, symbols[at]!, symbols[at + 1]!);
  }
  return symbols;
}

function mergePair(symbols: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) merged.push(left + symbols[++i]!);
    else merged.push(symbols[i]!);
  }
  return merged;
}

export interface TrainedBpe {
  /** Token → id: 256 characters, the same with the end mark, the merges, start of text, end of text. */
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [string, string])[];
}

/**
 * Learns a byte-pair vocabulary from captions: merges the most frequent pair again and again (of equally
 * frequent ones the first in code unit order, so that the same captions in any order give the same files)
 * until the vocabulary has `vocabSize` tokens or no pair stands twice. End of text gets the largest id and
 * start of text the one below, as in CLIP. Throws a RangeError when vocabSize has no room for the 514
 * tokens that every CLIP vocabulary starts from.
 */
export function trainBpe(captions: Iterable<string>, vocabSize: number): TrainedBpe {
  const base = [...orderedAlphabet, ...orderedAlphabet.map((char) => char + wordEnd)];
  const room = vocabSize - base.length - 2;
  if (!(room >= 0)) throw new RangeError(`vocabSize ${vocabSize} is below ${base.length + 2}`);

  const counts = new Map<string, number>();
  for (const caption of captions)
    for (const word of words(normalizeCaption(caption))) counts.set(word, (counts.get(word) ?? 0) + 1);
  const entries = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const spelled = entries.map(([word]) => wordSymbols(word));

  // Pair → how often it stands in the text, and in which words: only those change when it is merged.
  // A blank cannot occur in a symbol, so it separates the two.
  const pairCount = new Map<string, number>();
  const pairWords = new Map<string, Set<number>>();
  const note = (index: number, sign: 1 | -1) => {
    const symbols = spelled[index]!;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = `${symbols[i]} ${symbols[i + 1]}`;
      pairCount.set(pair, (pairCount.get(pair) ?? 0) + sign * entries[index]![1]);
      if (sign < 0) continue;
      const holders = pairWords.get(pair);
      if (holders) holders.add(index);
      else pairWords.set(pair, new Set([index]));
    }
  };
  for (let index = 0; index < spelled.length; index++) note(index, 1);

  const merges: (readonly [string, string])[] = [];
  const tokens = new Set(base);
  while (merges.length < room) {
    let best = '';
    let count = 1;
    for (const [pair, found] of pairCount)
      if (found > count || (found === count && found > 1 && pair < best)) [best, count] = [pair, found];
    if (count < 2) break;
    const [left, right] = best.split(' ') as [string, string];
    const holders = pairWords.get(best)!;
    for (const index of holders) {
      note(index, -1);
      spelled[index] = mergePair(spelled[index]!, left, right);
      note(index, 1);
    }
    pairCount.delete(best);
    pairWords.delete(best);
    merges.push([left, right]);
    tokens.add(left + right);
  }
  // Two different pairs may spell the same token; the vocabulary holds it once.
  const all = [...tokens, startOfText, endOfText];
  return { vocab: Object.fromEntries(all.map((token, id) => [token, id])), merges };
}
