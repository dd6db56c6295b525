/** float16 (IEEE 754 binary16) as raw bits: what safetensors and ONNX hold. Node 20 has no Float16Array. */

/** float16 bits → float32, exact; every NaN becomes the one NaN that JavaScript has. */
export function toFloat32(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  const words = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    const exponent = half & 0x7c00;
    const fraction = half & 0x3ff;
    // A normal number: the bias goes from 15 to 127, the fraction from 10 to 23 bits.
    if (exponent !== 0 && exponent !== 0x7c00)
      words[i] = ((half & 0x8000) << 16) | (((half & 0x7fff) << 13) + 0x38000000);
    else if (exponent === 0) values[i] = (half & 0x8000 ? -fraction : fraction) * 2 ** -24;
    else words[i] = fraction === 0 ? ((half & 0x8000) << 16) | 0x7f800000 : 0x7fc00000;
  }
  return values;
}

/**
 * float32 → float16 bits, rounded to nearest, ties to even, with subnormals; above 65519.99… comes
 * infinity, NaN becomes 0x7e00.
 */
export function toFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) out[i] = float32WordToFloat16(words[i]!);
  return out;
}

function float32WordToFloat16(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  // 65520 = 0x477ff000 is half way between the largest float16 and the next step: it rounds to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // A normal float16: take the bias from 127 to 15, keep 10 of 23 fraction bits.
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0x0fff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // Below half of the smallest subnormal, 2⁻²⁵ (and exactly there: ties go to the even 0).
  if (magnitude <= 0x33000000) return sign;
  const exponent = magnitude >>> 23;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && kept & 1) ? kept + 1 : kept);
}
