import { createGraph, input, type Model, matmulInteger, model, transpose } from '../graph/index.ts';
import type { Picture } from '../images/index.ts';
import type { Tensor } from '../math/index.ts';
import { openSession, type Session } from '../runtime/index.ts';

/** Exact products ⟨a − 128, b − 128⟩ of pieces of 8-bit pictures. */
export interface TileProducts {
  /** The bytes as first factor. */
  first(bytes: Uint8Array, shape: [pieces: number, pictures: number, values: number]): Tensor;
  /** The same pieces as second factor, in memory of their own. */
  second(first: Tensor): Tensor;
  /**
   * Products of all pairs, [pieces, pictures of a, pictures of b]. Both factors are lent: theirs are the ones that come
   * back.
   */
  multiply(
    first: Tensor,
    second: Tensor,
  ): Promise<{ readonly products: Int32Array; readonly first: Tensor; readonly second: Tensor }>;
  /** The memory of a factor, as bytes. */
  bytes(factor: Tensor): Uint8Array;
  /** A picture that was put together of such bytes, as it was before; changes and returns it. */
  original(picture: Picture): Picture;
  close(): Promise<void>;
}

type Coding = 'int8' | 'uint8';

/** a [t, m, k] · bᵀ, b [t, n, k] → [t, m, n] for each of t pieces. */
function productModel(coding: Coding): Model {
  const graph = createGraph();
  const a = input(graph, 'a', 'uint8', ['t', 'm', 'k']);
  const b = input(graph, 'b', coding, ['t', 'n', 'k']);
  const products = matmulInteger(a, transpose(b, [0, 2, 1]), 128, coding === 'int8' ? 0 : 128);
  return model(graph, { products });
}

/**
 * Opens the products on the CPU provider. The second factor is int8, v − 128, where such products are exact: processors
 * without VNNI add two of them in 16 bits and saturate, which one product of the largest values shows. There it is uint8,
 * slower and exact everywhere.
 */
export async function openTileProducts(options: {
  readonly threads?: number;
  readonly unsigned?: boolean;
  readonly signal?: AbortSignal;
}): Promise<TileProducts> {
  const open = (coding: Coding) =>
    openSession(productModel(coding), {
      provider: 'cpu',
      ...(options.threads !== undefined && { threads: options.threads }),
      ...(options.signal && { signal: options.signal }),
    });
  if (options.unsigned) return products(await open('uint8'), 'uint8');
  const session = await open('int8');
  if (await isExact(session)) return products(session, 'int8');
  await session.close();
  return products(await open('uint8'), 'uint8');
}

/** Whether the largest values come out right, for one row and for many, which have kernels of their own. */
async function isExact(session: Session): Promise<boolean> {
  for (const rows of [1, 16])
    for (const [a, b] of [
      [255, 127],
      [255, -128],
    ] as const) {
      const shape = [1, rows, 256];
      const values = rows * 256;
      const result = await session.run({
        a: { dtype: 'uint8', shape, data: new Uint8Array(values).fill(a) },
        b: { dtype: 'int8', shape, data: new Int8Array(values).fill(b) },
      });
      const found = result['products']!.data as Int32Array;
      if (found.some((product) => product !== 256 * (a - 128) * b)) return false;
    }
  return true;
}

function products(session: Session, coding: Coding): TileProducts {
  return {
    first: (data, shape) => ({ dtype: 'uint8', shape, data }),
    second({ shape, data }) {
      if (coding === 'uint8') return { dtype: 'uint8', shape, data: (data as Uint8Array).slice() };
      const copy = new Int8Array(data.length);
      flipSigns(data as Uint8Array, copy);
      return { dtype: 'int8', shape, data: copy };
    },
    async multiply(a, b) {
      const result = await session.run({ a, b }, { lend: ['a', 'b'] });
      return { products: result['products']!.data as Int32Array, first: result['a']!, second: result['b']! };
    },
    bytes: ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    original(picture) {
      if (coding === 'int8') flipSigns(picture.data, picture.data);
      return picture;
    },
    close: () => session.close(),
  };
}

/** v − 128 for v and back: the highest bit of each byte turned. Both fill buffers of their own, and may be the same. */
function flipSigns(from: Uint8Array, to: Uint8Array | Int8Array): void {
  const words = new Int32Array(from.buffer, 0, from.length >> 2);
  const flipped = new Int32Array(to.buffer, 0, words.length);
  for (let at = 0; at < words.length; at++) flipped[at] = words[at]! ^ 0x80808080;
  for (let at = 4 * words.length; at < from.length; at++) to[at] = from[at]! ^ 0x80;
}
