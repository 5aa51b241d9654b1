import { type Draw, seededDraw } from "../seeded-draw.ts";

/**
 * A population whose every selective risk is known: items from the most to the least confident. The item at `rank` has
 * the confidence 1 − rank / items, so no two are tied.
 */
export interface Population {
  readonly name: string;
  /** How many labels a draw from it has. */
  readonly labels: number;
  /** Uint8Array, shape [items], 1 where the prediction is wrong. */
  readonly isWrong: Uint8Array;
  /** Uint32Array, shape [items], wrong ones among the items up to this rank, itself included. */
  readonly errorsTo: Uint32Array;
}

/** A certification set: ranks of items drawn with replacement, ascending, so the most confident come first. */
export interface Sample {
  readonly ranks: Uint32Array;
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

/** The five shapes of the study. The outcomes are drawn once by `seed`; from then on the population is fixed. */
export function studyPopulations(seed: number): readonly Population[] {
  const draw = seededDraw(seed);
  return shapes.map(({ name, labels, risk }) => {
    const isWrong = Uint8Array.from({ length: items }, (_, rank) => (draw() < risk((rank + 0.5) / items) ? 1 : 0));
    return { name, labels, isWrong, errorsTo: runningSum(isWrong) };
  });
}

/** A certification set drawn with replacement, so that the population stays what the certificate speaks about. */
export function drawSample({ labels, isWrong }: Population, draw: Draw): Sample {
  const ranks = Uint32Array.from({ length: labels }, () => Math.floor(draw() * isWrong.length)).sort();
  return { ranks, errorsTo: runningSum(ranks.map((rank) => isWrong[rank] ?? 0)) };
}

/** What a gate that accepts the items up to `rank` really does; it accepts none at rank −1. */
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
