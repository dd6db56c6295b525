import { VerbatimError } from '../../errors.ts';
import { readCharsmap } from './charsmap.ts';
import { createCutter } from './cut-out.ts';
import type { SentencePieceModel } from './sentencepiece.ts';
import { createUnigram } from './unigram.ts';

/** What the files of a T5 tokenizer say. */
export interface T5TokenizerFiles {
  readonly model: SentencePieceModel;
  /** Tokens that are looked for in the text before anything else, by their text: `</s>`, `<extra_id_0>`, …. */
  readonly added: ReadonlyMap<string, number>;
  readonly eos: string;
  readonly pad: string;
}

export interface T5Tokenizer {
  /** Pieces and added tokens. */
  readonly vocabSize: number;
  /** The largest id: an embedding must have a row for it. */
  readonly maxId: number;
  readonly eosId: number;
  readonly padId: number;
  /** What the pieces are matched with: replaced characters, spaces as U+2581. */
  normalize(text: string): string;
  /** Ids of the text alone: no end, no padding, any length. */
  tokenize(text: string): number[];
  /**
   * `length` ids: the text cut to what fits, the end, padding. `count` of them are not padding; those are what the
   * encoder's attention may see.
   */
  encode(text: string, length: number): { readonly ids: Int32Array; readonly count: number };
}

/** SentencePiece's own mark of a space. */
const space = '\u2581';

/**
 * T5's tokenizer, as SentencePiece segments (unigram model, normalisation by its precompiled map), with the added tokens
 * cut out of the text first, as in transformers. Any string is valid, also empty or with NUL; a lone surrogate counts as
 * U+FFFD. Throws a VerbatimError when the files do not fit together; `where` names them.
 */
export function createT5Tokenizer(files: T5TokenizerFiles, where: string): T5Tokenizer {
  const { model, added } = files;
  const normalize = wellDone(where, () => createNormalizer(model));
  const segment = wellDone(where, () => createUnigram(model));
  const ids = new Map(model.pieces.map(({ text }, id) => [text, id]));
  const idOf = (name: 'eos' | 'pad'): number => {
    const id = added.get(files[name]) ?? ids.get(files[name]);
    if (id === undefined)
      throw new VerbatimError(`${where}: ${name}_token "${files[name]}" is not in the vocabulary.`);
    return id;
  };
  const [eosId, padId] = [idOf('eos'), idOf('pad')];
  const cutOut = createCutter([...added.keys()]);

  const tokenize = (text: string): number[] =>
    cutOut(text).flatMap((part) => (part.special ? [added.get(part.text)!] : segment(normalize(part.text))));
  const beyond = [...added.values()].filter((id) => id >= model.pieces.length);
  return {
    vocabSize: model.pieces.length + beyond.length,
    maxId: beyond.reduce((most, id) => Math.max(most, id), model.pieces.length - 1),
    eosId,
    padId,
    normalize,
    tokenize,
    encode(text, length) {
      const inner = tokenize(text).slice(0, length - 1);
      const row = new Int32Array(length).fill(padId);
      row.set(inner);
      row[inner.length] = eosId;
      return { ids: row, count: inner.length + 1 };
    },
  };
}

function wellDone<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new VerbatimError(`${where}: ${(cause as Error).message}; download it again.`, { cause });
  }
}

/** SentencePiece's normaliser: characters by the map, then spaces. */
function createNormalizer(model: SentencePieceModel): (text: string) => string {
  const map = model.charsmap && readMap(model.charsmap);
  // Symbols of the user's are never changed.
  const cutOut = createCutter(model.pieces.filter(({ kind }) => kind === 'user').map(({ text }) => text));
  const replace = (text: string): string => {
    const changed = cutOut(text).map((part) => (part.special || !map ? part.text : map.replace(part.text)));
    // With `u` a surrogate matches only where it stands alone.
    return changed.join('').replace(/[\ud800-\udfff]/gu, '\ufffd');
  };
  return (text) => {
    let out = replace(text);
    if (model.removeExtraWhitespaces) out = out.replace(/ {2,}/g, ' ').replace(/^ | $/g, '');
    if (out === '') return '';
    return (model.addDummyPrefix ? ` ${out}` : out).replaceAll(' ', space);
  };
}

function readMap(charsmap: Uint8Array) {
  try {
    return readCharsmap(charsmap);
  } catch (cause) {
    throw new Error(`the map of characters (precompiled_charsmap) ${(cause as Error).message}`);
  }
}
