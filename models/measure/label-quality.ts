import { clopperPearsonUpper } from "./binomial.ts";

/** Cases with a known truth, mixed in unseen, in which the answer shown as the model's was wrong. */
export interface GoldCases {
  readonly wrong: number;
  /** How many of these the reviewers let pass: they repeated the wrong answer, so no disagreement was seen. */
  readonly missed: number;
}

/** The error that may be tolerated among labels, so that the true error is within the contract. */
export interface DeflatedError {
  /** α·(1 − missShare), for `certify` and the evidence in the place of α. */
  readonly maxError: number;
  /** Upper bound of the share of the model's errors that no label shows. */
  readonly missShare: number;
  /** Too few gold cases: the share is taken from published studies and not from these reviewers. */
  readonly isAssumed: boolean;
}

/** Fewer gold cases than this bound nothing usefully. */
const goldCasesMin = 50;
/** The upper end of what annotators repeated of a model's accepted errors (CIFAR-10H, Peterson et al. 2019). */
const missShareAssumed = 0.19;
/** Until so many gold cases have come, those that lack count as assumed: one that was missed must not be all that is known. */
const goldCasesFew = 10;

/**
 * The contract deflated by what reviewers overlook. Every disagreement between model and reviewer is adjudicated, so a
 * label is wrong only where the reviewer repeats the model's wrong answer; with a share m of the errors lost like that
 * the labels show R·(1 − m), and R ≤ α iff they show at most α·(1 − m). m is bounded from above on gold cases (Clopper &
 * Pearson 1934); the certificate then fails with probability at most δ + `level`.
 *
 * @param level probability that the true share is above the bound, inside (0, 1)
 * @example deflatedError(0.02, { wrong: 200, missed: 30 }, 0.05).maxError // 0.0161
 */
export function deflatedError(maxError: number, gold: GoldCases, level: number): DeflatedError {
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  const measured = clopperPearsonUpper(gold.missed, gold.wrong, level);
  const isAssumed = gold.wrong < goldCasesMin;
  // Few gold cases can make things worse than assumed, never better.
  const lacking = Math.max(0, goldCasesFew - gold.wrong);
  const seen = (gold.missed + missShareAssumed * lacking) / (gold.wrong + lacking);
  const missShare = isAssumed ? Math.max(missShareAssumed, seen) : measured;
  return Object.freeze({ maxError: maxError * (1 - missShare), missShare, isAssumed });
}
