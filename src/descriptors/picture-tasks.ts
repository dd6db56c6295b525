import { readFileSync } from 'node:fs';
import { messageOf, VerbatimError } from '../errors.ts';
import { type DecodeOptions, decodePicture, decodeThumbnail, type Picture } from '../images/index.ts';
import { type EncodedHash, phashOfEncoded } from './hashes.ts';

/** The bytes of a picture's file, or where it lies. */
export type PictureFile = Uint8Array | string;

/** What a thread is asked for: `decodePicture`, `decodeThumbnail` or `phashOfEncoded` of one file. */
export type PictureTask = { readonly file: PictureFile; readonly options: DecodeOptions } & (
  | { readonly kind: 'picture' }
  | { readonly kind: 'thumbnail'; readonly side: number }
  | { readonly kind: 'phash'; readonly side: number | undefined }
);

export type PictureReply<Task extends PictureTask> = Task extends { readonly kind: 'phash' }
  ? EncodedHash
  : Picture;

/** @throws VerbatimError when the file cannot be read, and as the function asked for does */
export async function doPictureTask(task: PictureTask): Promise<PictureReply<PictureTask>> {
  const { file, options } = task;
  const bytes = typeof file === 'string' ? read(file, options.where) : file;
  switch (task.kind) {
    case 'picture':
      return decodePicture(bytes, options);
    case 'thumbnail':
      return decodeThumbnail(bytes, task.side, options);
    case 'phash':
      return phashOfEncoded(bytes, task.side === undefined ? options : { ...options, side: task.side });
  }
}

/** At once: small files are read in less time than it takes to ask for them and be told. */
function read(path: string, where: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new VerbatimError(`${where}: cannot be read (${messageOf(cause)}); look at its path and rights.`, {
      cause,
    });
  }
}
