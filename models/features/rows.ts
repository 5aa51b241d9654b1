import { type Reason } from "../../protocol/index.ts";
import { type ModelDtype } from "../manifest.ts";

/** The model's input for a batch, row-major, reused from run to run: `elements` numbers a row, `rows` rows. */
export type RowBuffer = { readonly elements: number; readonly rows: number } & (
  | { readonly dtype: "float32"; readonly data: Float32Array<ArrayBuffer> }
  /** Bits of IEEE 754 binary16. */
  | { readonly dtype: "float16"; readonly data: Uint16Array<ArrayBuffer> }
  | { readonly dtype: "uint8"; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly dtype: "int64"; readonly data: BigInt64Array<ArrayBuffer> }
);

export function createRows(dtype: ModelDtype, elements: number, rows: number): RowBuffer {
  const size = { elements, rows };
  switch (dtype) {
    case "float32":
      return { ...size, dtype, data: new Float32Array(elements * rows) };
    case "float16":
      return { ...size, dtype, data: new Uint16Array(elements * rows) };
    case "uint8":
      return { ...size, dtype, data: new Uint8Array(elements * rows) };
    case "int64":
      return { ...size, dtype, data: new BigInt64Array(elements * rows) };
  }
}

/** Features that were built, or why the input does not fit. Never thrown: the gate turns it into a verdict. */
export type FeatureResult =
  { readonly ok: true } | { readonly ok: false; readonly reason: FeatureReason; readonly message: string };
export type FeatureReason = Extract<Reason, "bad_input" | "bad_picture" | "not_finite">;

export const built: FeatureResult = Object.freeze({ ok: true });

export function unfit(reason: FeatureReason, message: string): FeatureResult {
  return { ok: false, reason, message };
}
