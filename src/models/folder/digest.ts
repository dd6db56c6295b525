import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import { hashFile } from '../../tables/index.ts';

/** What makes a model; logs, licences and cards beside it do not change what it computes. */
const parts = [
  'model_index.json',
  'verbatim.json',
  'scheduler',
  'text_encoder',
  'tokenizer',
  'unet',
  'vae',
  'vae_decoder',
  'vae_encoder',
  'vqvae',
];

/**
 * SHA-256 (hex) over the model's files in order of their names: for each its path with forward slashes, a
 * NUL, its size in bytes, a NUL, its content. Files whose names start with a dot are left out.
 */
export async function modelDigest(folder: string): Promise<string> {
  const files: string[] = [];
  for (const part of parts) await collect(folder, part, files);
  if (files.length === 0)
    throw new VerbatimError(`${folder}: no model here; expected model_index.json, unet/, ….`);
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    const path = join(folder, ...file.split('/'));
    hash.update(`${file}\0${(await stat(path)).size}\0`);
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
