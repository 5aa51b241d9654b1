import { clopperPearson } from "../../../models/measure/binomial.ts";
import { fewLabels, reliability, type ReliabilityBin } from "../../../models/measure/calibration-error.ts";
import { auditedErrorShare } from "../../../models/measure/inverse-propensity.ts";
import { type FigureLabel } from "./figure-label.ts";

/** A bar of the reliability diagram: the share of right answers with its interval of 95 %. */
export interface FigureBin extends ReliabilityBin {
  readonly accuracyLower: number;
  readonly accuracyUpper: number;
  /** Labels so few that the bar says next to nothing. */
  readonly isFew: boolean;
}

export interface Reliability {
  readonly bins: readonly FigureBin[];
  /** Expected calibration error over the bins, each by the decisions that it stands for; null without labels. */
  readonly calibrationError: number | null;
}

const level = 0.05;
const binCount = 15;

/**
 * How far the confidences can be believed. A bin whose labels all had the same chance of one counts them, exactly (Clopper &
 * Pearson 1934); in the others, like the one that the gate threshold divides, each label stands for as many decisions as
 * its chance says. Pure.
 */
export function figureReliability(labels: readonly FigureLabel[]): Reliability {
  const confidence = Float64Array.from(labels, (label) => label.confidence);
  const correct = Float64Array.from(labels, (label) => (label.isWrong ? 0 : 1));
  if (labels.length === 0) return { bins: [], calibrationError: null };
  const whole = weightOf(labels);
  let calibrationError = 0;
  const bins = reliability(confidence, correct, binCount).map((bin) => {
    const inside = labels
      .filter((label) => label.confidence > bin.lower || bin.lower === 0)
      .filter((label) => label.confidence <= bin.upper);
    const shown = binOf(bin, inside);
    calibrationError += (weightOf(inside) / whole) * Math.abs(shown.accuracy - shown.confidence);
    return shown;
  });
  return { bins, calibrationError };
}

function binOf(bin: ReliabilityBin, labels: readonly FigureLabel[]): FigureBin {
  const isFew = labels.length < fewLabels;
  const [first] = labels;
  if (labels.every(({ propensity }) => propensity === first?.propensity)) {
    const right = labels.filter(({ isWrong }) => !isWrong).length;
    const { lower, upper } = clopperPearson(right, labels.length, level);
    return { ...bin, accuracyLower: lower, accuracyUpper: upper, isFew };
  }
  const wrong = auditedErrorShare(
    labels.map(({ propensity }) => propensity),
    labels.map(({ isWrong }) => (isWrong ? 1 : 0)),
    level,
  );
  const confidence = labels.reduce((sum, label) => sum + label.confidence / label.propensity, 0) / weightOf(labels);
  const accuracy = { accuracy: 1 - wrong.share, accuracyLower: 1 - wrong.upper, accuracyUpper: 1 - wrong.lower };
  return { ...bin, confidence: Math.min(1, confidence), ...accuracy, isFew };
}

function weightOf(labels: readonly FigureLabel[]): number {
  return labels.reduce((sum, { propensity }) => sum + 1 / propensity, 0);
}
