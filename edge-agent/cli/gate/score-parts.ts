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
