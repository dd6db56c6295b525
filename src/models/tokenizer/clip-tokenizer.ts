import { VerbatimError } from '../../errors.ts';
import { endOfText, mergeWord, startOfText, wordEnd } from './bpe.ts';
import { createCutter } from './cut-out.ts';
import { charToByte, normalizeCaption, words } from './pieces.ts';

/** A special token of tokenizer_config.json: its text, and whether it is looked for before or after lowering. */
export interface SpecialToken {
  readonly content: string;
  /** true: found in the normalized text, so also where it is written in capitals. */
  readonly normalized: boolean;
}

/** What the files of a CLIP tokenizer say. */
export interface ClipTokenizerFiles {
  readonly vocab: Readonly<Record<string, number>>;
  /** Pairs in order of their rank. */
  readonly merges: readonly (readonly [string, string])[];
  readonly maxLength: number;
  readonly bos: SpecialToken;
  readonly eos: SpecialToken;
  readonly unk: SpecialToken;
  readonly pad: SpecialToken;
}

export interface ClipTokenizer {
  readonly files: ClipTokenizerFiles;
  readonly vocabSize: number;
  /** The largest id: an embedding must have a row for it. */
  readonly maxId: number;
  readonly maxLength: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  /** Ids of the caption alone: no start, no end, no padding, any length. */
  tokenize(caption: string): number[];
  /** `maxLength` ids: start, the caption cut to what fits, end, padding. */
  encode(caption: string): Int32Array;
  /** The text of ids; the special tokens are left out. Words come back lower-cased and with single spaces. */
  decode(ids: Iterable<number>): string;
}

/** Words repeat; their encodings are kept up to this many. */
const cacheLimit = 65_536;

/**
 * CLIP's tokenizer, id for id like transformers' CLIPTokenizer without ftfy: lower case, byte-level
 * byte-pair encoding with a mark at the end of words. Any string is valid, also empty or with NUL.
 * Throws a VerbatimError when a special token is not in the vocabulary.
 */
export function createClipTokenizer(files: ClipTokenizerFiles): ClipTokenizer {
  const ids = new Map(Object.entries(files.vocab));
  const tokens = new Map([...ids].map(([token, id]) => [id, token]));
  const special = (name: 'bos' | 'eos' | 'unk' | 'pad'): number => {
    const id = ids.get(files[name].content);
    if (id === undefined)
      throw new VerbatimError(`tokenizer: ${name}_token "${files[name].content}" is not in vocab.json.`);
    return id;
  };
  const [bosId, eosId, unkId, padId] = [special('bos'), special('eos'), special('unk'), special('pad')];
  // Tokens of one text are registered one after the other, and the last one's flag holds.
  const flags = new Map([files.bos, files.eos, files.unk, files.pad].map((t) => [t.content, t.normalized]));
  const cutter = (normalized: boolean) =>
    createCutter([...flags].filter(([, flag]) => flag === normalized).map(([content]) => content));
  const [cutRaw, cutNormalized] = [cutter(false), cutter(true)];
  const ranks = new Map(files.merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
  const rank = (left: string, right: string) => ranks.get(`${left} ${right}`);

  const cache = new Map<string, readonly number[]>();
  const wordIds = (word: string): readonly number[] => {
    const known = cache.get(word);
    if (known) return known;
    const found = mergeWord(word, rank).map((symbol) => ids.get(symbol) ?? unkId);
    if (cache.size >= cacheLimit) cache.clear();
    cache.set(word, found);
    return found;
  };

  const tokenize = (caption: string): number[] => {
    const found: number[] = [];
    for (const raw of cutRaw(caption)) {
      if (raw.special) found.push(ids.get(raw.text)!);
      else
        for (const part of cutNormalized(normalizeCaption(raw.text))) {
          if (part.special) found.push(ids.get(part.text)!);
          else for (const word of words(part.text)) for (const id of wordIds(word)) found.push(id);
        }
    }
    return found;
  };

  const encode = (caption: string): Int32Array => {
    const row = new Int32Array(files.maxLength).fill(padId);
    const inner = tokenize(caption).slice(0, files.maxLength - 2);
    row[0] = bosId;
    row.set(inner, 1);
    row[inner.length + 1] = eosId;
    return row;
  };

  const decode = (row: Iterable<number>): string => {
    const bytes: number[] = [];
    const plain = new TextEncoder();
    for (const id of row) {
      const token = tokens.get(id);
      if (token === undefined || flags.has(token)) continue;
      const ends = token.endsWith(wordEnd);
      for (const char of ends ? token.slice(0, -wordEnd.length) : token) {
        const byte = charToByte.get(char);
        if (byte === undefined) bytes.push(...plain.encode(char));
        else bytes.push(byte);
      }
      if (ends) bytes.push(0x20);
    }
    return new TextDecoder().decode(Uint8Array.from(bytes)).trim();
  };

  const { maxLength } = files;
  let maxId = 0;
  for (const id of ids.values()) maxId = Math.max(maxId, id);
  return { files, vocabSize: ids.size, maxId, maxLength, bosId, eosId, padId, tokenize, encode, decode };
}

/** The special tokens as Stable Diffusion's tokenizer folders have them. */
export const clipSpecialTokens = {
  bos: { content: startOfText, normalized: true },
  eos: { content: endOfText, normalized: true },
  unk: { content: endOfText, normalized: true },
  pad: { content: endOfText, normalized: false },
} as const;
