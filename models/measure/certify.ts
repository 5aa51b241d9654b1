import { binomialLowerTail, clopperPearsonUpper, labelsAtLeast } from "./binomial.ts";
import { labelsMissing } from "./labels-missing.ts";
import { type CurvePoint } from "./risk-coverage.ts";
import { countAtLeast, sortedScores } from "./scores.ts";
import { spentLevel } from "./spent-level.ts";

/** The contract of a gate: with probability at least 1 − delta, at most `maxError` of what it accepts is wrong. */
export interface ErrorContract {
  readonly maxError: number;
  readonly delta: number;
}

/** What the labels prove. Without a gate threshold they prove nothing, and nothing may be automated. */
export interface Certificate extends ErrorContract {
  readonly method: "fallback_auto";
  /** Accept iff confidence ≥ gateThreshold; null if no gate threshold is proved. */
  readonly gateThreshold: number | null;
  /** Labelled items that the certificate rests on, and how many of them the gate accepts and gets wrong. */
  readonly labels: number;
  readonly accepted: number;
  readonly errors: number;
  /** accepted / labels, in [0, 1]. */
  readonly coverage: number;
  /** Share of delta that was spent on this gate threshold (a_j of the walk); null without one. */
  readonly level: number | null;
  /** Clopper–Pearson upper bound of the selective risk at `level`, so it never exceeds maxError; null without one. */
  readonly upperBound: number | null;
  /** Estimated number of further labels before anything can be certified; 0 if something is. */
  readonly labelsNeeded: number;
  /**
   * Nothing is certified, and no number of labels like these would do: the model errs too often at every gate threshold.
   * `labelsNeeded` then counts labels that are all right.
   */
  readonly tooManyErrors: boolean;
}

const gridPoints = 100;
const startsMax = 4;

/**
 * Certifies a gate threshold by Learn-then-Test (Angelopoulos et al. 2021, arXiv 2110.01052) with the exact binomial
 * test and the fallback procedure (Wiens 2003; Wiens & Dmitrienko 2005): gate thresholds are tried from careful to
 * generous, a few of them start with a share of delta, and a rejected hypothesis hands its share to the next. The
 * family-wise error is at most delta, whatever the labels. Use each set of labels for one certificate only.
 *
 * @param confidence shape [items], calibrated on other items than these
 * @param correct shape [items], 1 if the prediction was right, else 0
 * @example certify(scores, outcomes, { maxError: 0.01, delta: 0.05 }).gateThreshold // 0.942, or null
 */
export function certify(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  contract: ErrorContract,
): Certificate {
  const { maxError, delta } = contract;
  const labels = confidence.length;
  const grid = labelFreeGrid(confidence, correct);
  const best = walk(grid, labels, contract);
  const point = best?.point;
  const needed = best === undefined ? labelsNeeded(grid, labels, contract) : { more: 0, tooManyErrors: false };
  return Object.freeze({
    method: "fallback_auto",
    maxError,
    delta,
    gateThreshold: point?.gateThreshold ?? null,
    labels,
    accepted: point?.accepted ?? 0,
    errors: point?.errors ?? 0,
    coverage: (point?.accepted ?? 0) / labels,
    level: best?.level ?? null,
    upperBound: best === undefined ? null : clopperPearsonUpper(best.point.errors, best.point.accepted, best.level),
    labelsNeeded: needed.more,
    tooManyErrors: needed.tooManyErrors,
  });
}

/** How many places of the walk start with a share of delta: more only where the labels can feed them. */
export function startCount(labels: number, contract: ErrorContract): number {
  const perStart = 1.5 * labelsAtLeast(contract.maxError, contract.delta);
  return Math.min(startsMax, Math.max(1, Math.floor(labels / perStart)));
}

/**
 * For g = 1 … 100 the point with the smallest n(t) ≥ ceil(N·g/100), each once. Which points these are depends on the
 * confidences alone. Only they are counted, not the whole curve: a million labels take as long as sorting them.
 */
export function labelFreeGrid(confidence: ArrayLike<number>, correct: ArrayLike<number>): readonly CurvePoint[] {
  const { all, wrong } = sortedScores(confidence, correct);
  const grid: CurvePoint[] = [];
  for (let g = 1; g <= gridPoints; g += 1) {
    const least = Math.ceil((all.length * g) / gridPoints);
    const gateThreshold = all[all.length - least] ?? 0;
    if (gateThreshold === grid.at(-1)?.gateThreshold) continue;
    const accepted = countAtLeast(all, gateThreshold);
    grid.push(Object.freeze({ gateThreshold, accepted, errors: countAtLeast(wrong, gateThreshold) }));
  }
  return Object.freeze(grid);
}

/** The share of delta that each grid point owns, summing to 1; all 0 if no point has enough labels to prove anything. */
function startWeights(grid: readonly CurvePoint[], labels: number, contract: ErrorContract): Float64Array {
  const weights = new Float64Array(grid.length);
  const starts = startCount(labels, contract);
  const least = labelsAtLeast(contract.maxError, contract.delta / starts);
  const first = grid.findIndex((point) => point.accepted >= least);
  if (first < 0) return weights;
  for (let start = 0; start < starts; start += 1) {
    const index = first + Math.floor((start * (grid.length - first)) / starts);
    weights[index] = (weights[index] ?? 0) + 1 / starts;
  }
  return weights;
}

/** The lowest gate threshold whose hypothesis "the selective risk is above maxError" falls, and the level it fell at. */
function walk(
  grid: readonly CurvePoint[],
  labels: number,
  contract: ErrorContract,
): { readonly point: CurvePoint; readonly level: number } | undefined {
  const weights = startWeights(grid, labels, contract);
  let best: { point: CurvePoint; level: number } | undefined;
  let handed = 0;
  grid.forEach((point, index) => {
    const level = spentLevel((weights[index] ?? 0) * contract.delta + handed);
    // A level of 0 rejects nothing, not even a p-value that has underflowed to 0.
    const rejected = level > 0 && binomialLowerTail(point.errors, point.accepted, contract.maxError) <= level;
    if (rejected) best = { point, level };
    handed = rejected ? level : 0;
  });
  return best;
}

/** Where no number of labels of this shape would do, the least that would if every further label were right. */
function labelsNeeded(
  grid: readonly CurvePoint[],
  labels: number,
  contract: ErrorContract,
): { readonly more: number; readonly tooManyErrors: boolean } {
  const more = labelsMissing(grid, labels, (larger, total) => walk(larger, total, contract) !== undefined);
  return { more: more ?? labelsAtLeast(contract.maxError, contract.delta), tooManyErrors: more === null };
}
