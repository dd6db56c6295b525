/** What a piece of a SentencePiece vocabulary is: SentencePiece's own kinds. */
export type PieceKind = 'normal' | 'unknown' | 'control' | 'user' | 'unused' | 'byte';

/** One entry of the vocabulary; its place is its id. */
export interface Piece {
  readonly text: string;
  /** Log probability, float32. */
  readonly score: number;
  readonly kind: PieceKind;
}

export interface UnigramOptions {
  readonly pieces: readonly Piece[];
  readonly unkId: number;
  /** Characters without a piece are spelled in the bytes' pieces `<0x00>` to `<0xFF>`, instead of being unknown. */
  readonly byteFallback: boolean;
}

/** Below the least probable piece by so much (SentencePiece's kUnkPenalty) lies a character without a piece. */
const unknownPenalty = 10;

interface TrieNode {
  readonly next: Map<string, TrieNode>;
  id: number;
}

/**
 * The most probable segmentation under a unigram language model (Kudo 2018, section 3.2), by Viterbi over the code points
 * of a normalised text; ids as SentencePiece gives them. Sums are float32 and of equal ones the first found is kept
 * (the longest last piece), as there. Neighbouring unknown characters are one unknown token. The cost is the text's
 * length times that of the longest piece.
 */
export function createUnigram({
  pieces,
  unkId,
  byteFallback,
}: UnigramOptions): (normalized: string) => number[] {
  const root: TrieNode = { next: new Map(), id: -1 };
  let least = Number.POSITIVE_INFINITY;
  // SentencePiece starts from C's FLT_MIN, which is above 0: log probabilities hardly ever are.
  let most = 2 ** -126;
  for (const [id, { text, score, kind }] of pieces.entries()) {
    if (kind === 'normal') {
      least = Math.min(least, score);
      most = Math.max(most, score);
    }
    // Control pieces, the unknown one and bytes never match a text; unused ones do not either.
    if (kind !== 'normal' && kind !== 'user') continue;
    let node = root;
    for (const char of text) {
      const child: TrieNode = node.next.get(char) ?? { next: new Map(), id: -1 };
      node.next.set(char, child);
      node = child;
    }
    if (node.id < 0) node.id = id;
  }
  const unknownScore = Math.fround(least - unknownPenalty);
  const byteIds = byteFallback ? readByteIds(pieces) : undefined;
  const encoder = new TextEncoder();

  return (normalized) => {
    const chars = Array.from(normalized);
    const count = chars.length;
    const best = new Float32Array(count + 1);
    const startsAt = new Int32Array(count + 1).fill(-1);
    const ids = new Int32Array(count + 1);
    const offer = (from: number, to: number, id: number, score: number) => {
      const sum = Math.fround(score + best[from]!);
      if (startsAt[to]! >= 0 && sum <= best[to]!) return;
      best[to] = sum;
      startsAt[to] = from;
      ids[to] = id;
    };
    for (let from = 0; from < count; from++) {
      let single = false;
      let node: TrieNode | undefined = root;
      for (let to = from; to < count; to++) {
        node = node.next.get(chars[to]!);
        if (!node) break;
        if (node.id < 0) continue;
        const { kind, score } = pieces[node.id]!;
        // A symbol of the user's is always taken; its score grows with its length in bytes.
        const length = kind === 'user' ? encoder.encode(pieces[node.id]!.text).length : 0;
        offer(from, to + 1, node.id, kind === 'user' ? Math.fround(length * most - 0.1) : score);
        if (to === from) single = true;
      }
      if (!single) offer(from, from + 1, unkId, unknownScore);
    }
    const found: number[] = [];
    for (let end = count; end > 0; end = startsAt[end]!) {
      const id = ids[end]!;
      if (id !== unkId) found.push(id);
      else if (byteIds) {
        const bytes = encoder.encode(chars.slice(startsAt[end]!, end).join(''));
        for (const byte of bytes.reverse()) found.push(byteIds[byte]!);
      } else if (found.at(-1) !== unkId) found.push(unkId);
    }
    return found.reverse();
  };
}

/** The ids of `<0x00>` to `<0xFF>`. Throws an Error when one is missing. */
function readByteIds(pieces: readonly Piece[]): number[] {
  const byText = new Map(pieces.map(({ text }, id) => [text, id]));
  return Array.from({ length: 256 }, (_, byte) => {
    const text = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    const id = byText.get(text);
    if (id === undefined) throw new Error(`byte_fallback is on, but there is no piece ${text}`);
    return id;
  });
}
