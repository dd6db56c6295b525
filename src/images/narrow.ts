import { assemble, op, types } from './assemble.ts';
import { PRECISION_BITS, ROUNDING, type Weights } from './resize.ts';

/** Weights are split into 16-bit halves of these bits and what is above them; their products' sums are exact modulo 2³². */
const LOW_BITS = 11;
/** Products that are added at once; rows of weights are filled up with zeros to a multiple of it. */
const LANES = 8;
/** Vectors may be read up to this far beyond the last value, bytes. */
const MARGIN = 32;

/** Parameters: addresses in bytes, sizes in pixels; then locals. */
const [pixels, width, rows, levels, first, weights, groups, size, out] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const [x, at, to, group, sum, high, low] = [9, 10, 11, 12, 13, 14, 15];

const { v128, i32x4 } = op;
const increase = (local: number, by: number) => [op.get(local), op.constant(by), op.add, op.set(local)];
/** Counts down a local, and leaves it on the stack for `loop`. */
const countDown = (local: number) => [increase(local, -1), op.get(local)];
const int16s = (...values: number[]) =>
  v128.constant(
    Array.from({ length: 16 }, (_, i) => (values[(i >> 1) % values.length]! >> (8 * (i & 1))) & 255),
  );
const int32s = (value: number) =>
  v128.constant(Array.from({ length: 16 }, (_, i) => (value >> (8 * (i & 3))) & 255));
/** Two channels of four pixels, 3 bytes each, as 16-bit numbers. */
const channels = (a: number, b: number) =>
  v128.constant(
    Array.from({ length: 16 }, (_, i) => (i % 2 === 1 ? 255 : 3 * (i >> 2) + ((i >> 1) % 2 === 0 ? a : b))),
  );

/**
 * Four pixels at `at` to 16-bit levels at `to`: luma as in `greyLevels`. Green's weight exceeds a signed 16-bit number, so half
 * of it goes with each neighbour.
 */
const fourLevels = [
  op.get(to),
  [op.get(at), v128.load, channels(0, 1), v128.swizzle, int16s(19595, 38470 / 2), i32x4.dot],
  [op.get(at), v128.load, channels(1, 2), v128.swizzle, int16s(38470 / 2, 7471), i32x4.dot],
  [i32x4.add, int32s(0x8000), i32x4.add, op.constant(16), i32x4.shiftRight],
  [int32s(0), i32x4.narrow, v128.storeHalf],
];

/** Adds the products of 8 levels at `at` and the weights at `to`, of their halves to `high` and `low`. */
const eightProducts = [
  [op.get(high), op.get(at), v128.load, op.get(to), v128.load, i32x4.dot, i32x4.add, op.set(high)],
  [increase(to, 2 * LANES)],
  [op.get(low), op.get(at), v128.load, op.get(to), v128.load, i32x4.dot, i32x4.add, op.set(low)],
  [increase(to, 2 * LANES), increase(at, 2 * LANES)],
];

/** high·2¹¹ + low, its four parts added, rounded, and kept between 0 and 255. */
const roundedLevel = [
  [op.get(high), op.constant(LOW_BITS), i32x4.shiftLeft, op.get(low), i32x4.add, op.set(high)],
  [op.get(high), i32x4.lane(0), op.get(high), i32x4.lane(1), op.add],
  [op.get(high), i32x4.lane(2), op.add, op.get(high), i32x4.lane(3), op.add],
  [op.constant(ROUNDING), op.add, op.constant(PRECISION_BITS), op.shiftRight, op.set(sum)],
  [op.constant(0), op.get(sum), op.get(sum), op.constant(0), op.less, op.select, op.set(sum)],
  [op.constant(255), op.get(sum), op.get(sum), op.constant(255), op.more, op.select, op.set(sum)],
];

