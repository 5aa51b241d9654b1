/** A stream of numbers that a seed fixes: the same seed draws the same crop everywhere. */
export interface Dice {
  /** Uniform in [from, to). */
  between(from: number, to: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
}

/** Mulberry32 (T. Ettinger, 2017): small, and good enough to scatter fruit. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    between: (from, to) => from + uniform() * (to - from),
    pick: (items) => items[Math.floor(uniform() * items.length)] ?? items[0],
  };
}
