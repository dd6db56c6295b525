import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { VerbatimError } from '../../errors.ts';
import type { ConstantData, Model } from '../value.ts';
import { constantBytes, externalData, modelProto, readConstant } from './encode.ts';
import { encodeProto } from './schema.ts';

export interface WriteOptions {
  /** Constants of at least so many bytes go into the file beside the model. Default 1024, as optimum does. */
  readonly externalBytes?: number;
}

/** From this size on a weight starts at a memory page, so that readers can map it. */
const LARGE_BYTES = 2 ** 20;
const PAGE_BYTES = 4096;
const SMALL_ALIGNMENT_BYTES = 64;
/** A constant that lies in a file is copied in pieces of this size. */
const CHUNK_BYTES = 8 * 2 ** 20;

/**
 * Writes a model to `path` and its weights to `<path>_data` beside it (`model.onnx`, `model.onnx_data`).
 *
 * Weights are streamed one by one, so models above 2 GiB need no more memory than they have already;
 * constants that lie in files are copied piece by piece. Both files are written under temporary names and
 * renamed when they are whole; an old model is removed before its weights are replaced. Constants of
 * `model` that lie in the replaced weights file itself must not be read afterwards: read the model again.
 *
 * @throws VerbatimError when the disk is full or a constant's file has become too short
 */
export async function writeModel(model: Model, path: string, options: WriteOptions = {}): Promise<void> {
  const threshold = options.externalBytes ?? 1024;
  const dataPath = `${path}_data`;
  const suffix = `.${process.pid}.tmp`;
  const outside: { data: ConstantData; offsetBytes: number }[] = [];
  let end = 0;
  const proto = modelProto(model, (_, data) => {
    const lengthBytes = constantBytes(data);
    if (lengthBytes < threshold && data.kind !== 'file') return { raw_data: readConstant(data) };
    const alignment = lengthBytes >= LARGE_BYTES ? PAGE_BYTES : SMALL_ALIGNMENT_BYTES;
    const offsetBytes = Math.ceil(end / alignment) * alignment;
    end = offsetBytes + lengthBytes;
    outside.push({ data, offsetBytes });
    return externalData(basename(dataPath), offsetBytes, lengthBytes);
  });
  try {
    if (outside.length) await writeFileOf(dataPath + suffix, (file) => writeConstants(file, outside));
    const bytes = encodeProto(proto);
    await writeFileOf(path + suffix, (file) => writeAt(file, bytes, 0));
    await rm(path, { force: true });
    if (outside.length) await rename(dataPath + suffix, dataPath);
    else await rm(dataPath, { force: true });
    await rename(path + suffix, path);
  } catch (error) {
    await Promise.all([path, dataPath].map((name) => rm(name + suffix, { force: true })));
    throw writeError(path, error);
  }
}

function writeError(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof VerbatimError || code === undefined) return error;
  const why = code === 'ENOSPC' ? 'the disk is full; free some space' : message;
  return new VerbatimError(`${path}: the model could not be written: ${why}`, { cause: error });
}

async function writeFileOf(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'w');
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeConstants(
  file: FileHandle,
  constants: readonly { data: ConstantData; offsetBytes: number }[],
): Promise<void> {
  for (const { data, offsetBytes } of constants) {
    if (data.kind === 'file') await copyInto(file, data, offsetBytes);
    else await writeAt(file, readConstant(data), offsetBytes);
  }
}

async function copyInto(
  file: FileHandle,
  data: ConstantData & { kind: 'file' },
  offsetBytes: number,
): Promise<void> {
  const source = await open(data.path, 'r');
  try {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, data.lengthBytes));
    for (let done = 0; done < data.lengthBytes; ) {
      const wanted = Math.min(chunk.byteLength, data.lengthBytes - done);
      const { bytesRead } = await source.read(chunk, 0, wanted, data.offsetBytes + done);
      if (bytesRead === 0)
        throw new VerbatimError(
          `${data.path}: ends after ${data.offsetBytes + done} bytes, but a constant reaches to byte ${data.offsetBytes + data.lengthBytes}; the file was cut short`,
        );
      await writeAt(file, chunk.subarray(0, bytesRead), offsetBytes + done);
      done += bytesRead;
    }
  } finally {
    await source.close();
  }
}

/** Writes all of `bytes`, in as many calls as the system wants (Linux takes at most 2 GiB at a time). */
async function writeAt(file: FileHandle, bytes: Uint8Array, offsetBytes: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const length = Math.min(bytes.byteLength - done, 2 ** 30);
    const { bytesWritten } = await file.write(bytes, done, length, offsetBytes + done);
    done += bytesWritten;
  }
}
