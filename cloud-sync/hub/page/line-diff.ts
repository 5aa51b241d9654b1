/** The lines that differ between two texts, with a few around them. */
export interface DiffLine {
  readonly kind: "same" | "added" | "removed" | "skipped";
  /** Of `skipped`: how many lines. */
  readonly text: string;
}

/** Above so many lines in the part that differs, all of it is shown as replaced: the exact way would take seconds. */
const exactLinesMax = 1_200;
const contextLines = 3;

export function diffLines(before: string, after: string): readonly DiffLine[] {
  const a = linesOf(before);
  const b = linesOf(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = changed(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const same = (text: string): DiffLine => ({ kind: "same", text });
  return folded([...a.slice(0, start).map(same), ...middle, ...a.slice(a.length - end).map(same)]);
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

function changed(a: readonly string[], b: readonly string[]): readonly DiffLine[] {
  const removed = a.map((text): DiffLine => ({ kind: "removed", text }));
  const added = b.map((text): DiffLine => ({ kind: "added", text }));
  if (a.length * b.length === 0 || a.length + b.length > exactLinesMax) return [...removed, ...added];
  return walked(a, b, commonLengths(a, b));
}

/** Length of the longest common subsequence of what follows line i and line j (Wagner and Fischer 1974). */
function commonLengths(a: readonly string[], b: readonly string[]): Uint16Array {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const below = lengths[(i + 1) * width + j] ?? 0;
      const right = lengths[i * width + j + 1] ?? 0;
      const both = (lengths[(i + 1) * width + j + 1] ?? 0) + 1;
      lengths[i * width + j] = a[i] === b[j] ? both : Math.max(below, right);
    }
  }
  return lengths;
}

function walked(a: readonly string[], b: readonly string[], lengths: Uint16Array): readonly DiffLine[] {
  const width = b.length + 1;
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left = "", right = ""] = [a[i], b[j]];
    const below = lengths[(i + 1) * width + j] ?? 0;
    if (i < a.length && j < b.length && left === right) {
      lines.push({ kind: "same", text: left });
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || below >= (lengths[i * width + j + 1] ?? 0))) {
      lines.push({ kind: "removed", text: left });
      i += 1;
    } else {
      lines.push({ kind: "added", text: right });
      j += 1;
    }
  }
  return lines;
}

/** Long runs of lines that are the same become one entry. */
function folded(lines: readonly DiffLine[]): readonly DiffLine[] {
  const near = (index: number): boolean =>
    lines.slice(Math.max(0, index - contextLines), index + contextLines + 1).some(({ kind }) => kind !== "same");
  const result: DiffLine[] = [];
  let skipped = 0;
  const close = (): void => {
    if (skipped > 0) result.push({ kind: "skipped", text: String(skipped) });
    skipped = 0;
  };
  for (const [index, line] of lines.entries()) {
    if (!near(index)) skipped += 1;
    else {
      close();
      result.push(line);
    }
  }
  close();
  return result;
}
