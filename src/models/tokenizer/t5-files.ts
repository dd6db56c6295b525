import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { isFile, readJsonObject } from '../../tables/index.ts';
import { parseSentencePiece } from './sentencepiece.ts';
import { createT5Tokenizer, type T5Tokenizer } from './t5-tokenizer.ts';
import { parseTokenizerJson } from './tokenizer-json.ts';

const classes = ['T5Tokenizer', 'T5TokenizerFast'];
/** T5's sentinels where the files do not say how many. */
const extraIds = 100;

/**
 * Reads a T5 tokenizer's folder: `spiece.model`, or `tokenizer.json` where there is none; and `tokenizer_config.json`
 * where it is there. Throws a VerbatimError that names the file and what is wrong in it.
 */
export async function loadT5Tokenizer(folder: string): Promise<T5Tokenizer> {
  const configPath = join(folder, 'tokenizer_config.json');
  const config = (await isFile(configPath)) ? await readJsonObject(configPath) : {};
  const className = config['tokenizer_class'];
  if (className !== undefined && !classes.includes(className as string))
    throw new VerbatimError(
      `${configPath}: tokenizer_class ${JSON.stringify(className)} is not supported, only ${classes[0]}.`,
    );
  const token = (name: 'eos' | 'pad', usual: string): string => {
    const value = config[`${name}_token`];
    const content =
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)['content'] : value;
    return typeof content === 'string' ? content : usual;
  };
  const [eos, pad] = [token('eos', '</s>'), token('pad', '<pad>')];

  const jsonPath = join(folder, 'tokenizer.json');
  const modelPath = join(folder, 'spiece.model');
  if (await isFile(modelPath)) {
    const model = parseSentencePiece(await readFile(modelPath), modelPath);
    const added = new Map<string, number>();
    for (const [id, { text, kind }] of model.pieces.entries())
      if (kind === 'control' || kind === 'unknown') added.set(text, id);
    // <extra_id_0> has the last id.
    const count = readCount(config['extra_ids'], configPath);
    for (let n = 0; n < count; n++) added.set(`<extra_id_${n}>`, model.pieces.length + count - 1 - n);
    return createT5Tokenizer({ model, added, eos, pad }, modelPath);
  }
  if (!(await isFile(jsonPath)))
    throw new VerbatimError(
      `${modelPath}: is missing, and so is tokenizer.json; T5's tokenizer is in one of them.`,
    );
  const { model, added } = parseTokenizerJson(await readJsonObject(jsonPath), jsonPath);
  return createT5Tokenizer({ model, added, eos, pad }, jsonPath);
}

function readCount(value: unknown, where: string): number {
  if (value === undefined || value === null) return extraIds;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 10_000) return value;
  throw new VerbatimError(`${where}: extra_ids = ${JSON.stringify(value)} is no number from 0 to 10000.`);
}
