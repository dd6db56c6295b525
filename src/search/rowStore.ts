import { randomInt } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VerbatimError } from '../errors.ts';
import type { Tensor } from '../math/index.ts';
import { explainWriteError } from '../tables/index.ts';
import type { RowSet } from './tiles.ts';
import type { SearchOptions, VectorDType, VectorRows } from './types.ts';

/** Rows that are compared many times, each in its slot. */
export interface RowStore {
  /** Slots from … to − 1. */
  range(from: number, to: number): Promise<RowSet>;
  /** Some slots, ascending. */
  some(slots: Uint32Array): Promise<RowSet>;
  close(): Promise<void>;
}

export interface StoreOptions extends SearchOptions {
  /** Rows that take no more than this are kept in memory. Default 2 GiB. */
  readonly memoryBytes?: number | undefined;
  /** Where larger ones are written in the order in which they are needed; what is written is removed in the end. */
  readonly folder?: string | undefined;
}

/** Slots are positions: rows are read where they are, block by block. */
export function rowsInPlace(rows: VectorRows): Pick<RowStore, 'range' | 'close'> {
  const { count, dimension, dtype, blockRows } = rows;
  let out: { at: number; block: Tensor } | undefined;
  const giveBack = () => {
    if (out) rows.giveBack(out.at, out.block);
    out = undefined;
  };
  return {
    async range(from, to) {
      const data = newRows(dtype, (to - from) * dimension);
      for (let row = from; row < to; ) {
        const at = Math.floor(row / blockRows);
        if (out?.at !== at) {
          giveBack();
          out = { at, block: await rows.block(at) };
        }
        const first = at * blockRows;
        const end = Math.min(to, first + blockRows, count);
        const values = out.block.data as Float32Array;
        data.set(
          values.subarray((row - first) * dimension, (end - first) * dimension),
          (row - from) * dimension,
        );
        row = end;
      }
      const positions = Uint32Array.from({ length: to - from }, (_, i) => from + i);
      return { positions, rows: rowsTensor(data, dimension) };
    },
    close: async () => giveBack(),
  };
}

const memoryDefault = 2 * 2 ** 30;

/**
 * The rows in an order of their own: slot s holds row order[s]. In memory where they fit; else in a file, made by reading them one
 * after another and writing what belongs together at once.
 *
 * @throws VerbatimError when they do not fit and no folder is given, or the disk is full
 */
export async function openStore(
  rows: VectorRows,
  order: Uint32Array,
  options: StoreOptions,
): Promise<RowStore> {
  const { dimension, dtype } = rows;
  const { memoryBytes = memoryDefault, folder } = options;
  const rowBytes = dimension * (dtype === 'float16' ? 2 : 4);
  const memory = order.length * rowBytes <= memoryBytes;
  if (!memory && folder === undefined)
    throw new VerbatimError(
      `${order.length} vectors take ${Math.ceil((order.length * rowBytes) / 2 ** 20)} MiB, more than the ${Math.floor(memoryBytes / 2 ** 20)} MiB allowed in memory; name a folder for them`,
      { exitCode: 2 },
    );
  const bytes = memory ? inMemory(order.length * rowBytes) : await inFile(folder!);
  try {
    await arrange(rows, order, rowBytes, bytes, memory ? 0 : memoryBytes, options);
  } catch (error) {
    await bytes.close();
    throw error;
  }
  const load = (count: number, fill: (into: Uint8Array) => void): Tensor => {
    const data = newRows(dtype, count * dimension);
    fill(new Uint8Array(data.buffer));
    return rowsTensor(data, dimension);
  };
  return {
    async range(from, to) {
      return {
        positions: order.slice(from, to),
        rows: load(to - from, (into) => bytes.read(from * rowBytes, into)),
      };
    },
    async some(slots) {
      const found = load(slots.length, (into) => {
        // Slots that follow each other are read at once.
        for (let i = 0; i < slots.length; ) {
          let end = i + 1;
          while (end < slots.length && slots[end] === slots[end - 1]! + 1) end++;
          bytes.read(slots[i]! * rowBytes, into.subarray(i * rowBytes, end * rowBytes));
          i = end;
        }
      });
      return { positions: Uint32Array.from(slots, (slot) => order[slot]!), rows: found };
    },
    close: () => bytes.close(),
  };
}

