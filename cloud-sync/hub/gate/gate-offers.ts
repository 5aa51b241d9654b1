import { certify } from "../../../models/measure/certify.ts";
import { decisionPrice, type DecisionPrice } from "../../../models/measure/decision-costs.ts";
import { type GateContract } from "./gate-contracts.ts";
import { figureAt, gateFigures, type FigurePoint } from "./gate-figures.ts";
import { type FigureLabel } from "./figure-label.ts";

/** What another contract would mean, by the labels at hand: a preview, for people to choose by. It certifies nothing. */
export interface GateOffer extends DecisionPrice {
  readonly maxError: number;
  /** The lowest gate threshold that the labels allow; null: none, so everything would go to people. */
  readonly gateThreshold: number | null;
  /** Labels that it rests on, those that the gate would accept, and the wrong ones among these. */
  readonly labels: number;
  readonly accepted: number;
  readonly errors: number;
  readonly coverage: number;
  /** The launch's own test where every decision got a label, else the interval of 95 % by inverse propensity. */
  readonly method: "fallback_auto" | "inverse_propensity";
}

/** Twice as strict, as it is, and twice as loose. */
const times = [0.5, 1, 2] as const;

/**
 * Pure. `missShare`: the share of the model's errors that reviewers are taken to overlook; the labels are held to so much
 * less, and so many more wrong ones are expected than they show.
 */
export function gateOffers(
  labels: readonly FigureLabel[],
  { maxError, delta, costs }: Pick<GateContract, "maxError" | "delta" | "costs">,
  missShare: number,
): readonly GateOffer[] {
  if (labels.length === 0) return [];
  const known = offerLabels(labels);
  return times
    .map((factor) => factor * maxError)
    .filter((error) => error < 1)
    .map((error) => offerOf(known, { maxError: error, delta, costs: costs ?? null }, missShare));
}

/** Labels, sorted and counted once for several offers. */
export interface OfferLabels {
  readonly labels: readonly FigureLabel[];
  readonly curve: readonly FigurePoint[];
  readonly isCertain: boolean;
  readonly confidence: Float64Array;
  readonly correct: Float64Array;
}

export function offerLabels(labels: readonly FigureLabel[]): OfferLabels {
  const { curve, method } = gateFigures(labels);
  const confidence = Float64Array.from(labels, (label) => label.confidence);
  const correct = Float64Array.from(labels, (label) => (label.isWrong ? 0 : 1));
  return { labels, curve, isCertain: method === "clopper_pearson", confidence, correct };
}

/** Pure. `labels` are at least one. */
export function offerOf(
  { labels, curve, isCertain, confidence, correct }: OfferLabels,
  { maxError, delta, costs }: Pick<GateContract, "maxError" | "delta" | "costs">,
  missShare: number,
): GateOffer {
  const held = maxError * (1 - missShare);
  const gateThreshold = isCertain
    ? certify(confidence, correct, { maxError: held, delta: delta / 2 }).gateThreshold
    : (curve.findLast((point) => point.upper <= held)?.gateThreshold ?? null);
  const point = gateThreshold === null ? null : figureAt(curve, gateThreshold);
  const counted = countAt(labels, gateThreshold);
  // Exactly where every decision has a label; the curve's points are a share of a hundredth apart.
  const coverage = isCertain ? counted.accepted / labels.length : (point?.coverage ?? 0);
  const seen = isCertain ? counted.errors / Math.max(1, counted.accepted) : (point?.risk ?? 0);
  return {
    ...{ maxError, gateThreshold, labels: labels.length, ...counted, coverage },
    ...decisionPrice({ coverage, risk: Math.min(1, seen / (1 - missShare)) }, costs ?? null),
    method: isCertain ? "fallback_auto" : "inverse_propensity",
  };
}

function countAt(labels: readonly FigureLabel[], gateThreshold: number | null) {
  const taken = gateThreshold === null ? [] : labels.filter(({ confidence }) => confidence >= gateThreshold);
  return { accepted: taken.length, errors: taken.filter(({ isWrong }) => isWrong).length };
}
