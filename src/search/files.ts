import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { VerbatimError } from '../errors.ts';
import { type NpyHeader, npyItemBytes, readNpyHeader } from '../tables/index.ts';

/** NumPy files [rows, width] of one element type, one after another, as one long array. */
export interface RowFiles {
  readonly dtype: NpyHeader['dtype'];
  readonly count: number;
  readonly width: number;
  readonly rowBytes: number;
  /** Rows of each file. */
  readonly counts: readonly number[];
  /** Rows from position `from` on into as much of a buffer as `into` covers. */
  read(from: number, into: Uint8Array): Promise<void>;
  /** One row, at once: a row is smaller than what handing it to another thread costs. */
  readRow(position: number, into: Uint8Array): void;
  close(): Promise<void>;
}

interface Part {
  readonly path: string;
  readonly file: FileHandle;
  readonly header: NpyHeader;
  /** Position of its first row in the whole. */
  readonly first: number;
}

/**
 * Opens the files and reads nothing but their headers.
 *
 * @throws VerbatimError when a file is missing or damaged, or the files differ in width or type
 */
export async function openRowFiles(
  paths: readonly string[],
  dtypes: readonly NpyHeader['dtype'][],
): Promise<RowFiles> {
  const parts: Part[] = [];
  const close = async () => {
    await Promise.all(parts.map(({ file }) => file.close()));
  };
  try {
    for (const path of paths) parts.push(await openPart(path, dtypes, parts));
  } catch (error) {
    await close();
    throw error;
  }
  const last = parts.at(-1);
  if (last === undefined) throw new VerbatimError('there are no vectors: no .npy file was named');
  const { dtype, shape } = last.header;
  const rowBytes = shape[1]! * npyItemBytes(dtype);
  return {
    dtype,
    count: last.first + shape[0]!,
    width: shape[1]!,
    rowBytes,
    counts: parts.map(({ header }) => header.shape[0]!),
    async read(from, into) {
      const to = from + into.length / rowBytes;
      for (let p = partOf(parts, from); p < parts.length && parts[p]!.first < to; p++) {
        const { first, header } = parts[p]!;
        const begin = Math.max(from, first);
        const end = Math.min(to, first + header.shape[0]!);
        if (begin >= end) continue;
        const target = into.subarray((begin - from) * rowBytes, (end - from) * rowBytes);
        await readFully(parts[p]!, target, (begin - first) * rowBytes);
      }
    },
    readRow(position, into) {
      const { path, file, header, first } = parts[partOf(parts, position)]!;
      const at = header.offsetBytes + (position - first) * rowBytes;
      for (let done = 0; done < rowBytes; ) {
        const bytesRead = readSync(file.fd, into, done, rowBytes - done, at + done);
        if (bytesRead === 0) throw becameShorter(path);
        done += bytesRead;
      }
    },
    close,
  };
}

/** The file that holds a row: the last one that begins at or before it. */
function partOf(parts: readonly Part[], position: number): number {
  let [low, high] = [0, parts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (parts[middle]!.first <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

async function openPart(
  path: string,
  dtypes: readonly NpyHeader['dtype'][],
  before: readonly Part[],
): Promise<Part> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new VerbatimError(`${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`);
  });
  try {
    const header = await readNpyHeader(file, path);
    const { dtype, shape } = header;
    if (shape.length !== 2 || shape[1] === 0 || !dtypes.includes(dtype))
      throw new VerbatimError(
        `${path}: holds ${dtype} [${shape.join(', ')}]; expected ${dtypes.join(' or ')} [rows, dimension]`,
      );
    const [first] = before;
    if (first && (shape[1] !== first.header.shape[1] || dtype !== first.header.dtype))
      throw new VerbatimError(
        `${path}: holds ${dtype} vectors of ${shape[1]} values, ${first.path} ${first.header.dtype} ones of ${first.header.shape[1]}`,
      );
    const previous = before.at(-1);
    return { path, file, header, first: previous ? previous.first + previous.header.shape[0]! : 0 };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A read may give less than was asked for. */
async function readFully({ path, file, header }: Part, into: Uint8Array, from: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, header.offsetBytes + from + done);
    if (bytesRead === 0) throw becameShorter(path);
    done += bytesRead;
  }
}

function becameShorter(path: string): VerbatimError {
  return new VerbatimError(`${path}: became shorter while it was read`);
}
