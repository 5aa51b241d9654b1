import { sql } from "kysely";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { hourMs } from "../fleet/decision-counts.ts";

/** A heartbeat that was committed late stands in an hour that has ended: so many hours back are still looked at. */
const hoursBack = 2;
const rowsAtOnce = 500;

/**
 * How many decisions of a task the model has accepted in each store since this was last asked, as the agents' heartbeats
 * tell it; what a rule decided is left out. What was given once is written down in the same transaction and never given
 * again, whichever process asks; the caller holds the task's row. Stores without any are left out.
 */
export async function takeAccepted(
  trx: HubTransaction,
  task: string,
  nowMs: number,
): Promise<ReadonlyMap<string, number>> {
  const fromMs = nowMs - (nowMs % hourMs) - hoursBack * hourMs;
  const rows = await trx.db
    .selectFrom("decision_hours")
    .leftJoin("gate_accepts", (join) =>
      join
        .onRef("gate_accepts.task", "=", "decision_hours.task")
        .onRef("gate_accepts.store", "=", "decision_hours.store")
        .onRef("gate_accepts.hour_ms", "=", "decision_hours.hour_ms"),
    )
    .select(["decision_hours.store", "decision_hours.hour_ms"])
    .select([
      sql<number>`decision_hours.accepted - decision_hours.by_rule`.as("accepted"),
      sql<number>`coalesce(gate_accepts.accepted, 0)`.as("taken"),
    ])
    .where("decision_hours.task", "=", task)
    .where("decision_hours.hour_ms", ">=", fromMs)
    .where(sql<boolean>`decision_hours.accepted - decision_hours.by_rule > coalesce(gate_accepts.accepted, 0)`)
    .execute();
  const taken = rows.map(({ store, hour_ms, accepted }) => ({ task, store, hour_ms, accepted }));
  for (let from = 0; from < taken.length; from += rowsAtOnce) {
    await insertRows(
      trx,
      "gate_accepts",
      taken.slice(from, from + rowsAtOnce),
      "on conflict (task, store, hour_ms) do update set accepted = excluded.accepted",
    );
  }
  await trx.db.deleteFrom("gate_accepts").where("task", "=", task).where("hour_ms", "<", fromMs).execute();
  const byStore = new Map<string, number>();
  for (const { store, accepted, taken: before } of rows) {
    byStore.set(store, (byStore.get(store) ?? 0) + accepted - before);
  }
  return byStore;
}
