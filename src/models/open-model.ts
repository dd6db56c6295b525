import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { VerbatimError } from '../errors.ts';
import { type ModelFolder, openModelFolder } from './folder/open.ts';
import { openSingleFile } from './single-file/open.ts';

export interface ModelOptions {
  /** A folder with CLIP's vocabulary, for single-file checkpoints, which hold none. */
  readonly tokenizer?: string;
}

const pickles = ['.ckpt', '.pt', '.pth', '.bin', '.pkl'];

/**
 * Opens a model by its path: a diffusers or ONNX folder, or a single-file `.safetensors` checkpoint. Reads configs and
 * headers only. A VerbatimError says what is wrong with the path; a pickled checkpoint is refused unread.
 */
export async function openModel(path: string, options: ModelOptions = {}): Promise<ModelFolder> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) {
    refuseTokenizer(path, options.tokenizer);
    return openModelFolder(path);
  }
  const extension = extname(path).toLowerCase();
  if (extension === '.safetensors') return openSingleFile(path, options.tokenizer);
  const reason = pickles.includes(extension)
    ? 'a pickle can run any program when it is opened, so it is not read; convert it to .safetensors, or take that version of the model'
    : 'expected a model folder or a .safetensors checkpoint';
  throw new VerbatimError(`${path}: ${reason}.`, { exitCode: 2 });
}

/** @throws VerbatimError (exit code 2) where a tokenizer is named for a model that is a folder */
export function refuseTokenizer(path: string, tokenizer: string | undefined): void {
  if (tokenizer === undefined) return;
  throw new VerbatimError(
    `${path}: "tokenizer" goes with a single .safetensors file; a model folder has its own, or needs none.`,
    { exitCode: 2 },
  );
}
