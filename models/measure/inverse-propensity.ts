import { clopperPearsonLower, clopperPearsonUpper } from "./binomial.ts";
import { normalUpper } from "./normal.ts";

/** An estimate of a share with its interval; `labels` is how many labels it rests on. */
export interface ShareEstimate {
  readonly share: number;
  readonly lower: number;
  readonly upper: number;
  readonly labels: number;
}

/** Decisions that a gate accepted, audited or not: one row each. */
export interface AcceptedDecisions {
  /** Expected error 1 − confidence, in [0, 1]: the control variate. */
  readonly expectedError: ArrayLike<number>;
  /** With what probability it was audited, in (0, 1]. */
  readonly propensity: ArrayLike<number>;
  /** 1 wrong, 0 right, −1 not audited. */
  readonly outcome: ArrayLike<number>;
}

/** The least propensity that any decision gets: half of the audit share, drawn uniformly. */
export function auditPropensityMin(auditShare: number): number {
  requireShare(auditShare);
  return auditShare / 2;
}

/**
 * With what probability an accepted decision is audited: half of the share uniformly, half in proportion to
 * √(f(1 − f)) with f = 1 − confidence the expected error, which is where a label tells most (Zrnic & Candès 2024,
 * arXiv 2403.03208, eq. 5). In [auditShare / 2, 1], so never 0 while anything is audited at all; 1 for a confidence
 * that is no number. It depends on nothing that is known after the decision.
 *
 * @param scale running mean of √(f(1 − f)) over the accepted decisions, so that π is auditShare on average; until there
 *   is one (0 or NaN) every decision gets auditShare
 * @example auditPropensity(0.99, 0.1, 0.02) // 0.01 + 0.01 · 0.0995 / 0.1 = 0.01995
 */
export function auditPropensity(confidence: number, scale: number, auditShare: number): number {
  requireShare(auditShare);
  if (auditShare === 0) return 0;
  if (Number.isNaN(confidence)) return 1;
  const half = auditShare / 2;
  if (!(scale > 0)) return auditShare;
  return Math.min(1, Math.max(half, half + (half * errorSpread(confidence)) / scale));
}

/** √(f(1 − f)): the standard deviation of the error that a calibrated confidence expects. 0 outside [0, 1]. */
export function errorSpread(confidence: number): number {
  return Math.sqrt(Math.max(0, confidence * (1 - confidence)));
}

/**
 * The share of wrong ones among all accepted decisions, by inverse propensity with a control variate: the mean of
 * f + L(e − f)/π (Zrnic & Candès 2024, eq. 3). Unbiased whatever f is; the better f, the narrower the interval, which
 * is the normal approximation at `level` on both sides. For certificates there is `weighted-evidence.ts`.
 */
export function inversePropensityEstimate(decisions: AcceptedDecisions, level: number): ShareEstimate {
  const { expectedError, propensity, outcome } = decisions;
  const rows = expectedError.length;
  if (rows === 0 || propensity.length !== rows || outcome.length !== rows) {
    throw new RangeError("decisions need one expected error, propensity and outcome a row, and at least one row");
  }
  let labels = 0;
  let mean = 0;
  let squares = 0;
  for (let row = 0; row < rows; row += 1) {
    const f = expectedError[row] ?? Number.NaN;
    const e = outcome[row] ?? Number.NaN;
    const pi = propensity[row] ?? Number.NaN;
    if (!(f >= 0 && f <= 1 && pi > 0 && pi <= 1)) throw new RangeError(`row ${row} is outside its range`);
    if (e >= 0) labels += 1;
    const value = e >= 0 ? f + (e - f) / pi : f;
    const gap = value - mean;
    mean += gap / (row + 1);
    squares += gap * (value - mean);
  }
  const error = rows > 1 ? Math.sqrt(squares / (rows - 1) / rows) : Number.POSITIVE_INFINITY;
  return estimate(mean, error, labels, level);
}

/**
 * The same share where only the audited decisions are at hand, as in a hub: Σ(e/π) / Σ(1/π) (Hájek 1971), with the
 * linearised standard error. Slightly biased on few labels. The interval is never narrower than the exact one of as many
 * certain labels as the weights are worth (Korn & Graubard 1998; (Σ1/π)² / Σ1/π², Kish 1965): without a wrong label the
 * linearised error is 0, and one right label would prove everything.
 *
 * @param propensity shape [labels], in (0, 1]
 * @param isWrong shape [labels], 1 wrong, 0 right
 */
export function auditedErrorShare(
  propensity: ArrayLike<number>,
  isWrong: ArrayLike<number>,
  level: number,
): ShareEstimate {
  if (propensity.length !== isWrong.length) throw new RangeError("one propensity a label is needed");
  let weights = 0;
  let wrong = 0;
  for (let row = 0; row < propensity.length; row += 1) {
    const pi = propensity[row] ?? Number.NaN;
    if (!(pi > 0 && pi <= 1)) throw new RangeError(`propensity ${row} must be in (0, 1], got ${pi}`);
    weights += 1 / pi;
    wrong += (isWrong[row] ?? 0) / pi;
  }
  if (weights === 0) return Object.freeze({ share: 0, lower: 0, upper: 1, labels: 0 });
  const share = wrong / weights;
  let squares = 0;
  let weightSquares = 0;
  for (let row = 0; row < propensity.length; row += 1) {
    squares += (((isWrong[row] ?? 0) - share) / (propensity[row] ?? 1)) ** 2;
    weightSquares += (propensity[row] ?? 1) ** -2;
  }
  const linear = estimate(share, Math.sqrt(squares) / weights, propensity.length, level);
  const worth = Math.max(1, Math.floor(weights ** 2 / weightSquares));
  const [lower, upper] = [Math.floor(share * worth), Math.min(worth, Math.ceil(share * worth))];
  return Object.freeze({
    ...linear,
    lower: Math.min(linear.lower, clopperPearsonLower(lower, worth, level / 2)),
    upper: Math.max(linear.upper, clopperPearsonUpper(upper, worth, level / 2)),
  });
}

function estimate(share: number, error: number, labels: number, level: number): ShareEstimate {
  if (!(level > 0 && level < 1)) throw new RangeError(`a level must be inside (0, 1), got ${level}`);
  const width = normalUpper(level / 2) * error;
  const within = (value: number): number => Math.min(1, Math.max(0, value));
  return Object.freeze({ share: within(share), lower: within(share - width), upper: within(share + width), labels });
}

function requireShare(auditShare: number): void {
  if (!(auditShare >= 0 && auditShare <= 1)) throw new RangeError(`auditShare must be in [0, 1], got ${auditShare}`);
}
