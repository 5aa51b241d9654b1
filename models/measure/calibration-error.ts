import { requireScores } from "./scores.ts";

/** One bar of a reliability diagram: items with confidence in (lower, upper]. */
export interface ReliabilityBin {
  readonly lower: number;
  readonly upper: number;
  readonly items: number;
  /** Mean confidence and share of right answers inside; 0 where the bin is empty. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** A bin of fewer labels says next to nothing: even if all of them are right, its interval of 95 % is wider than 0.11. */
export const fewLabels = 30;

/** The bins of the reliability diagram: `bins` of equal width, (lower, upper], 0 in the first. */
export function reliability(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  bins = 15,
): readonly ReliabilityBin[] {
  requireScores(confidence, correct);
  const items = new Float64Array(bins);
  const sums = new Float64Array(bins);
  const right = new Float64Array(bins);
  for (let item = 0; item < confidence.length; item += 1) {
    const value = confidence[item] ?? 0;
    if (value < 0 || value > 1) throw new RangeError(`confidence ${item} must be in [0, 1], got ${value}`);
    const bin = binOf(value, bins);
    items[bin] = (items[bin] ?? 0) + 1;
    sums[bin] = (sums[bin] ?? 0) + value;
    right[bin] = (right[bin] ?? 0) + (correct[item] ?? 0);
  }
  return Object.freeze(
    Array.from(items, (count, bin) =>
      Object.freeze({
        lower: bin / bins,
        upper: (bin + 1) / bins,
        items: count,
        confidence: count === 0 ? 0 : (sums[bin] ?? 0) / count,
        accuracy: count === 0 ? 0 : (right[bin] ?? 0) / count,
      }),
    ),
  );
}

/**
 * Expected calibration error (Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017, arXiv 1706.04599): the gap between
 * confidence and accuracy, averaged over bins by their share of the items. In [0, 1]; biased upwards on few items.
 */
export function expectedCalibrationError(confidence: ArrayLike<number>, correct: ArrayLike<number>, bins = 15): number {
  return reliability(confidence, correct, bins).reduce(
    (sum, bin) => sum + (bin.items / confidence.length) * Math.abs(bin.accuracy - bin.confidence),
    0,
  );
}

/** The bin with bin/bins < value ≤ (bin + 1)/bins, compared with the bounds as they are reported, not recomputed. */
function binOf(value: number, bins: number): number {
  let bin = Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1));
  while (bin > 0 && value <= bin / bins) bin -= 1;
  while (bin < bins - 1 && value > (bin + 1) / bins) bin += 1;
  return bin;
}
