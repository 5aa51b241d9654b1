import { type HubTransaction } from "../database/database.ts";
import { type GateTables } from "./gate-tables.ts";

type Answered = Pick<GateTables["gate_labels"], "store" | "task" | "rung" | "predicted" | "label_groups">;

/**
 * Whether the model's answer was wrong, where people say `label`. A coarse answer is right if the label is of the group
 * that the model named, by the groups of this very model; one that names no group of it is wrong. Null: nobody has reported
 * the groups.
 */
export async function isWrongAnswer(
  { db }: Pick<HubTransaction, "db">,
  answered: Answered,
  label: string,
): Promise<boolean | null> {
  const { rung, predicted } = answered;
  if (rung === "fine") return label !== predicted;
  const row = await groupsOf(db, answered);
  if (!row?.coarse) return null;
  const { labels, of } = JSON.parse(row.coarse) as {
    readonly labels: readonly string[];
    readonly of: readonly number[];
  };
  if (!labels.includes(predicted)) return true;
  if (label === predicted) return false;
  const at = (JSON.parse(row.labels) as readonly string[]).indexOf(label);
  // What no group has is not of the group that the model named.
  return at < 0 || labels[of[at] ?? -1] !== predicted;
}

/** Of an agent that does not say which groups it means: those that its store has now. */
async function groupsOf(
  db: HubTransaction["db"],
  { store, task, label_groups: digest }: Answered,
): Promise<{ readonly labels: string; readonly coarse: string | null } | undefined> {
  if (digest !== null) {
    return db.selectFrom("gate_groups").select(["labels", "coarse"]).where("digest", "=", digest).executeTakeFirst();
  }
  return db
    .selectFrom("store_tasks")
    .select(["labels", "coarse"])
    .where("store", "=", store)
    .where("task", "=", task)
    .executeTakeFirst();
}
