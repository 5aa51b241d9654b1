import { toHex, type Hasher } from "../../../protocol/index.ts";
import { type HubReader, type HubTransaction } from "../database/database.ts";

/** What a task asks and what its answers may be, where no agent reports it: told by whoever sends the work in. */
export interface WorkTask {
  readonly store: string;
  readonly task: string;
  /** Empty: any text may be the answer. */
  readonly labels: readonly string[];
  readonly question: string | null;
}

export const questionDefault = "What is this?";

/** Keeps it; an agent of that store that has the task reports its own again when it next changes. */
export async function keepWorkTask(
  { hasher }: { readonly hasher: Hasher },
  { db }: HubTransaction,
  { store, task, labels, question }: WorkTask,
): Promise<void> {
  const digest = toHex(hasher.sha256(new TextEncoder().encode(labels.join("\n"))));
  const values = { labels_digest: digest, labels: JSON.stringify(labels), coarse: null, question };
  await db
    .insertInto("store_tasks")
    .values({ store, task, ...values })
    .onConflict((conflict) => conflict.columns(["store", "task"]).doUpdateSet(values))
    .execute();
}

/** The task as it was told; no labels and no question where nobody has. */
export async function workTaskOf({ db }: HubReader, store: string, task: string): Promise<WorkTask> {
  const row = await db
    .selectFrom("store_tasks")
    .select(["labels", "question"])
    .where("store", "=", store)
    .where("task", "=", task)
    .executeTakeFirst();
  const labels = row ? (JSON.parse(row.labels) as string[]) : [];
  return { store, task, labels, question: row?.question ?? null };
}
