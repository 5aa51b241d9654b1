/** What things cost, in one currency. */
export interface DecisionCosts {
  /** One look by a person. */
  readonly review: number;
  /** One wrong decision that was accepted. */
  readonly wrongAccept: number;
}

/** What a gate does to a thousand decisions. */
export interface DecisionPrice {
  /** Decisions that go to people. */
  readonly reviewsPer1000: number;
  /** Wrong ones among those that nobody looks at. */
  readonly wrongPer1000: number;
  /** Reviews and wrong accepts in money; null where nobody has said what they cost. */
  readonly costPer1000: number | null;
}

/**
 * @param coverage share of the decisions that the gate accepts, in [0, 1]
 * @param risk expected share of wrong ones among the accepted, in [0, 1]
 * @example decisionPrice({ coverage: 0.9, risk: 0.01 }, { review: 0.4, wrongAccept: 5 }) // 100 reviews, 9 wrong, 85
 */
export function decisionPrice(
  { coverage, risk }: { readonly coverage: number; readonly risk: number },
  costs: DecisionCosts | null,
): DecisionPrice {
  const fits = coverage >= 0 && coverage <= 1 && risk >= 0 && risk <= 1;
  if (!fits) throw new RangeError(`coverage and risk must be in [0, 1], got ${coverage} and ${risk}`);
  const reviewsPer1000 = 1000 * (1 - coverage);
  const wrongPer1000 = 1000 * coverage * risk;
  const costPer1000 = costs === null ? null : reviewsPer1000 * costs.review + wrongPer1000 * costs.wrongAccept;
  return { reviewsPer1000, wrongPer1000, costPer1000 };
}
