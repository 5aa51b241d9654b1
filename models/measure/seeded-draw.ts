/** Numbers in [0, 1) that are the same for the same seed. */
export type Draw = () => number;

/** Mulberry32 (Ettinger 2017): small, quick, and good enough for simulations; not for secrets. */
export function seededDraw(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}
