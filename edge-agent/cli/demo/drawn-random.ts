import { seededDraw } from "../../../models/measure/seeded-draw.ts";

/** A stream of numbers that a seed fixes: the same seed draws the same crop everywhere. */
export interface Dice {
  /** Uniform in [from, to). */
  between(from: number, to: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
}

export function createDice(seed: number): Dice {
  const uniform = seededDraw(seed);
  return {
    between: (from, to) => from + uniform() * (to - from),
    pick: (items) => items[Math.floor(uniform() * items.length)] ?? items[0],
  };
}
