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

/** The items by falling confidence; equal ones keep the order of the input. */
export function confidenceOrder(confidence: ArrayLike<number>): readonly number[] {
  const order = Array.from(confidence, (_, item) => item);
  return order.sort((left, right) => (confidence[right] ?? 0) - (confidence[left] ?? 0));
}
