import { type Kysely } from "kysely";
import { type HubTables } from "../database/tables.ts";

/** The keeper comes by twice a minute; once it has missed that several times, somebody has to be told. */
const overdueMs = 90_000;

/**
 * Since when the keeper should have looked at a task under a contract; null where it does. Its labels are not counted then,
 * and its certificates are neither renewed nor withdrawn: what stands there is what was known last.
 */
export async function overdueSince(db: Kysely<HubTables>, task: string, nowMs: number): Promise<number | null> {
  const row = await db.selectFrom("gate_tasks").select("look_ms").where("task", "=", task).executeTakeFirst();
  return row && row.look_ms < nowMs - overdueMs ? row.look_ms : null;
}