/** `rows` rows of `width` RGB pixels to rows of `size` levels. */
const body = op.loop([
  [op.get(pixels), op.set(at), op.get(levels), op.set(to)],
  [op.get(width), op.constant(3), op.add, op.constant(2), op.shiftRight, op.set(x)],
  op.loop([fourLevels, increase(at, 12), increase(to, 8), countDown(x)]),
  [op.get(pixels), op.get(width), op.constant(3), op.multiply, op.add, op.set(pixels)],
  [op.constant(0), op.set(x), op.get(weights), op.set(to)],
  op.loop([
    // The first level that counts for this target: levels + 2·first[x].
    [op.get(first), op.get(x), op.constant(2), op.shiftLeft, op.add, op.load],
    [op.constant(1), op.shiftLeft, op.get(levels), op.add, op.set(at)],
    [int32s(0), op.set(high), int32s(0), op.set(low), op.get(groups), op.set(group)],
    op.loop([eightProducts, countDown(group)]),
    roundedLevel,
    [op.get(out), op.get(sum), op.store8, increase(out, 1), increase(x, 1)],
    [op.get(x), op.get(size), op.less],
  ]),
  countDown(rows),
]);

type Run = (...numbers: number[]) => void;

/** What is used of WebAssembly: Node's types leave it to those of browsers, which would bring all the rest. */
interface WebAssemblyTypes {
  validate(code: Uint8Array): boolean;
  Memory: new (size: { initial: number }) => Memory;
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: { readonly run: Run } };
}

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface Engine {
  readonly memory: Memory;
  readonly run: Run;
}

/** undefined on processors without 128-bit vectors. */
function startEngine(): Engine | undefined {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WebAssemblyTypes };
  const code = assemble(9, [...Array<number>(5).fill(types.i32), types.v128, types.v128], body);
  if (!WebAssembly.validate(code)) return undefined;
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = new WebAssembly.Module(code);
  return { memory, run: new WebAssembly.Instance(module, { environment: { memory } }).exports.run };
}

let engine: Engine | undefined | 'unknown' = 'unknown';

/** [size, groups, 2, 8]: of 8 weights what is above the low bits, then the low bits. */
const halves = new WeakMap<Weights, Int16Array>();

function halvesOf({ size, count, values, taps }: Weights): Int16Array {
  const groups = Math.ceil(taps / LANES);
  const out = new Int16Array(size * groups * 2 * LANES);
  for (let target = 0; target < size; target++)
    for (let tap = 0; tap < count[target]!; tap++) {
      const weight = values[target * taps + tap]!;
      const to = (target * groups + Math.floor(tap / LANES)) * 2 * LANES + (tap % LANES);
      out[to] = weight >> LOW_BITS;
      out[to + LANES] = weight & ((1 << LOW_BITS) - 1);
    }
  return out;
}

/** Bytes of pixels that are handed over at once: they fit the cache. */
const BAND_BYTES = 2 ** 18;

/**
 * RGB pixels, row-major, to grey rows of the weights' size: [height, size], Pillow's `convert('L')` and horizontal pass.
 * undefined where there are no vectors to do it with.
 */
export function narrowByVectors(
  data: Uint8Array,
  sourceWidth: number,
  height: number,
  across: Weights,
): Uint8Array | undefined {
  if (engine === 'unknown') engine = startEngine();
  if (!engine) return undefined;
  let split = halves.get(across);
  if (!split) {
    split = halvesOf(across);
    halves.set(across, split);
  }
  const { memory, run } = engine;
  const stride = 3 * sourceWidth;
  const band = Math.min(height, Math.max(1, Math.floor(BAND_BYTES / stride)));
  // Where things stand; vectors are read beyond the levels, where weights are 0, and beyond the pixels.
  const firstAt = split.byteLength;
  const levelsAt = firstAt + across.first.byteLength;
  const pixelsAt = levelsAt + 2 * (sourceWidth + across.taps) + MARGIN;
  const outAt = pixelsAt + band * stride + MARGIN;
  const missing = outAt + band * across.size - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(new Uint8Array(split.buffer), 0);
  bytes.set(new Uint8Array(across.first.buffer), firstAt);
  const out = new Uint8Array(height * across.size);
  const groups = Math.ceil(across.taps / LANES);
  for (let y = 0; y < height; y += band) {
    const rowsNow = Math.min(band, height - y);
    bytes.set(data.subarray(y * stride, (y + rowsNow) * stride), pixelsAt);
    run(pixelsAt, sourceWidth, rowsNow, levelsAt, firstAt, 0, groups, across.size, outAt);
    out.set(bytes.subarray(outAt, outAt + rowsNow * across.size), y * across.size);
  }
  return out;
}
