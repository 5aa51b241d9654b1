import { applyCalibration, type Prediction, type RunningModel } from "../models/index.ts";
import { evidenceTopMax, type Finding, type Scored } from "./trace.ts";

/**
 * Reduces a prediction to what the gate reads: the best labels with score and confidence, and the best coarse class.
 *
 * The confidence of the top label is its calibrated score. The others share what is left in proportion to their scores,
 * so that what a reviewer sees adds up to one.
 *
 * @param prediction probabilities, Float32Array, shape [classes], in the order of the model's labels
 */
export function evidenceOf(prediction: Prediction, model: RunningModel): Finding {
  const { probabilities } = prediction;
  if (probabilities.length !== model.labels.length) {
    const message = `the model gave ${probabilities.length} values for ${model.labels.length} labels`;
    return { kind: "failure", reason: "model_output", message };
  }
  for (const value of probabilities) {
    // A comparison that NaN fails: the runtime passes NaN without a word.
    if (!(value >= 0 && value <= 1.000_001)) {
      return { kind: "failure", reason: "not_finite", message: "the model gave a value that is not a probability" };
    }
  }
  const best = largestIndices(probabilities, evidenceTopMax);
  const topScore = clampShare(probabilities[best[0] ?? 0] ?? 0);
  const topConfidence = calibrated(model.calibration, topScore, probabilities);
  const restScale = topScore < 1 ? (1 - topConfidence) / (1 - topScore) : 0;
  const top = best.map((index, rank): Scored => {
    const score = clampShare(probabilities[index] ?? 0);
    const confidence = rank === 0 ? topConfidence : clampShare(score * restScale);
    return { label: model.labels[index] ?? "", index, score, confidence };
  });
  return { kind: "evidence", top, coarse: coarseEvidence(probabilities, model) };
}

/** The coarse class with the largest summed probability. */
function coarseEvidence(probabilities: Float32Array, model: RunningModel): Scored | null {
  if (!model.coarse) return null;
  const { labels, of } = model.coarse;
  const sums = new Float32Array(labels.length);
  for (let i = 0; i < probabilities.length; i += 1) {
    const coarse = of[i] ?? 0;
    sums[coarse] = (sums[coarse] ?? 0) + (probabilities[i] ?? 0);
  }
  const [index = 0] = largestIndices(sums, 1);
  const score = clampShare(sums[index] ?? 0);
  return { label: labels[index] ?? "", index, score, confidence: calibrated(model.coarseCalibration, score, sums) };
}

function calibrated(calibration: RunningModel["calibration"], score: number, probabilities: Float32Array): number {
  return calibration ? clampShare(applyCalibration(calibration, score, probabilities)) : score;
}

/** Indices of the `count` largest values, largest first; ties go to the smaller index, so that replay agrees. */
function largestIndices(values: Float32Array, count: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? 0;
    let at = found.length;
    while (at > 0 && value > (values[found[at - 1] ?? 0] ?? 0)) at -= 1;
    if (at >= count) continue;
    found.splice(at, 0, i);
    if (found.length > count) found.pop();
  }
  return found;
}

function clampShare(value: number): number {
  return value > 1 ? 1 : value > 0 ? value : 0;
}
