import { type WeightedLabel } from "./weighted-evidence.ts";

/** What the detector remembers: one number for each bet, as plain data. */
export type DriftState = readonly number[];

/** Alternatives to look for, as multiples of the tolerated error: 2, 4 and 8 % at 1 %. */
const alternatives = [2, 4, 8] as const;
const alternativeMax = 0.9;
/** Alarm at this height: while the risk is at most α, at least as many labels pass on average before a false alarm. */
export const driftAlarm = 1000;

/** Before the first label. */
export const noDrift: DriftState = Object.freeze(alternatives.map(() => 0));

/**
 * The detector after one more label of an accepted decision: the e-detector of Shin, Ramdas & Rinaldo 2023 (arXiv
 * 2203.03532, eq. 14), M ← ℓ·(1 + M), where ℓ is the likelihood ratio of an error rate b against α,
 *
 *   ℓ = b/α if wrong, (1 − b)/(1 − α) if right = 1 + (b − α)(e − α)/(α(1 − α)),
 *
 * for several b. For a label drawn by propensity the bet is scaled by q/π (as in `weighted-evidence.ts`): its mean
 * over all decisions stays at most 1 while the risk over all of them is at most α, whatever was audited more.
 *
 * @param maxError α, inside (0, 1)
 */
export function drifted(state: DriftState, label: WeightedLabel, maxError: number): DriftState {
  const { propensity, propensityMin, isWrong } = label;
  if (!(propensityMin > 0 && propensity >= propensityMin && propensity <= 1)) {
    throw new RangeError(`a propensity must be in [${propensityMin}, 1] and above 0, got ${propensity}`);
  }
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  const surprise = ((propensityMin / propensity) * ((isWrong ? 1 : 0) - maxError)) / (maxError * (1 - maxError));
  return alternatives.map((times, bet) => {
    const rate = Math.min(alternativeMax, times * maxError);
    // An α beyond the largest alternative leaves nothing to look for: the bet is 0.
    const factor = 1 + Math.max(0, rate - maxError) * surprise;
    return factor * (1 + (state[bet] ?? 0));
  });
}

/** The mean over the alternatives: an e-detector as each of them is one. Alarm at `driftAlarm`. */
export function driftLevel(state: DriftState): number {
  return state.reduce((sum, value) => sum + value, 0) / state.length;
}
