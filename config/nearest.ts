/**
 * Edits between two words: insert, delete, replace, or swap two neighbours (optimal string alignment,
 * Damerau 1964). Letter case costs half an edit, so that `Decide_Within` is nearest to `decide_within`.
 */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = at(last, column - 1) + replaceCost(from.charAt(row - 1), to.charAt(column - 1));
      let best = Math.min(at(last, column) + 1, at(current, column - 1) + 1, replaced);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        best = Math.min(best, at(beforeLast, column - 2) + 1);
      }
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

/** The candidate with the fewest edits, the first of equals; null without candidates. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  // A key of a thousand characters is no typing error of a short one; its start is enough to compare.
  const start = word.slice(0, 64);
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(start, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}

function replaceCost(from: string, to: string): number {
  if (from === to) return 0;
  return from.toLowerCase() === to.toLowerCase() ? 0.5 : 1;
}
