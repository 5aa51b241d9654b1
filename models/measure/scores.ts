/**
 * Refuses what no statistic of this folder is defined on: no items, arrays of unequal length, a confidence that is not
 * finite, an outcome that is neither 0 nor 1. Such input is a bug of the caller, hence an assertion.
 */
export function requireScores(confidence: ArrayLike<number>, correct: ArrayLike<number>): void {
  if (confidence.length !== correct.length) {
    throw new RangeError(`${confidence.length} confidences but ${correct.length} outcomes`);
  }
  if (confidence.length === 0) throw new RangeError("at least one item is needed");
  for (let item = 0; item < confidence.length; item += 1) {
    if (!Number.isFinite(confidence[item])) throw new RangeError(`confidence ${item} is not finite`);
    if (correct[item] !== 0 && correct[item] !== 1) throw new RangeError(`outcome ${item} is neither 0 nor 1`);
  }
}

/** Scores in the order that a gate goes through them: falling, as typed arrays, because there may be millions. */
export interface SortedScores {
  /** Confidences of all items, rising. */
  readonly all: Float64Array;
  /** Confidences of the wrong ones alone, rising: what is wrong at or above a gate threshold is counted from here. */
  readonly wrong: Float64Array;
}

/** Two arrays of numbers are sorted natively, and nothing has to carry the outcome along. */
export function sortedScores(confidence: ArrayLike<number>, correct: ArrayLike<number>): SortedScores {
  requireScores(confidence, correct);
  const all = Float64Array.from(confidence);
  const wrong = all.filter((_, item) => correct[item] === 0);
  return { all: all.sort(), wrong: wrong.sort() };
}

/** How many of the rising values are at or above `gateThreshold`. */
export function countAtLeast(rising: Float64Array, gateThreshold: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rising[middle] ?? 0) >= gateThreshold) high = middle;
    else low = middle + 1;
  }
  return rising.length - low;
}
