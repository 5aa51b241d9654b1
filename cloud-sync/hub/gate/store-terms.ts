import { type Costs } from "../../../config/index.ts";
import { type GateContract } from "./gate-contracts.ts";

/** One store of a gate: what its own config says beside the promise, and what it weighs. */
export interface TermsStore {
  readonly contract: Pick<GateContract, "costs" | "reviewsPer1000">;
  /** Decisions that its labels stand for. */
  readonly decisions: number;
}

/** What the stores of a gate say together. Each states its costs and its people itself; only the promise is shared. */
export interface GateTerms {
  /** Null where no store states any, and where they are in several currencies, which do not add up. */
  readonly costs: Costs | null;
  /** Reviews in a thousand decisions that people can take; null where no store states a limit. */
  readonly reviewsPer1000: number | null;
  /** Stores state different ones, and these are means. */
  readonly isMean: boolean;
}

/**
 * The mean over the stores that state something, each by its decisions: what a thousand decisions of all of them cost, as far
 * as the gate accepts as much in one as in another. Without a label every store weighs the same. Pure.
 */
export function gateTerms(stores: readonly TermsStore[]): GateTerms {
  const isKnown = stores.some(({ decisions }) => decisions > 0);
  const weighed = stores.map(({ contract, decisions }) => ({ ...contract, weight: isKnown ? decisions : 1 }));
  const costs = weighed.flatMap(({ costs: own, weight }) => (own ? [{ own, weight }] : []));
  const limits = weighed.flatMap(({ reviewsPer1000: own, weight }) => (own === null ? [] : [{ own, weight }]));
  const [first] = costs;
  const isOneCurrency = costs.every(({ own }) => own.currency === first?.own.currency);
  const [review, wrongAccept] = [mean(costs, ({ own }) => own.review), mean(costs, ({ own }) => own.wrongAccept)];
  const reviewsPer1000 = mean(limits, ({ own }) => own);
  return {
    costs:
      first && isOneCurrency
        ? { review: review.value, wrongAccept: wrongAccept.value, currency: first.own.currency }
        : null,
    reviewsPer1000: limits.length === 0 ? null : reviewsPer1000.value,
    isMean: review.isMean || wrongAccept.isMean || reviewsPer1000.isMean,
  };
}

/** What all of them say, or the mean of what differs. */
function mean<Row extends { readonly weight: number }>(
  rows: readonly Row[],
  read: (row: Row) => number,
): { readonly value: number; readonly isMean: boolean } {
  const [first] = rows;
  const value = first ? read(first) : 0;
  if (rows.every((row) => read(row) === value)) return { value, isMean: false };
  // Only stores without a decision may say something: then each of them weighs the same.
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  const sum = rows.reduce((so, row) => so + read(row) * (total > 0 ? row.weight : 1), 0);
  return { value: sum / (total > 0 ? total : rows.length), isMean: true };
}
