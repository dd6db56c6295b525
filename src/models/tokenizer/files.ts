import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { readJsonObject, readTextFile, writeFileAtomic } from '../../tables/index.ts';
import { trainBpe } from './bpe.ts';
import {
  type ClipTokenizer,
  type ClipTokenizerFiles,
  clipSpecialTokens,
  createClipTokenizer,
  type SpecialToken,
} from './clip-tokenizer.ts';

/** An object out of a file that may be absent. */
async function readOptional(path: string): Promise<Record<string, unknown>> {
  return existsSync(path) ? readJsonObject(path) : {};
}

function readVocab(path: string, json: Record<string, unknown>): Record<string, number> {
  const owners = new Map<number, string>();
  for (const [token, id] of Object.entries(json)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0)
      throw new VerbatimError(
        `${path}: token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}, not a whole number.`,
      );
    const other = owners.get(id);
    if (other !== undefined)
      throw new VerbatimError(
        `${path}: tokens ${JSON.stringify(other)} and ${JSON.stringify(token)} share the id ${id}.`,
      );
    owners.set(id, token);
  }
  if (owners.size === 0) throw new VerbatimError(`${path}: the vocabulary is empty.`);
  return json as Record<string, number>;
}

function readMerges(path: string, text: string, vocab: Readonly<Record<string, number>>): [string, string][] {
  const merges: [string, string][] = [];
  text.split('\n').forEach((line, index) => {
    // Only the first line may be a comment: '#' may itself be a symbol.
    if (line.trim() === '' || (index === 0 && line.startsWith('#version'))) return;
    const [left, right, ...more] = line.replace(/\r$/, '').split(' ');
    if (!left || !right || more.length > 0)
      throw new VerbatimError(`${path}: line ${index + 1} is ${JSON.stringify(line)}, not two symbols.`);
    for (const token of [left, right, left + right])
      if (!Object.hasOwn(vocab, token))
        throw new VerbatimError(
          `${path}: line ${index + 1} needs the token ${JSON.stringify(token)}, which vocab.json lacks.`,
        );
    merges.push([left, right]);
  });
  return merges;
}

function readSpecial(value: unknown, fallback: SpecialToken): SpecialToken {
  if (typeof value === 'string') return { content: value, normalized: false };
  if (typeof value !== 'object' || value === null) return fallback;
  const { content, normalized } = value as Record<string, unknown>;
  if (typeof content !== 'string') return fallback;
  return { content, normalized: normalized === true };
}

/**
 * What follows a caption's end: what the files say ('own'), the end of text again (OpenAI's CLIP), or the token with
 * the id 0 (OpenCLIP). CLIP's vocabulary is the same for all, so one folder may serve encoders that pad differently.
 */
export type Padding = 'own' | 'end' | 'zero';

/**
 * Reads `vocab.json`, `merges.txt`, `tokenizer_config.json` and, where present, `special_tokens_map.json`
 * of a tokenizer folder. Throws a VerbatimError that names the file and what is wrong in it.
 */
