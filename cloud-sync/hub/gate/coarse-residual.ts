import { adjusted, type StoreAdjustment } from "../../../models/measure/store-adjustment.ts";
import { type LabelRow } from "./due-labels.ts";

/**
 * What a coarse certificate speaks of. The coarse gate is asked only about what the fine one leaves, and the more the fine
 * one accepts, the harder is what it leaves: labels from before say nothing of it. So a certificate is for the cases whose
 * fine confidence is less than `below`, and counts only while no fine gate threshold is lower than that.
 */
export interface Residual {
  /** The lowest fine gate threshold of the labels' stores when the epoch began; null: nothing was accepted. */
  readonly below: number | null;
  /** Digest of the model's fine calibration, which the stores' own calibrations are over. */
  readonly calibration: string;
}

type FineColumns = Pick<LabelRow, "fine_confidence" | "fine_calibration" | "fine_gate_threshold">;

/** What a label would begin an epoch with; null where nobody knows what the fine gate made of its case. */
export function residualOf({
  fine_calibration: calibration,
  fine_gate_threshold: below,
}: FineColumns): Residual | null {
  return calibration === null ? null : { below, calibration };
}

/**
 * How a label stands to what a certificate speaks of: it is of it, or not, or its fine gate accepts more than that allows.
 * Nothing of this depends on whether the answer was right. Pure.
 */
export function placeOf(
  label: FineColumns,
  { below, calibration }: Residual,
  adjust: StoreAdjustment | null,
): "inside" | "outside" | "harder" {
  const { fine_confidence: confidence, fine_gate_threshold: gateThreshold } = label;
  if (confidence === null || label.fine_calibration !== calibration) return "outside";
  if (gateThreshold !== null && (below === null || gateThreshold < below)) return "harder";
  return below === null || adjusted(confidence, adjust) < below ? "inside" : "outside";
}
