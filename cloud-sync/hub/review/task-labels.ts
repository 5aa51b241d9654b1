import { hubLimits } from "../../../protocol/index.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { type HubTransaction } from "../database/database.ts";

/** What the tasks' answers may be, as the stores' agents report it. */
type Reader = Pick<HubTransaction["db"], "selectFrom">;

/** Labels of a task in one store; empty where any label may be given. */
export async function labelsOfStore(db: Reader, store: string, task: string): Promise<readonly string[]> {
  const row = await db
    .selectFrom("store_tasks")
    .select("labels")
    .where("store", "=", store)
    .where("task", "=", task)
    .executeTakeFirst();
  return row ? (JSON.parse(row.labels) as string[]) : [];
}

/** Stores with other labels than each other, of which one task's search box shows all. */
const listsMax = 32;

/** Labels of a task in the stores that this reviewer works for; null where nobody has heard of the task. */
export async function labelsOfTask(
  db: Reader,
  task: string,
  reviewer: Reviewer | undefined,
): Promise<readonly string[] | null> {
  const { stores = null, tasks = null } = reviewer?.scope ?? {};
  if (tasks !== null && !tasks.includes(task)) return null;
  let query = db
    .selectFrom("store_tasks")
    // Stores with one digest have one list.
    .select((built) => ["labels_digest", built.fn.min("labels").as("labels")])
    .where("task", "=", task)
    .groupBy("labels_digest")
    .limit(listsMax);
  if (stores !== null) query = query.where("store", "in", [...stores]);
  const lists = (await query.execute()).map(({ labels }) => JSON.parse(labels) as string[]);
  if (lists.length === 0) {
    const lane = await db.selectFrom("review_lanes").select("lane").where("task", "=", task).executeTakeFirst();
    return lane ? [] : null;
  }
  if (lists.length === 1) return lists[0] ?? [];
  return [...new Set(lists.flat())].slice(0, hubLimits.labelsMax);
}
