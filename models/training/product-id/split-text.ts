import { percent, table } from "./card-table.ts";
import { type SplitOutcome, type SplitRow } from "./split-study.ts";

/** One level's table: what is certified, against a naive gate threshold and a raw softmax of 0.95. */
export function splitTable(level: string, rows: readonly SplitRow[]): string {
  const cell = ({ coverage, risk, above }: SplitOutcome): string =>
    `${percent(coverage)}, ${percent(risk, 2)} wrong, above in ${percent(above, 0)}`;
  const head = [level, "certified", "nothing certifiable", "labels missing then", "naive", "softmax ≥ 0.95"];
  return table(
    head,
    rows.map((row) => [
      `≤ ${percent(row.maxError, 0)}`,
      cell(row.certified),
      `${row.nothing} of ${row.splits}`,
      row.labelsNeeded === null ? "–" : `about ${row.labelsNeeded.toLocaleString("en")}`,
      cell(row.naive),
      cell(row.raw95),
    ]),
  );
}
