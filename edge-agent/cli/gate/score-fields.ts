import { HoldpointError } from "../../../protocol/index.ts";

/** Where the header has each column; -1 where it has none. */
export interface Columns {
  readonly confidence: number;
  readonly correct: number;
  readonly id: number;
  readonly basket: number;
  readonly by: readonly number[];
  readonly count: number;
}

/** Columns with a meaning of their own; all others may group. */
export const ownColumns = ["confidence", "correct", "id", "basket"] as const;

/** Finds the columns in the header. Throws HP_SCORES for a missing one, and for one that comes twice. */
export function columnsOf(header: readonly string[], by: readonly string[], line: number): Columns {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw fault(line, `the column ${twice} comes twice`);
  const missing = ["confidence", "correct", ...by].filter((name) => !names.includes(name));
  if (missing.length > 0) {
    const hint = names.length === 1 && /[;\t]/.test(names[0] ?? "") ? "Separate the columns by commas." : undefined;
    throw fault(
      line,
      `no column ${missing.join(", ")}; the header has ${names.join(", ")}`,
      hint ?? "The first line names the columns: confidence,correct and those that --by names.",
    );
  }
  const at = (name: string): number => names.indexOf(name);
  const [confidence = -1, correct = -1, id = -1, basket = -1] = ownColumns.map(at);
  return { confidence, correct, id, basket, by: by.map(at), count: names.length };
}

const decimal = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

export function shareOf(text: string, name: string, line: number): number {
  const value = decimal.test(text) ? Number(text) : NaN;
  if (value >= 0 && value <= 1) return value;
  throw fault(
    line,
    `${name} must be a number in [0, 1], got ${shown(text)}`,
    "Calibrated confidences are shares, not percent.",
  );
}

export function outcomeOf(text: string, line: number): 0 | 1 {
  const value = decimal.test(text) ? Number(text) : NaN;
  if (value === 0 || value === 1) return value;
  throw fault(
    line,
    `correct must be 0 or 1, got ${shown(text)}`,
    "1 where the prediction was right, else 0; no label, no row.",
  );
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

export function fault(line: number, message: string, hint?: string): HoldpointError {
  return new HoldpointError("HP_SCORES", `line ${line}: ${message}`, hint === undefined ? {} : { hint });
}
