import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { hashFile, isFile } from '../../tables/index.ts';
import type { ModelFolder } from './open.ts';

/** What makes a model; logs, licences and cards beside it do not change what it computes. */
const parts = [
  'model_index.json',
  'verbatim.json',
  'scheduler',
  'text_encoder',
  'text_encoder_2',
  'tokenizer',
  'tokenizer_2',
  'unet',
  'vae',
  'vae_decoder',
  'vae_encoder',
  'vqvae',
];

/** The digest of an opened model: of its folder, or of a single file with its settings and its tokenizer. */
export async function modelDigest(model: string | ModelFolder): Promise<string> {
  if (typeof model === 'string') return folderDigest(model);
  if (model.format !== 'single-file') return folderDigest(model.path);
  const files: [string, string][] = [['model.safetensors', model.path]];
  const tokenizer = model.textEncoder.tokenizerFolder;
  for (const name of ['merges.txt', 'special_tokens_map.json', 'tokenizer_config.json', 'vocab.json'])
    files.push([`tokenizer/${name}`, join(tokenizer, name)]);
  files.push(['verbatim.json', model.settingsPath]);
  const present: [string, string][] = [];
  for (const file of files) if (await isFile(file[1])) present.push(file);
  return hashFiles(present);
}

/**
 * SHA-256 (hex) over the model's files in order of their names: for each its path with forward slashes, a
 * NUL, its size in bytes, a NUL, its content. Files whose names start with a dot are left out.
 */
async function folderDigest(folder: string): Promise<string> {
  const files: string[] = [];
  for (const part of parts) await collect(folder, part, files);
  if (files.length === 0)
    throw new VerbatimError(`${folder}: no model here; expected model_index.json, unet/, ….`);
  return hashFiles(files.sort().map((file) => [file, join(folder, ...file.split('/'))]));
}

/** Over pairs of a name, with forward slashes, and a path. */
async function hashFiles(files: readonly (readonly [string, string])[]): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, path] of files) {
    hash.update(`${name}\0${(await stat(path)).size}\0`);
    await hashFile(hash, path);
  }
  return hash.digest('hex');
}

async function collect(root: string, relative: string, files: string[]): Promise<void> {
  const found = await stat(join(root, ...relative.split('/'))).catch(() => undefined);
  if (found?.isFile()) files.push(relative);
  if (!found?.isDirectory()) return;
  for (const name of await readdir(join(root, ...relative.split('/'))))
    if (!name.startsWith('.')) await collect(root, `${relative}/${name}`, files);
}
