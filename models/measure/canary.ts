import { lnBeta, lnBetaTail } from "./log-beta.ts";

/** Pairs so far in which both models answered the same case and exactly one of them was right. */
export interface DiscordantPairs {
  /** b: the base was right and the canary wrong. */
  readonly canaryWrong: number;
  /** c: the canary was right and the base wrong. */
  readonly baseWrong: number;
}

/** Revert a canary once E reaches this: a false alarm at δ = 0.05 at most, however often one looks. */
export const revertAt = 20;
/** The careful one, δ = 0.01. */
export const revertCarefullyAt = 100;

/**
 * ln E against "the canary is wrong no more often than the base", from pairs on the same cases. Only pairs that differ
 * count; given one, the canary is the wrong one with probability θ ≤ ½ under the hypothesis, and the alternatives
 * θ > ½ are mixed evenly (the sequential sign test; Robbins 1970):
 *
 *   ln E = ln B(b+1, c+1) + ln I_½(c+1, b+1) + (b+c+1) ln 2.
 *
 * @example lnCanaryWorse({ canaryWrong: 14, baseWrong: 3 }) >= Math.log(revertAt) // true: revert it
 */
export function lnCanaryWorse({ canaryWrong: b, baseWrong: c }: DiscordantPairs): number {
  requireCount(b);
  requireCount(c);
  return lnBeta(b + 1, c + 1) + lnBetaTail(0.5, c + 1, b + 1) + (b + c + 1) * Math.LN2;
}

/** Items that two models answered apart from each other, as a canary on some stores and the base on the others. */
export interface UnpairedBlock {
  readonly baseItems: number;
  readonly baseErrors: number;
  readonly canaryItems: number;
  readonly canaryErrors: number;
}

/** What was seen so far, and ln E. Plain data. */
export interface UnpairedEvidence extends UnpairedBlock {
  readonly lnEvidence: number;
}

export const noUnpairedEvidence: UnpairedEvidence = Object.freeze({
  ...{ baseItems: 0, baseErrors: 0, canaryItems: 0, canaryErrors: 0 },
  lnEvidence: 0,
});

/** Pseudo-counts of the learnt rates, the choice of Turner, Ly & Grünwald 2024, §4. */
const pseudoCount = 0.18;

/**
 * The evidence after one more block, against "the canary is wrong no more often than the base": the blockwise E-variable
 * for two streams of Turner, Ly & Grünwald 2024 (arXiv 2106.02693, eq. 4), the likelihood of two rates learnt from the
 * blocks before against that of their mean. A block holds items of both, and its sizes are fixed before its outcomes.
 *
 * Their hypothesis is one common rate. It covers a canary that is better as well, because a block counts only while
 * the learnt rate of the canary is the higher one: then the expectation rises with the canary's true rate.
 */
export function unpairedAfter(evidence: UnpairedEvidence, block: UnpairedBlock): UnpairedEvidence {
  const { baseItems, baseErrors, canaryItems, canaryErrors } = block;
  for (const count of [baseItems, baseErrors, canaryItems, canaryErrors]) requireCount(count);
  const fits = baseErrors <= baseItems && canaryErrors <= canaryItems && baseItems > 0 && canaryItems > 0;
  if (!fits) throw new RangeError("a block needs items of both models, and no more errors than items");
  const base = (evidence.baseErrors + pseudoCount) / (evidence.baseItems + 2 * pseudoCount);
  const canary = (evidence.canaryErrors + pseudoCount) / (evidence.canaryItems + 2 * pseudoCount);
  const common = (baseItems * base + canaryItems * canary) / (baseItems + canaryItems);
  const gain =
    canary > base
      ? lnRatio(baseErrors, baseItems, base, common) + lnRatio(canaryErrors, canaryItems, canary, common)
      : 0;
  return Object.freeze({
    baseItems: evidence.baseItems + baseItems,
    baseErrors: evidence.baseErrors + baseErrors,
    canaryItems: evidence.canaryItems + canaryItems,
    canaryErrors: evidence.canaryErrors + canaryErrors,
    lnEvidence: evidence.lnEvidence + gain,
  });
}

/** One case that both models answered. */
export interface ComparedCase {
  readonly isBaseWrong: boolean;
  readonly isCanaryWrong: boolean;
}

/** ln of the wealth of each bet. Plain data. */
export type PromotionEvidence = readonly number[];

/** Shares of the largest bet: small ones, because a margin is small against the spread of the differences. */
const promotionShares = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8] as const;

export const noPromotionEvidence: PromotionEvidence = Object.freeze(promotionShares.map(() => 0));

/**
 * The evidence after one more case, against "the canary is wrong more often by at least `margin`": a bet on the
 * difference d = canary wrong − base wrong in {−1, 0, 1}, the factor 1 + λ(margin − d) with λ = g/(1 − margin), which
 * has a mean of at most 1 under the hypothesis (Waudby-Smith & Ramdas 2024, arXiv 2010.09686, §4). Promote when
 * `lnPromotion` reaches ln(1/δ): the canary is worse by less than the margin, if it is worse at all.
 *
 * @param margin inside (0, 1), for instance 0.01
 */
export function promotionAfter(
  evidence: PromotionEvidence,
  { isBaseWrong, isCanaryWrong }: ComparedCase,
  margin: number,
): PromotionEvidence {
  if (!(margin > 0 && margin < 1)) throw new RangeError(`a margin must be inside (0, 1), got ${margin}`);
  const difference = (isCanaryWrong ? 1 : 0) - (isBaseWrong ? 1 : 0);
  const gain = (margin - difference) / (1 - margin);
  return promotionShares.map((share, bet) => (evidence[bet] ?? 0) + Math.log1p(share * gain));
}

/** ln of the mean wealth. */
export function lnPromotion(evidence: PromotionEvidence): number {
  const largest = Math.max(...evidence);
  return largest + Math.log(evidence.reduce((sum, ln) => sum + Math.exp(ln - largest), 0) / evidence.length);
}

function lnRatio(errors: number, items: number, rate: number, common: number): number {
  return errors * Math.log(rate / common) + (items - errors) * Math.log((1 - rate) / (1 - common));
}

function requireCount(count: number): void {
  if (!(Number.isInteger(count) && count >= 0)) throw new RangeError(`a count must be an integer ≥ 0, got ${count}`);
}
