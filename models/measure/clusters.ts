import { type WeightedEvidence, type WeightedLabel, betShares } from "./weighted-evidence.ts";

/**
 * One random row of each basket, in the order of the baskets' first rows: decisions of one basket are correlated, and
 * an exact binomial over all of them breaks its promise (23 % at δ = 5 % with 20 a basket). What is certified is then
 * the risk with every basket weighing the same; where large baskets err more, use `basketWeighted`.
 *
 * @param baskets shape [rows], the basket of each decision
 * @param random uniform in [0, 1), for instance seeded, so that the choice can be repeated
 */
export function onePerBasket(baskets: ArrayLike<string | number>, random: () => number): readonly number[] {
  const chosen = new Map<string | number, { row: number; seen: number }>();
  for (let row = 0; row < baskets.length; row += 1) {
    const basket = baskets[row] ?? "";
    const before = chosen.get(basket);
    if (before === undefined) {
      chosen.set(basket, { row, seen: 1 });
      continue;
    }
    // Reservoir sampling: every row of the basket ends up chosen with the same probability.
    before.seen += 1;
    if (random() * before.seen < 1) before.row = row;
  }
  return Array.from(chosen.values(), ({ row }) => row);
}

/**
 * The weighted evidence of one gate threshold after one more basket: one bet on the sum of (α − e)·q/π over those of
 * its decisions that the gate threshold accepts. Baskets are independent and the sum has a mean of at most 0 under
 * H: R(t) ≥ α, with R(t) over decisions, so correlation inside a basket does no harm: the bet is only so small that the
 * worst basket cannot bankrupt it.
 *
 * @param labels of one basket, at or above the gate threshold; those beyond `basketSizeMax` are not counted
 * @param basketSizeMax fixed before the first basket; the smaller, the faster the evidence grows
 */
export function basketWeighted(
  evidence: WeightedEvidence,
  labels: readonly WeightedLabel[],
  maxError: number,
  basketSizeMax: number,
): WeightedEvidence {
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  if (!(Number.isInteger(basketSizeMax) && basketSizeMax >= 1)) {
    throw new RangeError(`basketSizeMax must be an integer of at least 1, got ${basketSizeMax}`);
  }
  let gain = 0;
  for (const { isWrong, propensity, propensityMin } of labels.slice(0, basketSizeMax)) {
    if (!(propensityMin > 0 && propensity >= propensityMin && propensity <= 1)) {
      throw new RangeError(`a propensity must be in [${propensityMin}, 1] and above 0, got ${propensity}`);
    }
    gain += ((propensityMin / propensity) * (maxError - (isWrong ? 1 : 0))) / (basketSizeMax * (1 - maxError));
  }
  return betShares.map((share, bet) => (evidence[bet] ?? 0) + Math.log1p(share * gain));
}
