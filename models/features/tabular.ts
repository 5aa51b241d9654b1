import { type Input } from "../../protocol/index.ts";
import { type TabularFeatures } from "../feature-spec.ts";
import { unfit, type FeatureResult, type RowBuffer } from "./rows.ts";
import { writeRow } from "./write-row.ts";

type Values = Extract<Input, { kind: "features" }>["values"];

/**
 * Encodes named values: numbers as (value − mean) / std, categories one-hot in the manifest's order. Values that the
 * manifest does not name are ignored, because stores send more than a model of theirs reads.
 */
export function buildTabular(spec: TabularFeatures, values: Values, target: RowBuffer, row: number): FeatureResult {
  const numbers = new Float64Array(target.elements);
  let at = 0;
  for (const column of spec.columns) {
    const value = Object.hasOwn(values, column.name) ? (values[column.name] ?? null) : null;
    if (column.type === "number") {
      const number = typeof value === "boolean" ? Number(value) : (value ?? column.missing ?? null);
      if (number === null) return unfit("bad_input", `"${column.name}" is missing`);
      if (typeof number !== "number") return unfit("bad_input", `"${column.name}" must be a number`);
      if (!Number.isFinite(number)) return unfit("not_finite", `"${column.name}" is not finite`);
      numbers[at] = (number - column.mean) / column.std;
      at += 1;
      continue;
    }
    const index = value === null ? -1 : column.values.indexOf(value);
    if (index === -1 && column.unknown === "refuse") {
      return unfit("bad_input", `"${column.name}" has a value that the model does not know`);
    }
    if (index !== -1) numbers[at + index] = 1;
    at += column.values.length;
  }
  return writeRow(numbers, target, row);
}
