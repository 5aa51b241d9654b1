import { type Kysely } from "kysely";
import { type HubTables } from "../database/tables.ts";

/** Escalations that the measure looks at: the newest of the last hour. */
const casesMax = 200;
const windowMs = 3_600_000;
/** Fewer say nothing. */
const casesMin = 5;

/**
 * How long people take for an escalation of a task at the 95th percentile, milliseconds, from its coming to the hub to the
 * first word; null while too few have come. A case that still waits counts where it has waited longer than that already.
 */
export async function answerP95(db: Kysely<HubTables>, task: string, nowMs: number): Promise<number | null> {
  const rows = await db
    .selectFrom("gate_labels")
    .select(["came_ms", "answered_ms"])
    .where("task", "=", task)
    .where("came_ms", ">", nowMs - windowMs)
    .where("kind", "=", "escalation")
    .where("rung", "=", "fine")
    .orderBy("came_ms", "desc")
    .limit(casesMax)
    .execute();
  return p95Of(
    rows.flatMap((row) => (row.answered_ms === null ? [] : [row.answered_ms - row.came_ms])),
    rows.flatMap((row) => (row.answered_ms === null ? [nowMs - row.came_ms] : [])),
  );
}

/** Pure. `waits` are of those that nobody has answered yet. */
export function p95Of(answers: readonly number[], waits: readonly number[]): number | null {
  const known = quantile(answers);
  const longer = waits.filter((wait) => known === null || wait > known);
  const all = [...answers, ...longer];
  return all.length < casesMin ? null : quantile(all);
}

function quantile(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(0.95 * sorted.length))] ?? null;
}