/** Bytes by their place; a call returns when it is done: a row is smaller than what handing it to another thread costs. */
interface Bytes {
  read(at: number, into: Uint8Array): void;
  write(at: number, from: Uint8Array): void;
  close(): Promise<void>;
}

function inMemory(length: number): Bytes {
  const all = new Uint8Array(length);
  return {
    read: (at, into) => into.set(all.subarray(at, at + into.length)),
    write: (at, from) => all.set(from, at),
    close: async () => {},
  };
}

async function inFile(folder: string): Promise<Bytes> {
  // Named as other temporary files are: what a killed process leaves is removed with theirs.
  const path = join(folder, `.rows.${process.pid}-${randomInt(2 ** 47)}.tmp`);
  const file = await mkdir(folder, { recursive: true })
    .then(() => open(path, 'wx+'))
    .catch((error: unknown) => {
      throw explainWriteError(error, path);
    });
  return {
    read(at, into) {
      for (let done = 0; done < into.length; ) {
        const got = readSync(file.fd, into, done, into.length - done, at + done);
        if (got === 0) throw new VerbatimError(`${path}: became shorter while it was read`);
        done += got;
      }
    },
    write(at, from) {
      try {
        for (let done = 0; done < from.length; )
          done += writeSync(file.fd, from, done, from.length - done, at + done);
      } catch (error) {
        throw explainWriteError(error, path);
      }
    },
    async close() {
      await file.close();
      await rm(path, { force: true });
    },
  };
}

/** Rows that are read before they are written: the more of them, the more stand side by side. */
const mostPendingBytes = 2 ** 28;

async function arrange(
  rows: VectorRows,
  order: Uint32Array,
  rowBytes: number,
  bytes: Bytes,
  memoryBytes: number,
  { signal, onProgress }: SearchOptions,
): Promise<void> {
  const { count, blockRows } = rows;
  const slots = new Uint32Array(count).fill(nowhere);
  order.forEach((row, slot) => {
    slots[row] = slot;
  });
  const blockBytes = Math.min(count, blockRows) * rowBytes;
  const pending = Math.max(1, Math.floor(Math.min(mostPendingBytes, memoryBytes) / blockBytes));
  const blocks = Math.ceil(count / blockRows);
  for (let first = 0; first < blocks; first += pending) {
    const group: [at: number, block: Tensor][] = [];
    const parts: [slot: number, row: Uint8Array][] = [];
    for (let at = first; at < Math.min(blocks, first + pending); at++) {
      signal?.throwIfAborted();
      const block = await rows.block(at);
      group.push([at, block]);
      const { buffer, byteOffset } = block.data;
      for (let i = 0; i < block.shape[0]!; i++) {
        const slot = slots[at * blockRows + i]!;
        if (slot === nowhere) continue;
        const row = new Uint8Array(buffer as ArrayBuffer, byteOffset + i * rowBytes, rowBytes);
        // In memory each row goes to its place at once.
        if (memoryBytes === 0) bytes.write(slot * rowBytes, row);
        else parts.push([slot, row]);
      }
    }
    parts.sort((one, other) => one[0] - other[0]);
    for (let i = 0; i < parts.length; ) {
      let end = i + 1;
      while (end < parts.length && parts[end]![0] === parts[end - 1]![0] + 1) end++;
      bytes.write(parts[i]![0] * rowBytes, Buffer.concat(parts.slice(i, end).map(([, row]) => row)));
      i = end;
    }
    for (const [at, block] of group) rows.giveBack(at, block);
    onProgress?.(Math.min(1, (first + pending) / blocks));
  }
}

const nowhere = 0xffffffff;

function newRows(dtype: VectorDType, values: number): Float32Array | Uint16Array {
  return dtype === 'float16' ? new Uint16Array(values) : new Float32Array(values);
}

function rowsTensor(data: Float32Array | Uint16Array, dimension: number): Tensor {
  const dtype: VectorDType = data instanceof Uint16Array ? 'float16' : 'float32';
  return { dtype, shape: [data.length / dimension, dimension], data } as Tensor;
}
