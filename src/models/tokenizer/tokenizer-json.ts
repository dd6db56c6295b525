import { z } from 'zod';
import { VerbatimError } from '../../errors.ts';
import { parseBy } from '../../tables/index.ts';
import type { SentencePieceModel } from './sentencepiece.ts';
import type { Piece } from './unigram.ts';

const typed = z.looseObject({ type: z.string() });
const schema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().min(0), content: z.string().min(1) })).default([]),
  normalizer: typed.nullish(),
  pre_tokenizer: typed.nullish(),
  model: z.looseObject({
    type: z.string().optional(),
    unk_id: z.int().min(0),
    vocab: z.array(z.tuple([z.string(), z.number()])).min(1),
    byte_fallback: z.boolean().default(false),
  }),
});

/**
 * Reads a `tokenizer.json` of the tokenizers library that was made from a SentencePiece unigram model, as transformers
 * writes it for T5: `added` holds the tokens that are cut out of texts first. What would normalise or cut otherwise than
 * SentencePiece does is refused by name. `where` names the file.
 */
export function parseTokenizerJson(
  json: Readonly<Record<string, unknown>>,
  where: string,
): { readonly model: SentencePieceModel; readonly added: ReadonlyMap<string, number> } {
  const type = (json['model'] as Record<string, unknown> | undefined)?.['type'] ?? 'Unigram';
  if (type !== 'Unigram')
    throw new VerbatimError(
      `${where}: model.type = ${JSON.stringify(type)} is not supported, only "Unigram".`,
    );
  const { added_tokens, model, normalizer, pre_tokenizer } = parseBy(schema, json, where);
  const added = new Map(added_tokens.map(({ content, id }) => [content, id]));
  const { unk_id: unkId, vocab, byte_fallback: byteFallback } = model;
  if (unkId >= vocab.length)
    throw new VerbatimError(`${where}: unk_id is ${unkId}, but the vocabulary has ${vocab.length} tokens.`);
  const pieces = vocab.map(([text, score], id): Piece => {
    const kind = id === unkId ? 'unknown' : added.get(text) === id ? 'control' : 'normal';
    return { text, score: Math.fround(score), kind };
  });

  const normalizers = listed(normalizer, 'normalizers', where);
  const cutters = listed(pre_tokenizer, 'pretokenizers', where);
  let charsmap: Uint8Array | undefined;
  let joinsSpaces = cutters.some((one) => one.type === 'WhitespaceSplit');
  for (const [n, one] of normalizers.entries()) {
    if (one.type === 'Precompiled' && n === 0) charsmap = readBase64(one['precompiled_charsmap'], where);
    else if (one.type === 'Replace' && isJoin(one)) joinsSpaces = true;
    // Spaces at the end, which joined spaces are rid of anyway.
    else if (one.type !== 'Strip') throw refuse(where, 'normalizer', one);
  }
  let addDummyPrefix: boolean | undefined;
  for (const one of cutters) {
    if (one.type === 'WhitespaceSplit') continue;
    if (one.type !== 'Metaspace' || (one['replacement'] ?? '\u2581') !== '\u2581')
      throw refuse(where, 'pre_tokenizer', one);
    addDummyPrefix = one['prepend_scheme'] !== 'never' && one['add_prefix_space'] !== false;
  }
  if (addDummyPrefix === undefined || !joinsSpaces)
    throw new VerbatimError(
      `${where}: the pre_tokenizer keeps spaces as they are, which is not supported; T5 has WhitespaceSplit and Metaspace.`,
    );
  return {
    added,
    model: { pieces, unkId, byteFallback, charsmap, addDummyPrefix, removeExtraWhitespaces: true },
  };
}

type Typed = z.infer<typeof typed>;

/** The steps of a `Sequence`, or the one step. */
function listed(step: Typed | null | undefined, key: string, where: string): readonly Typed[] {
  if (step === null || step === undefined) return [];
  if (step.type !== 'Sequence') return [step];
  const parsed = z.array(typed).safeParse(step[key]);
  if (!parsed.success) throw new VerbatimError(`${where}: a "Sequence" without its list "${key}".`);
  return parsed.data;
}

/** Whether a `Replace` makes one space, or one mark of a space, of several. */
function isJoin({ pattern, content }: Typed): boolean {
  const regex = (pattern as { Regex?: unknown } | undefined)?.Regex;
  return regex === ' {2,}' && (content === ' ' || content === '\u2581');
}

function refuse(where: string, key: string, step: Typed): VerbatimError {
  return new VerbatimError(`${where}: ${key} ${JSON.stringify(step).slice(0, 80)} is not supported.`);
}

function readBase64(value: unknown, where: string): Uint8Array | undefined {
  if (value === null || value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value))
    throw new VerbatimError(`${where}: normalizer.precompiled_charsmap is no base64.`);
  return Uint8Array.from(Buffer.from(value, 'base64'));
}
