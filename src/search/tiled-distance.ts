import { VerbatimError } from '../errors.ts';
import type { Picture } from '../images/index.ts';
import { pairIndex, type Tensor } from '../math/index.ts';
import { cutTiles, gatherPieces, type PieceGroup, scatterPieces, type TileCut } from './tile-cut.ts';
import { openTileProducts, type TileProducts } from './tile-products.ts';

export interface TiledDistanceOptions {
  /** Threads of the matrix product; default: the number of cores. Does not change results. */
  readonly threads?: number;
  /** Pictures that are added together; does not change results. Default 256. */
  readonly blockPictures?: number;
  /** Bytes of tiles that one product takes together; does not change results. Default 24 MiB. */
  readonly groupBytes?: number;
  /** Keep tiles as unsigned values, as processors need them whose signed products saturate. Default: found out. */
  readonly unsigned?: boolean;
  readonly signal?: AbortSignal;
}

/** All pairs of pictures under the tiled distance. Sets of pictures share its engine. */
export interface TiledDistances {
  /** An empty set. @param tiles on each side, 1 or more; default 4 */
  collect(tiles?: number): TiledPictures;
  close(): Promise<void>;
}

export interface TiledPictures {
  readonly count: number;
  /** The distances of all pairs, values in [0, 1]: see `pairIndex`. */
  readonly distances: Float64Array;
  /**
   * Takes pictures in, and computes their distances to each other and to all before them. Only the tiles are kept. After
   * an error the set is of no use.
   *
   * @throws VerbatimError for a picture of another size than the first one, or with fewer pixels than tiles on a side
   */
  add(pictures: readonly Picture[], signal?: AbortSignal): Promise<void>;
  /** Picture number `index` again. */
  picture(index: number): Picture;
}

/**
 * The distance by which Carlini et al. 2023 tell that two samples are one picture: the largest, over tiles × tiles tiles, of
 * √mean (a − b)² with values in [0, 1]; so a plain background that two pictures share is not enough. A side that does not
 * divide is cut as numpy's array_split does: the first (size mod tiles) tiles are a pixel longer.
 *
 * ‖a − b‖² = ‖a‖² + ‖b‖² − 2⟨a, b⟩ for all pairs of a tile is one matrix product, and pictures are whole numbers of 8 bits:
 * the engine's integer products are exact in 32 bits with values moved to −128 … 127, so a distance is the
 * root of an exact sum. It depends neither on blocks and threads nor on the processor, and equal pictures are 0 apart. Each
 * pair of blocks is computed once. Kept are the pictures' bytes and two doubles per pair; beside them a group of tiles of
 * two blocks.
 */
export async function openTiledDistances(options: TiledDistanceOptions = {}): Promise<TiledDistances> {
  const { blockPictures = 256, groupBytes = 24 << 20 } = options;
  const products = await openTileProducts(options);
  return {
    collect: (tiles = 4) => {
      if (!Number.isInteger(tiles) || tiles < 1)
        throw new VerbatimError(`tiles must be a whole number from 1 on, not ${tiles}`, { exitCode: 2 });
      return createSet(products, tiles, blockPictures, Math.floor(groupBytes / blockPictures));
    },
    close: () => products.close(),
  };
}

/** Pictures that were added together. */
interface Block {
  readonly from: number;
  readonly size: number;
  /** For each group of pieces the values that products take as their second factor, [pieces, size, values]. */
  readonly stored: Tensor[];
  /** For each group ‖piece‖², [pieces, size]. */
  readonly norms: Float64Array[];
}

