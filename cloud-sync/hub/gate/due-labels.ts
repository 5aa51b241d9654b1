import { sql } from "kysely";
import { toHex } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { type GateTables } from "./gate-tables.ts";

export type LabelRow = GateTables["gate_labels"];

/** In the words of the index of those (gate-migrations.ts): SQLite compares them. */
export const isWaiting = sql<boolean>`state in ('pending', 'ready')`;

/** Labels of one transaction: their task's row is locked until it has committed. */
export const labelsAtOnce = 256;
/** So long a label waits for whoever is still to speak; then somebody has contradicted the model, and nobody else did. */
const pendingMsMax = 86_400_000;

/**
 * The labels of a task that are to be counted now, in the order in which people first spoke of them, locked. One that
 * others are still to speak of holds up those behind it: a right answer is settled at once and a wrong one when a lead
 * had time, so to count what is there would count the right ones first.
 */
export async function dueLabels(
  { database }: HubParts,
  { db }: HubTransaction,
  task: string,
  nowMs: number,
): Promise<readonly LabelRow[]> {
  const rows = await db
    .selectFrom("gate_labels")
    .selectAll()
    .where("task", "=", task)
    .where(isWaiting)
    .orderBy("answered_ms")
    .orderBy("case_id")
    // The fine answer first: its certificate says when that of the coarse ones may be tried.
    .orderBy("rung", "desc")
    .limit(labelsAtOnce)
    .$if(database.kind === "postgres", (query) => query.forUpdate())
    .execute();
  const held = rows.findIndex((row) => row.state === "pending" && (row.answered_ms ?? nowMs) > nowMs - pendingMsMax);
  return (held < 0 ? rows : rows.slice(0, held)).map((row) =>
    row.state === "ready" ? row : { ...row, is_wrong: 1, source: "undecided" as const },
  );
}

/** Whether `dueLabels` would find one: a look that costs no transaction. */
export function isDue(row: Pick<LabelRow, "state" | "answered_ms">, nowMs: number): boolean {
  return row.state === "ready" || (row.answered_ms ?? nowMs) <= nowMs - pendingMsMax;
}

/**
 * Which of these labels are evidence. Decisions of one basket go wrong together, so of each basket one counts: drawn by
 * a hash of the case among all that people came to look at, before anybody knew which of them are wrong. A label whose
 * like were never looked at proves nothing.
 */
export async function evidenceAmong(
  { hasher, hubId }: HubParts,
  { db }: HubTransaction,
  task: string,
  labels: readonly LabelRow[],
): Promise<(label: LabelRow) => boolean> {
  const baskets = [...new Set(labels.flatMap(({ basket }) => basket ?? []))];
  const rows =
    baskets.length === 0
      ? []
      : await db
          .selectFrom("gate_labels")
          .select(["case_id", "rung", "basket", "counted_n"])
          .where("task", "=", task)
          .where("basket", "in", baskets)
          .where("is_rule", "=", 0)
          .execute();
  const drawn = new Map<string, { readonly caseId: string; readonly draw: string }>();
  const keyOf = (rung: string, basket: string | null): string => `${rung}/${basket ?? ""}`;
  for (const { case_id: caseId, rung, basket, counted_n: countedN } of rows) {
    // One that was counted before the others came stays the one of its basket.
    const draw = (countedN ?? 0) > 0 ? "" : toHex(hasher.sha256(new TextEncoder().encode(`${hubId}\n${caseId}`)));
    const key = keyOf(rung, basket);
    const best = drawn.get(key);
    if (!best || draw < best.draw) drawn.set(key, { caseId, draw });
  }
  return ({ case_id: caseId, rung, basket, propensity_min: least }) =>
    least > 0 && (basket === null || drawn.get(keyOf(rung, basket))?.caseId === caseId);
}
