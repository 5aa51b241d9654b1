import { canonicalJson, digestText, type Hasher } from "../protocol/index.ts";
import { type Calibration } from "./prediction.ts";

/** Scores are clipped here before a logarithm, as the fits in `measure/` clip them: the two must agree. */
const scoreMin = 1e-7;

const sigmoid = (z: number): number => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

/**
 * The confidence of a score: a probability, in [0, 1], that the label is right. Identity where `calibration` is null.
 *
 * @param score uncalibrated probability of the label, in [0, 1]
 * @param probabilities shape [classes], all of the model's probabilities: `temperature` normalises over them; without
 *   them it takes the rest of the mass for one other class
 */
export function applyCalibration(
  calibration: Calibration | null,
  score: number,
  probabilities?: ArrayLike<number>,
): number {
  const method = calibration?.method ?? "identity";
  if (calibration === null || method === "identity") return clamp(score);
  switch (calibration.method) {
    case "identity":
      return clamp(score);
    case "beta": {
      // Kull, Silva Filho & Flach 2017, eq. 4.
      const s = clip(score);
      return sigmoid(calibration.a * Math.log(s) - calibration.b * Math.log1p(-s) + calibration.c);
    }
    case "platt": {
      const s = clip(score);
      return sigmoid(calibration.a * (Math.log(s) - Math.log1p(-s)) + calibration.b);
    }
    case "temperature":
      return temperature(score, calibration.t, probabilities ?? [score, 1 - score]);
  }
}

/** What certificates call a calibration by: a digest of its canonical JSON, "none" where the model has none. */
export function calibrationDigest(calibration: Calibration | null, hasher: Hasher): string {
  if (calibration === null) return "none";
  return digestText(hasher.sha256(new TextEncoder().encode(canonicalJson(calibration))));
}

/** Guo et al. 2017, eq. 9, on probabilities: softmax(log p / t) = p^(1/t) / Σ p^(1/t). */
function temperature(score: number, t: number, probabilities: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < probabilities.length; i += 1) largest = Math.max(largest, probabilities[i] ?? 0);
  if (!(largest > 0)) return 0;
  let sum = 0;
  // Divided by the largest first: at a low temperature the powers would all underflow.
  for (let i = 0; i < probabilities.length; i += 1) sum += Math.pow((probabilities[i] ?? 0) / largest, 1 / t);
  return clamp(Math.pow(Math.max(0, score) / largest, 1 / t) / sum);
}

function clip(score: number): number {
  return Math.min(1 - scoreMin, Math.max(scoreMin, score));
}

function clamp(value: number): number {
  return value > 0 ? Math.min(1, value) : 0;
}
