import { rowElements, type Golden, type Manifest } from "./manifest.ts";
import { createRows, type RowBuffer } from "./features/rows.ts";
import { toHalfBits } from "./features/half.ts";

/**
 * The golden input of a manifest: one row that any language can draw without a file. Each byte is the high byte of
 * x ← 1664525·x + 1013904223 mod 2³² (Numerical Recipes, "quick and dirty"); a uint8 or int64 input gets the byte, a
 * float input byte / 255.
 */
export function goldenRows(manifest: Manifest, seed: number, rows = 1): RowBuffer {
  const [input] = manifest.inputs;
  if (!input) throw new RangeError("a manifest has one input");
  const buffer = createRows(input.dtype, rowElements(input.shape), rows);
  fillGolden(buffer, seed);
  return buffer;
}

/** Fills the whole buffer from one seed, so that its rows differ. */
export function fillGolden(buffer: RowBuffer, seed: number): void {
  let x = seed >>> 0;
  const next = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  };
  switch (buffer.dtype) {
    case "uint8":
      for (let i = 0; i < buffer.data.length; i += 1) buffer.data[i] = next();
      return;
    case "float32":
      for (let i = 0; i < buffer.data.length; i += 1) buffer.data[i] = next() / 255;
      return;
    case "float16":
      for (let i = 0; i < buffer.data.length; i += 1) buffer.data[i] = toHalfBits(next() / 255);
      return;
    case "int64":
      for (let i = 0; i < buffer.data.length; i += 1) buffer.data[i] = BigInt(next());
      return;
  }
}

/** Largest absolute difference, infinite where the lengths differ or a number is not finite. */
export function largestDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  if (left.length !== right.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < left.length; i += 1) {
    const difference = Math.abs((left[i] ?? NaN) - (right[i] ?? NaN));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}

/** What is wrong with a model's answer to its golden input, or null. */
export function goldenProblem(golden: Golden, output: ArrayLike<number>): string | null {
  const difference = largestDifference(golden.logits, output);
  if (difference <= golden.tolerance) return null;
  return `the golden input differs by ${difference.toPrecision(3)}, allowed are ${golden.tolerance}`;
}
