import { toHalfBits } from "./half.ts";
import { unfit, built, type FeatureResult, type RowBuffer } from "./rows.ts";

/** Writes the numbers of one row in the dtype of the model. Non-finite numbers, and for integers fractions, are refused. */
export function writeRow(values: ArrayLike<number>, target: RowBuffer, row: number): FeatureResult {
  if (values.length !== target.elements) {
    return unfit("bad_input", `${values.length} numbers, the model takes ${target.elements}`);
  }
  const start = row * target.elements;
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) return unfit("not_finite", `number ${i} is not finite`);
  }
  switch (target.dtype) {
    case "float32":
      target.data.set(values, start);
      break;
    case "float16":
      for (let i = 0; i < values.length; i += 1) target.data[start + i] = toHalfBits(values[i] ?? 0);
      break;
    case "uint8":
    case "int64":
      return writeIntegers(values, target, start);
  }
  return firstInfinite(target, start) === -1 ? built : unfit("not_finite", `a number is too large for ${target.dtype}`);
}

function writeIntegers(
  values: ArrayLike<number>,
  target: Extract<RowBuffer, { dtype: "uint8" | "int64" }>,
  start: number,
): FeatureResult {
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? 0;
    if (!Number.isSafeInteger(value)) return unfit("bad_input", `number ${i} is not an integer`);
    if (target.dtype === "int64") target.data[start + i] = BigInt(value);
    else if (value < 0 || value > 255) return unfit("bad_input", `number ${i} is not a byte`);
    else target.data[start + i] = value;
  }
  return built;
}

/** A finite double can be infinite in the model's own dtype. */
function firstInfinite(target: Extract<RowBuffer, { dtype: "float32" | "float16" }>, start: number): number {
  for (let i = start; i < start + target.elements; i += 1) {
    const value = target.data[i] as number;
    if (target.dtype === "float32" ? !Number.isFinite(value) : (value & 0x7c00) === 0x7c00) return i - start;
  }
  return -1;
}
