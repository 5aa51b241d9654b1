import { type HubTransaction } from "../database/database.ts";
import { type GateTables } from "./gate-tables.ts";

type Answered = Pick<GateTables["gate_labels"], "store" | "task" | "rung" | "predicted">;

/**
 * Whether the model's answer was wrong, where people say `label`. A coarse answer is right if the label is of the group
 * that the model named; by the groups that the store's agents report. Null: nobody knows the groups.
 */
export async function isWrongAnswer(
  { db }: Pick<HubTransaction, "db">,
  { store, task, rung, predicted }: Answered,
  label: string,
): Promise<boolean | null> {
  if (label === predicted) return false;
  if (rung === "fine") return true;
  const row = await db
    .selectFrom("store_tasks")
    .select(["labels", "coarse"])
    .where("store", "=", store)
    .where("task", "=", task)
    .executeTakeFirst();
  if (!row || row.coarse === null) return null;
  const { labels, of } = JSON.parse(row.coarse) as {
    readonly labels: readonly string[];
    readonly of: readonly number[];
  };
  const at = (JSON.parse(row.labels) as readonly string[]).indexOf(label);
  // What no group has is not of the group that the model named.
  return at < 0 || labels[of[at] ?? -1] !== predicted;
}
