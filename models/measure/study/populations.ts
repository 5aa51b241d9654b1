import { type Draw, seededDraw } from "../seeded-draw.ts";

/** A population whose every selective risk is known: items from the most to the least confident. */
export interface Population {
  readonly name: string;
  /** How many labels a draw from it has. */
  readonly labels: number;
  /** Uint8Array, shape [items], 1 where the prediction is wrong. */
  readonly isWrong: Uint8Array;
  /** Uint32Array, shape [items], wrong ones among the first items, this one included. */
  readonly errorsTo: Uint32Array;
  /**
   * Uint32Array, shape [items], the rank of each: the last item that is as confident. Only the order matters to what is
   * compared, so a rank stands for the confidence 1 − rank / items.
   */
  readonly rankOf: Uint32Array;
}

/** A certification set: items drawn with replacement, the most confident first. */
export interface Sample {
  /** Uint32Array, shape [labels], ascending. */
  readonly ranks: Uint32Array;
  /** Uint8Array, shape [labels], 1 where the prediction is wrong. */
  readonly isWrong: Uint8Array;
  /** Uint32Array, shape [labels], wrong ones among the first so many. */
  readonly errorsTo: Uint32Array;
}

interface Shape {
  readonly name: string;
  readonly labels: number;
  /** Probability that the item is wrong, by the share of the population that is more confident. */
  readonly risk: (share: number) => number;
}

/** 7 % wrong in all, nearly all of it among the least confident third, as behind a good classifier. */
const steep = (share: number): number => 0.6 * share ** 8;

const shapes: readonly Shape[] = [
  { name: "steep", labels: 5000, risk: steep },
  { name: "flat", labels: 5000, risk: (share) => 0.004 + 0.012 * share },
  { name: "overconfident head", labels: 5000, risk: (share) => (share < 0.01 ? 0.1 : steep(share)) },
  { name: "gradual", labels: 5000, risk: (share) => 0.5 * share ** 3 },
  { name: "small n", labels: 400, risk: steep },
];

const items = 20_000;

/**
 * The five shapes of the study. The outcomes are drawn once by `seed`; from then on the population is fixed.
 *
 * @param labels of a draw, in the place of each shape's own
 */
export function studyPopulations(seed: number, labels?: number): readonly Population[] {
  const draw = seededDraw(seed);
  return shapes.map(({ name, labels: own, risk }) => {
    const isWrong = Uint8Array.from({ length: items }, (_, item) => (draw() < risk((item + 0.5) / items) ? 1 : 0));
    const rankOf = Uint32Array.from({ length: items }, (_, item) => item);
    return { name, labels: labels ?? own, isWrong, errorsTo: runningSum(isWrong), rankOf };
  });
}

/**
 * Labelled scores as a population: what is known of them is taken for all there is, so the true risk of every gate
 * threshold is known as well.
 *
 * @param confidence shape [items], at least one
 * @param correct shape [items], 1 where the prediction was right, else 0
 */
export function populationOf(
  name: string,
  labels: number,
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
): Population {
  const at = (index: number): number => confidence[index] ?? 0;
  const order = Uint32Array.from({ length: confidence.length }, (_, index) => index).sort((a, b) => at(b) - at(a));
  const isWrong = Uint8Array.from(order, (index) => 1 - (correct[index] ?? 0));
  const rankOf = Uint32Array.from(order, (_, item) => item);
  for (let item = order.length - 2; item >= 0; item -= 1) {
    if (at(order[item] ?? 0) === at(order[item + 1] ?? 0)) rankOf[item] = rankOf[item + 1] ?? 0;
  }
  return { name, labels, isWrong, errorsTo: runningSum(isWrong), rankOf };
}

/** A certification set drawn with replacement, so that the population stays what the certificate speaks about. */
export function drawSample({ labels, isWrong, rankOf }: Population, draw: Draw): Sample {
  const drawn = Uint32Array.from({ length: labels }, () => Math.floor(draw() * isWrong.length)).sort();
  const isWrongHere = Uint8Array.from(drawn, (item) => isWrong[item] ?? 0);
  return {
    ranks: drawn.map((item) => rankOf[item] ?? 0),
    isWrong: isWrongHere,
    errorsTo: runningSum(isWrongHere),
  };
}

/** What a gate that accepts everything up to `rank` really does; it accepts nothing at rank −1. */
export function truth(
  { isWrong, errorsTo }: Population,
  rank: number,
): { readonly coverage: number; readonly risk: number } {
  if (rank < 0) return { coverage: 0, risk: 0 };
  return { coverage: (rank + 1) / isWrong.length, risk: (errorsTo[rank] ?? 0) / (rank + 1) };
}

function runningSum(values: ArrayLike<number>): Uint32Array {
  const sums = new Uint32Array(values.length);
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) {
    sum += values[at] ?? 0;
    sums[at] = sum;
  }
  return sums;
}
