import { type Reviewer } from "../../review/review-store.ts";
import { type QueueFilter } from "../../review/review-store.ts";
import { type HubTransaction } from "../database/database.ts";
import { type SlotRole } from "./review-tables.ts";

/**
 * A lane is what a reviewer must be able to do: a task, a skill, a lead's word. Each is a queue of its own in the index,
 * so that the next case is found without passing by those of other lanes, however many wait there.
 */
export interface Lane {
  readonly lane: string;
  readonly task: string;
  readonly skill: string | null;
  readonly is_lead: number;
}

/** Names have no bar in them. */
export function laneOf(task: string, skill: string | null, role: SlotRole): Lane {
  const isLead = role === "adjudication";
  return { lane: `${task}|${skill ?? ""}|${isLead ? "lead" : ""}`, task, skill, is_lead: isLead ? 1 : 0 };
}

/** Makes the lanes known before the first slot is in them. */
export async function keepLanes(
  { db }: HubTransaction,
  lanes: readonly { readonly store: string; readonly lane: Lane }[],
): Promise<void> {
  const all = new Map(lanes.map(({ lane }) => [lane.lane, lane]));
  const inStores = new Map(lanes.map(({ store, lane: { lane } }) => [`${store}|${lane}`, { store, lane }]));
  // In one order everywhere, so that two processes do not wait for each other.
  const sorted = <T>(map: ReadonlyMap<string, T>): T[] =>
    [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, v]) => v);
  await db
    .insertInto("review_lanes")
    .values(sorted(all))
    .onConflict((conflict) => conflict.column("lane").doNothing())
    .execute();
  await db
    .insertInto("review_lane_stores")
    .values(sorted(inStores))
    .onConflict((conflict) => conflict.columns(["store", "lane"]).doNothing())
    .execute();
}

/** What a reviewer may take, and wants to: the lanes, and the stores where that is not every one. */
export interface Reach {
  readonly lanes: readonly Lane[];
  readonly stores: readonly string[] | null;
}

export async function reachOf(
  db: Pick<HubTransaction["db"], "selectFrom">,
  reviewer: Reviewer | undefined,
  filter: QueueFilter = {},
): Promise<Reach> {
  const lanes = await db.selectFrom("review_lanes").select(["lane", "task", "skill", "is_lead"]).execute();
  const scope = reviewer?.scope;
  return {
    lanes: lanes.filter((lane) => mayTake(lane, reviewer) && fits(lane, filter)),
    stores: storesOf(scope, filter),
  };
}

function mayTake(lane: Lane, reviewer: Reviewer | undefined): boolean {
  if (!reviewer) return true;
  const { tasks = null, skills = null, isLead = false } = reviewer.scope ?? {};
  // A reviewer without a scope is one of a place where everybody does everything.
  const isSkilled = lane.skill === null || skills === null || skills.includes(lane.skill);
  return isSkilled && (tasks === null || tasks.includes(lane.task)) && (lane.is_lead === 0 || isLead);
}

function fits(lane: Lane, { task, skill }: QueueFilter): boolean {
  return (task === undefined || lane.task === task) && (skill === undefined || lane.skill === skill);
}

function storesOf(scope: Reviewer["scope"], { store }: QueueFilter): readonly string[] | null {
  const stores = scope?.stores ?? null;
  if (store === undefined) return stores;
  return stores === null || stores.includes(store) ? [store] : [];
}
