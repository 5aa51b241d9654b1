import { type Input } from "../../protocol/index.ts";
import { type Manifest } from "../manifest.ts";
import { fromHalfBits } from "./half.ts";
import { unfit, type FeatureResult, type RowBuffer } from "./rows.ts";
import { writeRow } from "./write-row.ts";

type TensorInput = Extract<Input, { kind: "tensor" }>;

/**
 * A tensor that the device built itself: one row, with or without a leading 1 for the batch. Its dtype is converted to
 * the model's; a number that the model's dtype cannot hold is refused.
 */
export function buildTensor(
  modelInput: Manifest["inputs"][number],
  input: TensorInput,
  target: RowBuffer,
  row: number,
): FeatureResult {
  const wanted = modelInput.shape.slice(1);
  const given = input.shape.length === wanted.length + 1 && input.shape[0] === 1 ? input.shape.slice(1) : input.shape;
  if (given.length !== wanted.length || given.some((size, i) => size !== wanted[i])) {
    return unfit("bad_input", `the model takes a tensor [1, ${wanted.join(", ")}], not [${input.shape.join(", ")}]`);
  }
  if (input.dtype === "uint8" && target.dtype === "uint8") {
    target.data.set(input.data, row * target.elements);
    return { ok: true };
  }
  return writeRow(numbersOf(input), target, row);
}

/** Little-endian numbers, wherever they start in their buffer. int64 beyond 2⁵³ loses precision and is refused later. */
function numbersOf(input: TensorInput): ArrayLike<number> {
  const { data, dtype } = input;
  if (dtype === "uint8" || dtype === "bool") return data;
  // `slice` would not do: on Node's Buffer, which is what a channel between processes delivers, it is a view.
  const copy = new Uint8Array(data).buffer;
  switch (dtype) {
    case "float32":
      return new Float32Array(copy);
    case "float64":
      return new Float64Array(copy);
    case "int32":
      return new Int32Array(copy);
    case "int8":
      return new Int8Array(copy);
    case "int64":
      return Float64Array.from(new BigInt64Array(copy), Number);
  }
}

/** The numbers of a model's output as float32; integers are exact up to 2²⁴. */
export function toFloat32(data: ArrayLike<number> | BigInt64Array, dtype: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array) return Float32Array.from(data, Number);
  if (dtype === "float16" && data instanceof Uint16Array) return Float32Array.from(data, fromHalfBits);
  return Float32Array.from(data);
}
