/** IEEE 754 binary16 as bits, because Float16Array is not in every runtime that Holdpoint supports. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Nearest half-precision number, ties to even; beyond 65504 infinity. */
export function toHalfBits(value: number): number {
  float[0] = value;
  const x = bits[0] ?? 0;
  const sign = (x >>> 16) & 0x8000;
  const exponent = (x >>> 23) & 0xff;
  const mantissa = x & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  const shifted = exponent - 112;
  if (shifted >= 31) return sign | 0x7c00;
  if (shifted <= 0) {
    if (shifted < -10) return sign;
    const whole = mantissa | 0x800000;
    const drop = 14 - shifted;
    return sign | roundedShift(whole, drop);
  }
  // A carry out of the mantissa moves into the exponent, which is what rounding up means there.
  return sign | roundedShift((shifted << 23) | mantissa, 13);
}

function roundedShift(value: number, drop: number): number {
  const kept = value >>> drop;
  const rest = value & ((1 << drop) - 1);
  const half = 1 << (drop - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** Exact: every half is a float32. */
export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
