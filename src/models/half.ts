/**
 * Half-precision numbers, which safetensors files hold and JavaScript (before Float16Array) does not.
 * Both formats are given as raw bits in a Uint16Array.
 */
const floatBox = new Float32Array(1);
const bitsBox = new Uint32Array(floatBox.buffer);

/** IEEE binary16 → float32, exactly. */
export function halfToFloat(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const mantissa = half & 1023;
    if (exponent === 0) values[i] = sign * mantissa * 2 ** -24;
    else if (exponent === 31) values[i] = mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else values[i] = sign * (1024 + mantissa) * 2 ** (exponent - 25);
  }
  return values;
}

/** bfloat16 → float32, exactly: the upper half of the same bits. */
export function bfloatToFloat(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16;
  return new Float32Array(wide.buffer);
}

/** float32 → IEEE binary16, rounded to the nearest, ties to even; too large becomes infinity. */
export function floatToHalf(values: Float32Array): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    floatBox[0] = values[i]!;
    const raw = bitsBox[0]!;
    const sign = (raw >>> 16) & 0x8000;
    const size = raw & 0x7fffffff;
    if (size > 0x7f800000) bits[i] = sign | 0x7e00;
    // 65520 and more round up beyond the largest finite half, 65504.
    else if (size >= 0x477ff000) bits[i] = sign | 0x7c00;
    else if (size < 0x38800000) bits[i] = sign | roundToEven(Math.abs(values[i]!) * 2 ** 24);
    else bits[i] = sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
  }
  return bits;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
