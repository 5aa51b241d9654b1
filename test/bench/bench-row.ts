/** One line of the table: a ratio measured in one run, never a pass or fail on absolute time. */
export interface BenchRow {
  readonly name: string;
  /** Ours against the yardstick, both measured here and now, interleaved. */
  readonly ratio: number;
  /** For instance "≤ 1.15" or "≥ 0.6". */
  readonly target: string;
  readonly met: boolean;
  readonly detail: string;
}

export function row(name: string, ratio: number, target: string, detail: string): BenchRow {
  const [sign, number] = target.split(" ");
  const limit = Number(number);
  const met = sign === "≤" ? ratio <= limit : ratio >= limit;
  return { name, ratio: Math.round(ratio * 1000) / 1000, target, met, detail };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] ?? Number.NaN;
}

/**
 * Runs two measurements by turns, so that a noisy neighbour hits both, and returns the median of the ratios of
 * neighbouring turns with the medians of each.
 */
export async function interleaved(
  turns: number,
  ours: () => Promise<number>,
  yardstick: () => Promise<number>,
): Promise<{ readonly ratio: number; readonly ours: number; readonly yardstick: number }> {
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    // Alternating order: whoever goes second finds warm caches.
    if (turn % 2 === 0) {
      mine.push(await ours());
      theirs.push(await yardstick());
    } else {
      theirs.push(await yardstick());
      mine.push(await ours());
    }
  }
  const ratios = mine.map((value, i) => value / (theirs[i] ?? Number.NaN));
  return { ratio: median(ratios), ours: median(mine), yardstick: median(theirs) };
}
