import { type FleetRow } from "../../../models/measure/fleet/fleet-simulation.ts";
import { type CanaryRow } from "../../../models/measure/study/canary-study.ts";
import { type DriftRow } from "../../../models/measure/study/drift-study.ts";
import { type OverTimeRow } from "../../../models/measure/study/over-time-study.ts";
import { type ReviewerRow } from "../../../models/measure/study/reviewer-study.ts";
import { type ValidityRow } from "../../../models/measure/study/validity-study.ts";
import { percent, whole } from "./wording.ts";

/** Tables of `holdpoint gate study`, as docs/gate-study.md has them. */

/** A Markdown table with padded columns, which is how the formatter wants it. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const width = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[], fill: string): string =>
    `| ${width.map((size, i) => (row[i] ?? "").padEnd(size, fill)).join(" | ")} |`;
  return [line(head, " "), line([], "-"), ...rows.map((row) => line(row, " ")), ""];
}

/** Violations and coverage of every cell, then the mean coverage of each shape. */
export function validityTables(rows: readonly ValidityRow[]): readonly string[] {
  const names = [...new Set(rows.map(({ procedure }) => procedure))];
  const cells = grouped(rows, ({ shape, maxError, delta }) => `${shape} ${maxError} ${delta}`);
  const shapes = grouped(rows, ({ shape }) => shape);
  return [
    ...markdownTable(
      ["shape", "labels", "α", "δ", ...names],
      cells.map((cell) => [...contractCells(cell[0]), ...cell.map(validityCell)]),
    ),
    ...markdownTable(
      ["mean coverage", ...names],
      [
        ...shapes.map((own) => [own[0]?.shape ?? "", ...names.map((name) => meanCoverage(own, name))]),
        ...(shapes.length > 1 ? [["all shapes", ...names.map((name) => meanCoverage(rows, name))]] : []),
      ],
    ),
  ];
}

/** Half a year of each world under each keeper of the gate threshold. */
export function overTimeTable(rows: readonly OverTimeRow[]): readonly string[] {
  return markdownTable(
    ["world", "gate threshold kept by", "half years", "ever violated", "coverage at the end", "labels", "alarms"],
    rows.map(({ world, keeper, draws, violations, coverage, labels, alarms }) => [
      ...[world, keeper, String(draws), percent(violations / draws, 2), coverage.toFixed(3), labels.toFixed(0)],
      alarms.toFixed(3),
    ]),
  );
}

/** What each way to keep gates did to the fleet. */
export function fleetTable(rows: readonly FleetRow[]): readonly string[] {
  const head = [
    "policy",
    "accepted",
    "reviews of 1,000",
    "wrong of the accepted",
    "fleet weeks above α",
    "store weeks above α",
  ];
  return markdownTable(
    head,
    rows.map((row) => [
      ...[row.policy, percent(row.accepted / row.decisions), ((1000 * row.reviews) / row.decisions).toFixed(0)],
      `${percent(row.wrongAccepts / Math.max(1, row.accepted), 2)} (${whole(row.wrongAccepts)})`,
      `${row.fleetViolations} of ${row.fleetWeeks}`,
      `${row.storeViolations} of ${row.storeWeeks}`,
    ]),
  );
}

/** Items until a canary is reverted. */
export function canaryTable(rows: readonly CanaryRow[]): readonly string[] {
  return markdownTable(
    ["test", "base", "canary", "errors shared", "draws", "reverted within", "median items", "90 % within"],
    rows.map(({ test, baseError, canaryError, shared, draws, reverts, itemsMax, median, ninetieth }) => [
      ...[test, percent(baseError), percent(canaryError), shared === null ? "–" : percent(shared, 0), String(draws)],
      `${itemsMax.toLocaleString("en")} items: ${percent(reverts / draws)}`,
      ...[median, ninetieth].map(shown),
    ]),
  );
}

function shown(value: number | null): string {
  return value === null ? "–" : value.toFixed(0);
}

/** Audits until the drift detector alarms. */
export function driftTable(rows: readonly DriftRow[]): readonly string[] {
  return markdownTable(
    ["error before", "after", "draws", "alarm within", "mean audits", "median", "90 % within"],
    rows.map(({ before, after, draws, alarms, auditsMax, mean, median, ninetieth }) => [
      ...[percent(before), percent(after), String(draws)],
      `${auditsMax.toLocaleString("en")} audits: ${percent(alarms / draws)}`,
      ...[mean, median, ninetieth].map(shown),
    ]),
  );
}

/** What certificates on the labels of people who err are worth. */
export function reviewerTable(rows: readonly ReviewerRow[]): readonly string[] {
  return markdownTable(
    ["errors repeated", "labels", "draws", "violations", "coverage", "reviews beyond one a label"],
    rows.map(({ repeats, labelling, draws, violations, coverage, moreReviews }) => [
      ...[percent(repeats), labelling, String(draws), percent(violations / draws, 2), coverage.toFixed(3)],
      percent(moreReviews),
    ]),
  );
}

function contractCells(row: ValidityRow | undefined): readonly string[] {
  if (row === undefined) return [];
  return [row.shape, String(row.labels), percent(row.maxError), String(row.delta)];
}

function validityCell({ violations, draws, coverage }: ValidityRow): string {
  return `${percent(violations / draws, 2)}, ${coverage.toFixed(3)}`;
}

function meanCoverage(rows: readonly ValidityRow[], name: string): string {
  const own = rows.filter(({ procedure }) => procedure === name);
  return (own.reduce((sum, { coverage }) => sum + coverage, 0) / own.length).toFixed(3);
}

/** Rows of equal key together, in the order of their first coming. */
function grouped<Row>(rows: readonly Row[], keyOf: (row: Row) => string): readonly (readonly Row[])[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const own = groups.get(keyOf(row));
    if (own === undefined) groups.set(keyOf(row), [row]);
    else own.push(row);
  }
  return [...groups.values()];
}