function createSet(
  products: TileProducts,
  tiles: number,
  blockPictures: number,
  groupValues: number,
): TiledPictures {
  const blocks: Block[] = [];
  let cut: TileCut | undefined;
  let count = 0;
  let distances = new Float64Array(0);

  async function addBlock(
    pictures: readonly Picture[],
    { groups, tileValues }: TileCut,
    signal?: AbortSignal,
  ) {
    const block: Block = { from: count, size: pictures.length, stored: [], norms: [] };
    blocks.push(block);
    const all = count + pictures.length;
    const largest = new Float64Array(pictures.length * all);
    const sums = createSums(tileValues, groups, largest);
    const last = groups.length - 1;
    let next = gatherPieces(pictures, groups[0]!);
    // New memory costs as much as filling it: that of a group is used again two groups later.
    let spare: Uint8Array | undefined;
    for (const [g, group] of groups.entries()) {
      signal?.throwIfAborted();
      let first = products.first(next, [group.pieces.length, pictures.length, group.values]);
      block.stored.push(products.second(first));
      // The block itself first: its products hold the lengths of its pieces.
      const own = products.multiply(first, block.stored[g]!);
      // Kept from failing unseen while the next group is gathered.
      own.catch(() => {});
      if (g < last) next = gatherPieces(pictures, groups[g + 1]!, spare);
      let result = await own;
      block.norms.push(diagonals(result.products, group.pieces.length, pictures.length));
      for (const other of [block, ...blocks.slice(0, -1)]) {
        if (other !== block) result = await products.multiply(first, other.stored[g]!);
        first = result.first;
        other.stored[g] = result.second;
        sums.add(group, result.products, block.norms[g]!, other, other.norms[g]!, all);
      }
      spare = products.bytes(first);
    }
    const grown = new Float64Array((all * (all - 1)) / 2);
    grown.set(distances);
    for (let row = 0; row < pictures.length; row++)
      for (let j = 0; j < count + row; j++)
        grown[pairIndex(count + row, j)] = Math.sqrt(largest[row * all + j]!) / 255;
    distances = grown;
    count = all;
  }

  return {
    get count() {
      return count;
    },
    get distances() {
      return distances;
    },
    async add(pictures, signal) {
      const size = cut ?? pictures[0];
      if (size === undefined) return;
      pictures.forEach(({ width, height }, i) => {
        if (width !== size.width || height !== size.height)
          throw new VerbatimError(
            `picture ${count + i} is ${width}×${height}, the first one ${size.width}×${size.height}; pictures are compared in one size`,
          );
      });
      cut ??= cutTiles(size, tiles, groupValues);
      for (let from = 0; from < pictures.length; from += blockPictures)
        await addBlock(pictures.slice(from, from + blockPictures), cut, signal);
    },
    picture(index) {
      const block = blocks.find(({ from, size }) => index >= from && index < from + size);
      if (block === undefined || cut === undefined)
        throw new RangeError(`There is no picture ${index} among ${count}.`);
      const { width, height } = cut;
      const picture: Picture = { width, height, data: new Uint8Array(3 * width * height) };
      for (const [g, group] of cut.groups.entries()) {
        const data = products.bytes(block.stored[g]!);
        scatterPieces(picture, group, { data, pictures: block.size, at: index - block.from });
      }
      return products.original(picture);
    },
  };
}

/** ⟨a, a⟩ of each picture's pieces, from the products of a block with itself. */
function diagonals(products: Int32Array, pieces: number, size: number): Float64Array {
  return Float64Array.from(
    { length: pieces * size },
    (_, at) => products[Math.floor(at / size) * size * size + (at % size) * (size + 1)]!,
  );
}

/** Adds up ‖a − b‖² of the pieces of each tile, and takes the largest mean over tiles into `largest`, [rows, all]. */
function createSums(tileValues: readonly number[], groups: readonly PieceGroup[], largest: Float64Array) {
  const parts = tileValues.map(() => 0);
  for (const { pieces } of groups) for (const { tile } of pieces) parts[tile]!++;
  /** Of tiles in several pieces, what is there so far, per other block. */
  const open = new Map<string, { left: number; sum: Float64Array }>();
  return {
    add(
      { pieces }: PieceGroup,
      products: Int32Array,
      norms: Float64Array,
      other: { readonly from: number; readonly size: number },
      otherNorms: Float64Array,
      all: number,
    ): void {
      const size = norms.length / pieces.length;
      for (const [p, { tile }] of pieces.entries()) {
        const key = `${tile} ${other.from}`;
        const whole = parts[tile] === 1;
        const known = whole
          ? undefined
          : (open.get(key) ?? { left: parts[tile]!, sum: new Float64Array(size * other.size) });
        if (known !== undefined) open.set(key, known);
        const complete = known === undefined || --known.left === 0;
        const values = tileValues[tile]!;
        let at = p * size * other.size;
        for (let a = 0; a < size; a++) {
          const norm = norms[p * size + a]!;
          const row = a * all + other.from;
          for (let b = 0; b < other.size; b++, at++) {
            let squared = norm + otherNorms[p * other.size + b]! - 2 * products[at]!;
            if (known !== undefined) squared = known.sum[a * other.size + b]! += squared;
            const mean = squared / values;
            if (complete && mean > largest[row + b]!) largest[row + b] = mean;
          }
        }
        if (complete) open.delete(key);
      }
    },
  };
}
