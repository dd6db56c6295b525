import { type Tensor, toFloat32 } from '../math/index.ts';
import { type CodePaths, openCodedRows } from './coded.ts';
import { openRowFiles } from './files.ts';
import type { VectorDType, VectorRows } from './types.ts';

/** What a block holds unless told otherwise: large enough for the matrix product, small enough for the cache. */
const blockBytes = 16 << 20;

export function defaultBlockRows(dimension: number): number {
  return Math.max(1, Math.floor(blockBytes / (4 * dimension)));
}

/**
 * Rows that are in memory already. One array is copied once, into blocks of `blockRows`; of several, each is a block and is
 * taken over, not copied: it must fill a buffer of its own, and have as many rows as the first, but for the last.
 *
 * @param data [count, dimension]; float16 as raw bits
 */
export function memoryRows(
  data: Float32Array | Uint16Array | readonly (Float32Array | Uint16Array)[],
  dimension: number,
  blockRows = defaultBlockRows(dimension),
): VectorRows {
  const parts = 'byteLength' in data ? cut(data, dimension, blockRows) : data;
  const [first] = parts;
  const perBlock = 'byteLength' in data || first === undefined ? blockRows : first.length / dimension;
  const dtype: VectorDType = (first ?? data) instanceof Uint16Array ? 'float16' : 'float32';
  const blocks = parts.map((part, i): Tensor => {
    const rows = part.length / dimension;
    if (!Number.isInteger(rows)) throw new RangeError(`${part.length} values are no rows of ${dimension}`);
    if (
      part.constructor !== first!.constructor ||
      (rows !== perBlock && i + 1 < parts.length) ||
      rows > perBlock
    )
      throw new RangeError(`block ${i} of the rows has another size or type than the first`);
    return { dtype, shape: [rows, dimension], data: part } as Tensor;
  });
  return {
    dtype,
    count: blocks.reduce((sum, { shape }) => sum + shape[0]!, 0),
    dimension,
    blockRows: perBlock,
    block: async (at) => blocks[at]!,
    giveBack: (at, rows) => {
      blocks[at] = rows;
    },
    async rows(positions) {
      const out = new Float32Array(positions.length * dimension);
      positions.forEach((position, i) => {
        const block = blocks[Math.floor(position / perBlock)]!.data;
        const from = (position % perBlock) * dimension;
        const row = (block as Float32Array | Uint16Array).subarray(from, from + dimension);
        out.set(row instanceof Uint16Array ? toFloat32(row) : row, i * dimension);
      });
      return out;
    },
    close: async () => {},
  };
}

function cut(data: Float32Array | Uint16Array, dimension: number, blockRows: number) {
  if (!Number.isInteger(data.length / dimension))
    throw new RangeError(`${data.length} values are no rows of ${dimension}`);
  const step = blockRows * dimension;
  return Array.from({ length: Math.ceil(data.length / step) }, (_, i) =>
    data.slice(i * step, (i + 1) * step),
  );
}

/**
 * The rows of NumPy files [rows, dimension], one after another: an index of ours, or embeddings that
 * clip-retrieval made. Nothing but the headers is read until rows are asked for.
 *
 * @throws VerbatimError when a file is missing or damaged, or the files differ in dimension or type
 */
export async function openNpyRows(
  paths: readonly string[],
  blockRows?: number,
  coded?: CodePaths,
): Promise<VectorRows> {
  const files = await openRowFiles(paths, ['float32', 'float16']);
  const { count, width: dimension, rowBytes } = files;
  const dtype = files.dtype as VectorDType;
  const perBlock = blockRows ?? defaultBlockRows(dimension);
  const codedRows =
    coded &&
    (await openCodedRows(coded, files, perBlock).catch(async (error) => {
      await files.close();
      throw error;
    }));
  const buffers: ArrayBuffer[] = [];
  return {
    dtype,
    count,
    dimension,
    blockRows: perBlock,
    coded: codedRows,
    async block(at) {
      const from = at * perBlock;
      const size = Math.min(count, from + perBlock) - from;
      // A new buffer's pages cost more than reading into it does: they are used again.
      const fitting = buffers.findIndex(({ byteLength }) => byteLength === size * rowBytes);
      const [buffer] = fitting < 0 ? [] : buffers.splice(fitting, 1);
      const bytes = new Uint8Array(buffer ?? new ArrayBuffer(size * rowBytes));
      await files.read(from, bytes);
      return asTensor(bytes, dtype, dimension);
    },
    giveBack(_, rows) {
      buffers.push(rows.data.buffer as ArrayBuffer);
    },
    async rows(positions) {
      const out = new Float32Array(positions.length * dimension);
      // float32 goes where it belongs at once, float16 by way of its bits.
      const bits = new Uint16Array(dtype === 'float16' ? dimension : 0);
      for (const [i, position] of positions.entries())
        if (dtype === 'float32') files.readRow(position, new Uint8Array(out.buffer, i * rowBytes, rowBytes));
        else {
          files.readRow(position, new Uint8Array(bits.buffer));
          out.set(toFloat32(bits), i * dimension);
        }
      return out;
    },
    async close() {
      await files.close();
      await codedRows?.close();
    },
  };
}

function asTensor(bytes: Uint8Array, dtype: VectorDType, dimension: number): Tensor {
  const data = dtype === 'float32' ? new Float32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
  return { dtype, shape: [data.length / dimension, dimension], data } as Tensor;
}
