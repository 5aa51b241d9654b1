/** A label, how likely it was to be drawn, and the least that any decision of its time was drawn with. */
export interface WeightedLabel {
  readonly isWrong: boolean;
  /** π: with what probability this decision got a label, in [propensityMin, 1]; fixed and logged before the coin. */
  readonly propensity: number;
  /** q: a lower bound of the propensity of *every* decision made under the same rules, known beforehand; in (0, 1]. */
  readonly propensityMin: number;
}

/** ln of the wealth of each bet, in the order of `betShares`. Plain data. */
export type WeightedEvidence = readonly number[];

/** Shares of the largest bet that cannot go bankrupt; averaging over them adapts to how far the risk is from α. */
export const betShares = [0.1, 0.2, 0.4, 0.7, 0.9] as const;

/** No evidence yet: every wealth is 1. */
export const noWeightedEvidence: WeightedEvidence = Object.freeze(betShares.map(() => 0));

/**
 * The evidence after one more label of a decision that the gate threshold in question accepts (confidence at or above
 * it): each wealth is multiplied by 1 + λ(α − e)/π with λ = g·q/(1 − α).
 *
 * Why it is valid: over all decisions made under the rules of the time, labelled or not, the factor is
 * 1 + λ·L·1(c ≥ t)(α − e)/π with L = 1 if a label was drawn. L has mean π given the decision, so the factor's mean is
 * 1 + λ·P(c ≥ t)(α − R(t)), at most 1 under H: R(t) ≥ α. λ may depend on the past and on the rules, never on the
 * decision, hence q and not π. It is the bet of Xu, Karampatziakis & Mineiro 2024 (arXiv 2406.10490), whose factor is
 * 1 + λ·1(c ≥ t)(α − L·e/π); with α under the same weight, decisions without a label need not be counted at all.
 */
export function weighted(evidence: WeightedEvidence, label: WeightedLabel, maxError: number): WeightedEvidence {
  const { propensity, propensityMin, isWrong } = label;
  if (!(propensityMin > 0 && propensity >= propensityMin && propensity <= 1)) {
    throw new RangeError(`a propensity must be in [${propensityMin}, 1] and above 0, got ${propensity}`);
  }
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  const stake = propensityMin / (propensity * (1 - maxError));
  const gain = stake * (maxError - (isWrong ? 1 : 0));
  return betShares.map((share, bet) => (evidence[bet] ?? 0) + Math.log1p(share * gain));
}

/** ln of the mean wealth: an e-process as each of the wealths is one. */
export function lnWeightedEvidence(evidence: WeightedEvidence): number {
  const largest = Math.max(...evidence);
  return largest + Math.log(evidence.reduce((sum, ln) => sum + Math.exp(ln - largest), 0) / evidence.length);
}