export async function loadClipTokenizer(folder: string, padding: Padding = 'own'): Promise<ClipTokenizer> {
  const configPath = join(folder, 'tokenizer_config.json');
  const config = await readJsonObject(configPath);
  const className = config['tokenizer_class'];
  if (className !== undefined && className !== 'CLIPTokenizer' && className !== 'CLIPTokenizerFast')
    throw new VerbatimError(
      `${configPath}: tokenizer_class ${JSON.stringify(className)} is not supported, only CLIPTokenizer.`,
    );
  const vocabPath = join(folder, 'vocab.json');
  const vocab = readVocab(vocabPath, await readJsonObject(vocabPath));
  const mergesPath = join(folder, 'merges.txt');
  const merges = readMerges(mergesPath, await readTextFile(mergesPath), vocab);
  const map = await readOptional(join(folder, 'special_tokens_map.json'));
  // Newer files list every special token once more, and that entry holds.
  const listed = Object.values((config['added_tokens_decoder'] ?? {}) as Record<string, unknown>);
  const added = listed.map((value) => readSpecial(value, clipSpecialTokens.unk));
  const special = (name: 'bos' | 'eos' | 'unk' | 'pad'): SpecialToken => {
    const token = readSpecial(config[`${name}_token`] ?? map[`${name}_token`], clipSpecialTokens[name]);
    return added.find((one) => one.content === token.content) ?? token;
  };
  const maxLength = config['model_max_length'] ?? 77;
  if (typeof maxLength !== 'number' || !Number.isInteger(maxLength) || maxLength < 2 || maxLength > 65_536)
    throw new VerbatimError(
      `${configPath}: model_max_length = ${JSON.stringify(maxLength)} is no length from 2 to 65536.`,
    );
  const eos = special('eos');
  const zero = Object.entries(vocab).find(([, id]) => id === 0)?.[0];
  const pads: Readonly<Record<Padding, SpecialToken>> = {
    own: special('pad'),
    end: { content: eos.content, normalized: false },
    zero: { content: zero ?? '', normalized: false },
  };
  return createClipTokenizer({
    vocab,
    merges,
    maxLength,
    bos: special('bos'),
    eos,
    unk: special('unk'),
    pad: pads[padding],
  });
}

export interface TrainClipBpeOptions {
  /** At most 4096 keeps a miniature's embedding small; CLIP's own has 49408. */
  readonly vocabSize: number;
  /** Tokens per caption, with start and end. Default 77. */
  readonly maxLength?: number;
}

/** A tokenizer learned from captions; see `trainBpe`. The same captions in any order give the same one. */
export function trainClipBpe(captions: Iterable<string>, options: TrainClipBpeOptions): ClipTokenizer {
  const { vocab, merges } = trainBpe(captions, options.vocabSize);
  return createClipTokenizer({ vocab, merges, maxLength: options.maxLength ?? 77, ...clipSpecialTokens });
}

/** The text of each file of the tokenizer's folder, as Stable Diffusion's repositories hold them. */
export function clipTokenizerTexts(files: ClipTokenizerFiles): Record<string, string> {
  const added = ({ content, normalized }: SpecialToken) => ({
    content,
    lstrip: false,
    normalized,
    rstrip: false,
    single_word: false,
  });
  const specials = {
    bos_token: added(files.bos),
    eos_token: added(files.eos),
    pad_token: files.pad.content,
    unk_token: added(files.unk),
  };
  const typed = (token: SpecialToken) => ({ __type: 'AddedToken', ...added(token) });
  const config = {
    add_prefix_space: false,
    bos_token: typed(files.bos),
    do_lower_case: true,
    eos_token: typed(files.eos),
    errors: 'replace',
    model_max_length: files.maxLength,
    pad_token: files.pad.content,
    tokenizer_class: 'CLIPTokenizer',
    unk_token: typed(files.unk),
  };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const byId = Object.entries(files.vocab).sort(([, a], [, b]) => a - b);
  return {
    'vocab.json': vocabJson(byId),
    'merges.txt': ['#version: 0.2', ...files.merges.map((pair) => pair.join(' ')), ''].join('\n'),
    'tokenizer_config.json': json(config),
    'special_tokens_map.json': json(specials),
  };
}

/** By hand: an object literal would sort the digits' tokens before all others. */
function vocabJson(byId: readonly (readonly [string, number])[]): string {
  return `{${byId.map(([token, id]) => `${JSON.stringify(token)}:${id}`).join(',')}}\n`;
}

/** Writes the four files into `folder`, which is made when absent. */
export async function writeClipTokenizer(folder: string, files: ClipTokenizerFiles): Promise<void> {
  for (const [name, text] of Object.entries(clipTokenizerTexts(files)))
    await writeFileAtomic(join(folder, name), text);
}
