import { fitLine, type FittedLine, logit, type LogitLine, logits } from "./logit-line.ts";
import { requireScores } from "./scores.ts";

/** A store's own line on the logit of a confidence: confidence′ = sigmoid(slope·logit(confidence) + offset). */
export type StoreAdjustment = LogitLine;

/** The adjustments of all stores, and how far stores were found to differ. */
export interface StoreAdjustments {
  readonly adjustments: ReadonlyMap<string, StoreAdjustment>;
  /** Standard deviations of slope and offset between stores, by empirical Bayes. */
  readonly slopeSpread: number;
  readonly offsetSpread: number;
}

const spreads = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8] as const;

/**
 * Per store a slope and an offset on the logit of the task's confidence, shrunk to (1, 0): a store with few labels
 * stays at the task's calibration, one with many gets its own. How hard is learnt from all stores together, by the
 * largest Laplace approximation of the marginal likelihood over a grid of spreads (empirical Bayes, Efron & Morris 1973;
 * Tierney & Kadane 1986). Fit on other labels than those that certify.
 *
 * @param confidence shape [items], of the task's calibration
 * @param correct shape [items], 1 if that label was right, else 0
 * @param store shape [items]
 */
export function fitStoreAdjustments(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  store: ArrayLike<string>,
): StoreAdjustments {
  requireScores(confidence, correct);
  if (store.length !== confidence.length) throw new RangeError(`${store.length} stores of ${confidence.length} items`);
  const x = logits(confidence);
  const rows = new Map<string, number[]>();
  for (let item = 0; item < store.length; item += 1) {
    const name = store[item] ?? "";
    const own = rows.get(name);
    if (own === undefined) rows.set(name, [item]);
    else own.push(item);
  }
  const stores = Array.from(rows, ([name, own]) => ({
    name,
    x: Float64Array.from(own, (item) => x[item] ?? 0),
    correct: Uint8Array.from(own, (item) => correct[item] ?? 0),
  }));
  let best = { evidence: -Infinity, slopeSpread: 0, offsetSpread: 0, lines: [] as readonly FittedLine[] };
  for (const slopeSpread of spreads) {
    for (const offsetSpread of spreads) {
      const pull = { slope: slopeSpread ** -2, offset: offsetSpread ** -2 };
      const lines = stores.map((own) => fitLine(own.x, own.correct, pull));
      // ln of the prior's normaliser against that of the posterior, for each store.
      const evidence = lines.reduce(
        (sum, line) => sum - line.loss + 0.5 * (Math.log(pull.slope * pull.offset) - line.lnDeterminant),
        0,
      );
      if (evidence > best.evidence) best = { evidence, slopeSpread, offsetSpread, lines };
    }
  }
  const adjustments = new Map<string, StoreAdjustment>();
  stores.forEach(({ name }, i) => {
    const line = best.lines[i];
    if (line !== undefined) adjustments.set(name, Object.freeze({ slope: line.slope, offset: line.offset }));
  });
  const { slopeSpread, offsetSpread } = best;
  return Object.freeze({ adjustments, slopeSpread, offsetSpread });
}

/** The confidence as a store adjusts it; null leaves it as it is. The order of confidences stays. */
export function adjusted(confidence: number, adjustment: StoreAdjustment | null): number {
  if (adjustment === null) return confidence;
  const z = adjustment.slope * logit(confidence) + adjustment.offset;
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
}
