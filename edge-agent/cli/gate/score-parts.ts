/** The items of each group, in the order of the file. */
export function byGroup(
  items: Uint32Array,
  groupOf: Uint16Array,
  names: readonly { readonly at: number; readonly values: readonly string[] }[],
): readonly { readonly values: readonly string[]; readonly items: Uint32Array }[] {
  const counts = new Uint32Array(names.length);
  for (const item of items) counts[groupOf[item] ?? 0] = (counts[groupOf[item] ?? 0] ?? 0) + 1;
  const own = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(names.length);
  for (const item of items) {
    const group = groupOf[item] ?? 0;
    const list = own[group];
    if (list === undefined) continue;
    list[filled[group] ?? 0] = item;
    filled[group] = (filled[group] ?? 0) + 1;
  }
  return names.map(({ at, values }) => ({ values, items: own[at] ?? new Uint32Array() }));
}

/** Order of groups: by the values of their columns, from the first on. */
export function compareKeys(one: readonly string[], other: readonly string[]): number {
  for (const [i, value] of one.entries()) {
    const against = other[i] ?? "";
    if (value !== against) return value < against ? -1 : 1;
  }
  return 0;
}

/**
 * One decision of each basket, each as likely as the others: decisions of one basket go wrong together, and the exact
 * test counts independent ones. The choice is the same every time, so that nobody can draw until it suits.
 */
export function onePerBasket(basketOf: Uint32Array, baskets: number): Uint32Array {
  const chosen = new Uint32Array(baskets);
  const seen = new Uint32Array(baskets);
  let state = 1;
  basketOf.forEach((basket, item) => {
    const count = (seen[basket] ?? 0) + 1;
    seen[basket] = count;
    // Mulberry32; the n-th of a basket takes the place with a chance of 1/n.
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    if (((z ^ (z >>> 14)) >>> 0) / 2 ** 32 < 1 / count) chosen[basket] = item;
  });
  return chosen.sort();
}
