import { lnBeta, lnBetaTail, lnBetaTerm } from "./log-beta.ts";

/** The mixture is Jeffreys' prior, cut off at the tolerated error. */
const prior = 0.5;
/** Halvings: a bound is known to a millionth of a millionth. */
const boundSteps = 40;

/**
 * ln E of the e-process against "the selective risk is at least `maxError`" after `errors` in `labels`: the likelihood
 * of every smaller risk r, mixed over Beta(½, ½) cut to (0, α), against that of α itself,
 *
 *   ln E = ln B(½+k, ½+n−k) + ln I_α(½+k, ½+n−k) − ln B(½, ½) − ln I_α(½, ½) − k ln α − (n−k) ln(1−α).
 *
 * Under the hypothesis E is a nonnegative supermartingale that starts at 1, so it ever reaches 1/δ with probability at
 * most δ (Ville 1939; Robbins 1970): it may be looked at after every label. The labels are a random sample of what a
 * gate accepts, each known with certainty; samples drawn by propensity are the business of `weighted-evidence.ts`.
 *
 * @param maxError α, inside (0, 1)
 * @example lnErrorEvidence(0, 600, 0.01) >= Math.log(1 / 0.05) // true: 600 right ones are enough
 */
export function lnErrorEvidence(errors: number, labels: number, maxError: number): number {
  const fits = Number.isInteger(errors) && Number.isInteger(labels) && errors >= 0 && errors <= labels;
  if (!fits) throw new RangeError(`counts must be integers with 0 ≤ ${errors} ≤ ${labels}`);
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  if (labels === 0) return 0;
  const [a, b] = [prior + errors, prior + labels - errors];
  // 1/B, αᵏ and (1 − α)ⁿ⁻ᵏ together are the term of the beta density: taken alone each is huge, and their sum is not.
  return lnBetaTail(maxError, a, b) - lnBetaTerm(maxError, a, b) + lnStart(maxError);
}

/**
 * An upper bound of the selective risk that may be read after every label: the least r, up to `maxError`, such that "the
 * risk is at least r" is rejected at `level`. For a gate threshold that was fixed before, it is ever below the risk with
 * probability at most `level`; where not even `maxError` is rejected it is `maxError`, which then is no bound.
 *
 * @param level inside (0, 1)
 */
export function errorBound(errors: number, labels: number, level: number, maxError: number): number {
  const wanted = -Math.log(level);
  if (!(lnErrorEvidence(errors, labels, maxError) >= wanted)) return maxError;
  // Below errors/labels nothing is rejected, and above it the more is tolerated the more is against it.
  let [low, high] = [errors / labels, maxError];
  for (let step = 0; step < boundSteps; step += 1) {
    const middle = (low + high) / 2;
    if (middle > 0 && lnErrorEvidence(errors, labels, middle) >= wanted) high = middle;
    else low = middle;
  }
  return high;
}

/** What brings E to 1 without labels: ln(√(α(1 − α)) / (B(½, ½) I_α(½, ½))). */
function lnStart(maxError: number): number {
  const powers = prior * (Math.log(maxError) + Math.log1p(-maxError));
  return powers - lnBeta(prior, prior) - lnBetaTail(maxError, prior, prior);
}
