import { type Input } from "../../protocol/index.ts";
import { type ItemsFeatures } from "../feature-spec.ts";
import { unfit, type FeatureResult, type RowBuffer } from "./rows.ts";
import { writeRow } from "./write-row.ts";

type ItemsInput = Extract<Input, { kind: "items" }>;

/**
 * A cart against its evidence: the count of every label, then the lowest confidence of every label, then the grams
 * (0 where no scale was asked). A label that the model does not know is refused: a cart with an unknown thing in it is
 * not a cart that it can verify.
 */
export function buildItems(spec: ItemsFeatures, input: ItemsInput, target: RowBuffer, row: number): FeatureResult {
  const labels = spec.labels.length;
  const numbers = new Float64Array(target.elements);
  const seen = new Set<number>();
  for (const item of input.items) {
    const index = spec.labels.indexOf(item.label);
    if (index === -1) return unfit("bad_input", `the model does not know the item "${item.label}"`);
    const confidence = item.confidence ?? 1;
    numbers[index] = (numbers[index] ?? 0) + item.count;
    numbers[labels + index] = seen.has(index) ? Math.min(numbers[labels + index] ?? 1, confidence) : confidence;
    seen.add(index);
  }
  numbers[2 * labels] = input.grams ?? 0;
  return writeRow(numbers, target, row);
}
