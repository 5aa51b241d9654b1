import { type HubTransaction } from "../database/database.ts";
import { type GateTables } from "./gate-tables.ts";

type Answered = Pick<GateTables["gate_labels"], "store" | "task" | "rung" | "predicted" | "label_groups">;

/**
 * Whether the model's answer was wrong, where people say `label`. A coarse answer is right if the label is of the group
 * that the model named, by the groups of this very model; one that names no group of it is wrong. Null: nobody can tell,
 * because nobody has reported the groups, or because only the group is named that the fine answer is of.
 */
export async function isWrongAnswer(
  { db }: Pick<HubTransaction, "db">,
  answered: Answered,
  label: string,
): Promise<boolean | null> {
  const { rung, predicted, label_groups: digest } = answered;
  if (rung === "fine") {
    if (label === predicted) return false;
    const groups = digest === null ? null : await groupsOf(db, answered);
    return groups !== null && !groups.labels.includes(label) && groups.groupOf(predicted) === label ? null : true;
  }
  const groups = await groupsOf(db, answered);
  if (groups === null) return null;
  // "" is the group of labels that the model does not know, and no answer of a model.
  if (predicted === "" || !groups.names.includes(predicted)) return true;
  // What no group has is not of the group that the model named.
  return label !== predicted && groups.groupOf(label) !== predicted;
}

interface Groups {
  readonly labels: readonly string[];
  readonly names: readonly string[];
  /** Null: of none. */
  readonly groupOf: (label: string) => string | null;
}

async function groupsOf(db: HubTransaction["db"], answered: Answered): Promise<Groups | null> {
  const row = await groupsRow(db, answered);
  if (!row?.coarse) return null;
  const labels = JSON.parse(row.labels) as readonly string[];
  const { labels: names, of } = JSON.parse(row.coarse) as {
    readonly labels: readonly string[];
    readonly of: readonly number[];
  };
  return { labels, names, groupOf: (label) => names[of[labels.indexOf(label)] ?? -1] ?? null };
}

/** Of an agent that does not say which groups it means: those that its store has now. */
async function groupsRow(
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
