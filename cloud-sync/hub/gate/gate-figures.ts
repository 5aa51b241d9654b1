import { clopperPearson } from "../../../models/measure/binomial.ts";
import { auditedErrorShare } from "../../../models/measure/inverse-propensity.ts";
import { type FigureLabel } from "./figure-label.ts";
import { figureReliability, type FigureBin } from "./gate-reliability.ts";

/** What labels say of a gate, for people to look at. Pure; certificates are made elsewhere and of other tests. */

/** One gate threshold: what it would have accepted of what the labels stand for. */
export interface FigurePoint {
  readonly gateThreshold: number;
  /** Share of all decisions that it accepts, in [0, 1], estimated by inverse propensity. */
  readonly coverage: number;
  /** Share of the accepted that is wrong, with its interval of 95 %. */
  readonly risk: number;
  readonly lower: number;
  readonly upper: number;
  /** Labels at or above it, and how many of them are wrong. */
  readonly labels: number;
  readonly errors: number;
}

export interface GateFigures {
  readonly labels: number;
  /** How the intervals were made: exactly where every label was certain, else by inverse propensity. */
  readonly method: "clopper_pearson" | "inverse_propensity";
  readonly curve: readonly FigurePoint[];
  readonly reliability: readonly FigureBin[];
  /** Expected calibration error over the bins above; null without labels. */
  readonly calibrationError: number | null;
}

const level = 0.05;
/** Points of a curve, evenly over the coverage. */
const pointsMax = 100;

export function gateFigures(labels: readonly FigureLabel[]): GateFigures {
  if (labels.length === 0) {
    return { labels: 0, method: "clopper_pearson", curve: [], reliability: [], calibrationError: null };
  }
  const sorted = [...labels].sort((a, b) => b.confidence - a.confidence);
  const isCertain = sorted.every(({ propensity }) => propensity === 1);
  const { bins, calibrationError } = figureReliability(sorted);
  return {
    labels: sorted.length,
    method: isCertain ? "clopper_pearson" : "inverse_propensity",
    curve: curveOf(sorted, isCertain),
    reliability: bins,
    calibrationError,
  };
}

function curveOf(sorted: readonly FigureLabel[], isCertain: boolean): readonly FigurePoint[] {
  const propensity = Float64Array.from(sorted, (label) => label.propensity);
  const isWrong = Float64Array.from(sorted, (label) => (label.isWrong ? 1 : 0));
  const whole = propensity.reduce((sum, chance) => sum + 1 / chance, 0);
  const points: FigurePoint[] = [];
  let [weight, errors, next] = [0, 0, 0];
  sorted.forEach((label, index) => {
    weight += 1 / label.propensity;
    errors += label.isWrong ? 1 : 0;
    // Equal confidences are one point: no gate can tell them apart.
    if (sorted[index + 1]?.confidence === label.confidence) return;
    const coverage = Math.min(1, weight / whole);
    if (coverage < next && index < sorted.length - 1) return;
    next = coverage + 1 / pointsMax;
    const count = index + 1;
    const interval = isCertain
      ? { share: errors / count, ...clopperPearson(errors, count, level) }
      : auditedErrorShare(propensity.subarray(0, count), isWrong.subarray(0, count), level);
    const { share: risk, lower, upper } = interval;
    points.push({ gateThreshold: label.confidence, coverage, risk, lower, upper, labels: count, errors });
  });
  return points;
}

/** The point of a gate threshold: the last one at or above it; null where it accepts nothing. */
export function figureAt(curve: readonly FigurePoint[], gateThreshold: number): FigurePoint | null {
  return curve.findLast((point) => point.gateThreshold >= gateThreshold) ?? null;
}
