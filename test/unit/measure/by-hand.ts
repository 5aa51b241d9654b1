/** Slow and obvious versions of what models/measure computes, written from the definitions alone. */

/** P(Bin(n, share) ≤ k), term by term, each from the one before. */
export function tailByHand(k: number, n: number, share: number): number {
  let term = (1 - share) ** n;
  let sum = 0;
  for (let i = 0; i <= k; i += 1) {
    sum += term;
    term *= ((n - i) / (i + 1)) * (share / (1 - share));
  }
  return sum;
}

/** The six steps of `fallback_auto`, literally: filter and count at each candidate, no curve, no running sums. */
export function fallbackByHand(
  confidence: readonly number[],
  correct: readonly number[],
  maxError: number,
  delta: number,
): number | null {
  const total = confidence.length;
  const accepted = (t: number): number => confidence.filter((c) => c >= t).length;
  const errors = (t: number): number => confidence.filter((c, i) => c >= t && correct[i] === 0).length;
  const least = (level: number): number => {
    let n = 1;
    while ((1 - maxError) ** n > level) n += 1;
    return n;
  };
  const distinct = [...new Set(confidence)].sort((x, y) => y - x);
  const picked = Array.from({ length: 100 }, (_, g) =>
    distinct.find((t) => accepted(t) >= Math.ceil((total * (g + 1)) / 100)),
  );
  const grid = [...new Set(picked)].filter((t) => t !== undefined);
  const starts = Math.min(4, Math.max(1, Math.floor(total / (1.5 * least(delta)))));
  const first = grid.findIndex((t) => accepted(t) >= least(delta / starts));
  if (first < 0) return null;
  const at = Array.from({ length: starts }, (_, i) => Math.floor(first + (i * (grid.length - first)) / starts));
  let level = 0;
  let lowest: number | null = null;
  grid.forEach((t, j) => {
    level += (at.filter((start) => start === j).length / starts) * delta;
    const rejected = level > 0 && tailByHand(errors(t), accepted(t), maxError) <= level;
    if (rejected) lowest = t;
    else level = 0;
  });
  return lowest;
}

/** ln P(Bin(n, share) ≤ k), in whole numbers alone: `share` is the fraction that the double stands for, exactly. */
export function lnTailExact(k: number, n: number, share: number): number {
  const [numerator, shift] = fractionOf(share);
  const rest = (1n << shift) - numerator;
  // Horner's rule over C(n, i)·numeratorⁱ·restⁿ⁻ⁱ: no power is formed twice.
  let term = 1n;
  let sum = 1n;
  for (let i = 1; i <= k; i += 1) {
    term = (term * BigInt(n - i + 1) * numerator) / BigInt(i);
    sum = sum * rest + term;
  }
  return lnRatio(sum * rest ** BigInt(n - k), 1n << (shift * BigInt(n)));
}

/** A double inside (0, 1) as numerator / 2^shift, without rounding. */
function fractionOf(share: number): readonly [bigint, bigint] {
  let value = share;
  let shift = 0n;
  while (!Number.isInteger(value)) {
    value *= 2;
    shift += 1n;
  }
  return [BigInt(value), shift];
}

/** ln of a quotient of whole numbers, at most 1. Near 1 the gap to 1 is taken: a logarithm would lose its digits. */
function lnRatio(above: bigint, below: bigint): number {
  const bits = (value: bigint): number => value.toString(2).length;
  const shift = Math.max(0, bits(below) - bits(above)) + 200;
  const quotient = (above << BigInt(shift)) / below;
  const gap = (1n << BigInt(shift)) - quotient;
  // The leading 64 bits of either are enough for a double.
  const lead = (value: bigint): readonly [number, number] => {
    const dropped = Math.max(0, bits(value) - 64);
    return [Number(value >> BigInt(dropped)), dropped - shift];
  };
  const [size, exponent] = lead(gap * 2n < quotient ? gap : quotient);
  return gap * 2n < quotient ? Math.log1p(-size * 2 ** exponent) : Math.log(size) + exponent * Math.LN2;
}

/** ∫ f over [from, to] by Simpson's rule. */
export function integral(f: (x: number) => number, from: number, to: number, steps = 4000): number {
  const width = (to - from) / steps;
  let sum = f(from) + f(to);
  for (let i = 1; i < steps; i += 1) sum += (i % 2 === 1 ? 4 : 2) * f(from + i * width);
  return (sum * width) / 3;
}
