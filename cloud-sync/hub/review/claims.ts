import { sql, type RawBuilder } from "kysely";
import { newId } from "../../../protocol/index.ts";
import { firstReviewState } from "../../review/review-machine.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { type HubTransaction } from "../database/database.ts";
import { laneOf, type Lane, type Reach } from "./lanes.ts";
import { nowOf, type ReviewParts } from "./review-parts.ts";
import { rulesOf } from "./review-rules.ts";
import { changeSlot, personOf } from "./slot-changes.ts";
import { readSlot, tellStory, type SlotRow } from "./slots.ts";

/**
 * Which case a reviewer gets next. The first of each lane is found by the lane's own index (one look each, however many
 * wait), the best lane is chosen, and its first free row is locked: `SKIP LOCKED` passes by what others take right now.
 */
export async function claimNext(
  parts: ReviewParts,
  trx: HubTransaction,
  reviewer: Reviewer,
  reach: Reach,
): Promise<SlotRow | null> {
  // A lane whose first row was taken between the two looks is looked at again; others' claims are short.
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const head = await bestHead(parts, trx, reviewer, reach);
    if (!head) return null;
    const gold = await goldInstead(parts, trx, reviewer, reach, head);
    const row = gold ?? (await lockFirst(parts, trx, reviewer, head));
    if (row) return lease(parts, trx, reviewer, row);
  }
  return null;
}

const attemptsMax = 8;
/** Literals, because a partial index is used only where the question shows that it holds. */
const waiting = sql.lit("waiting" as const);

interface Head {
  readonly lane: Lane;
  /** Null: of every store. */
  readonly store: string | null;
  readonly queueKey: number;
}

async function bestHead(
  parts: ReviewParts,
  trx: HubTransaction,
  reviewer: Reviewer,
  { lanes, stores }: Reach,
): Promise<Head | null> {
  if (lanes.length === 0 || stores?.length === 0) return null;
  const names = new Map(lanes.map((lane) => [lane.lane, lane]));
  const rows =
    stores === null
      ? await headsOfLanes(parts, trx, reviewer, [...names.keys()])
      : await headsOfStores(parts, trx, reviewer, [...names.keys()], stores);
  let best: Head | null = null;
  for (const { lane: name, store, key } of rows) {
    const lane = names.get(name);
    if (lane && key !== null && (best === null || key < best.queueKey)) best = { lane, store, queueKey: key };
  }
  return best;
}

interface HeadRow {
  readonly lane: string;
  readonly store: string | null;
  readonly key: number | null;
}

function headsOfLanes(
  parts: ReviewParts,
  { db }: HubTransaction,
  reviewer: Reviewer,
  lanes: readonly string[],
): Promise<readonly HeadRow[]> {
  const nowMs = nowOf(parts);
  return db
    .selectFrom("review_lanes as l")
    .select((outer) => [
      "l.lane",
      sql<null>`null`.as("store"),
      outer
        .selectFrom("review_slots as s")
        .select("s.queue_key")
        .where("s.state", "=", waiting)
        .whereRef("s.lane", "=", "l.lane")
        .where(isFree(personOf(reviewer), nowMs))
        .orderBy("s.queue_key")
        .orderBy("s.slot_id")
        .limit(1)
        .as("key"),
    ])
    .where("l.lane", "in", [...lanes])
    .execute();
}

function headsOfStores(
  parts: ReviewParts,
  { db }: HubTransaction,
  reviewer: Reviewer,
  lanes: readonly string[],
  stores: readonly string[],
): Promise<readonly HeadRow[]> {
  const nowMs = nowOf(parts);
  return db
    .selectFrom("review_lane_stores as l")
    .select((outer) => [
      "l.lane",
      "l.store",
      outer
        .selectFrom("review_slots as s")
        .select("s.queue_key")
        .where("s.state", "=", waiting)
        .whereRef("s.store", "=", "l.store")
        .whereRef("s.lane", "=", "l.lane")
        .where(isFree(personOf(reviewer), nowMs))
        .orderBy("s.queue_key")
        .orderBy("s.slot_id")
        .limit(1)
        .as("key"),
    ])
    .where("l.lane", "in", [...lanes])
    .where("l.store", "in", [...stores])
    .execute();
}

/** Still in time, and of a case with which this person has nothing to do. */
function isFree(person: string, nowMs: number): RawBuilder<boolean> {
  return sql<boolean>`(s.due_ms is null or s.due_ms > ${nowMs}) and not exists (
    select 1 from review_exclusions e where e.case_id = s.case_id and e.person_id = ${person})`;
}

async function lockFirst(
  parts: ReviewParts,
  { db }: HubTransaction,
  reviewer: Reviewer,
  { lane, store }: Head,
): Promise<SlotRow | null> {
  let query = db
    .selectFrom("review_slots as s")
    .selectAll("s")
    .where("s.state", "=", waiting)
    .where("s.lane", "=", lane.lane)
    .where(isFree(personOf(reviewer), nowOf(parts)))
    .orderBy("s.queue_key")
    .orderBy("s.slot_id")
    .limit(1);
  if (store !== null) query = query.where("s.store", "=", store);
  if (parts.database.kind === "postgres") query = query.forUpdate().skipLocked();
  return (await query.executeTakeFirst()) ?? null;
}

async function lease(
  parts: ReviewParts,
  trx: HubTransaction,
  reviewer: Reviewer,
  row: SlotRow,
): Promise<SlotRow | null> {
  // Two windows of one person may have come here at once; the second one takes another case.
  const mine = await trx.db
    .insertInto("review_exclusions")
    .values({ case_id: row.case_id, person_id: personOf(reviewer) })
    .onConflict((conflict) => conflict.columns(["case_id", "person_id"]).doNothing())
    .returning("case_id")
    .executeTakeFirst();
  if (!mine) return null;
  const { slot, refusal } = await changeSlot(
    parts,
    trx,
    readSlot(row),
    { kind: "claim", reviewer: reviewer.key },
    reviewer,
  );
  if (refusal !== null) return null;
  if (row.role !== "gold") {
    await tellStory(parts, trx, row.case_id, "leased", { reviewer: reviewer.name, role: row.role });
  }
  return slot.row;
}

/** Now and then a case of that task whose truth is known, in the place of the next one. */
async function goldInstead(
  parts: ReviewParts,
  trx: HubTransaction,
  reviewer: Reviewer,
  { stores }: Reach,
  { lane }: Head,
): Promise<SlotRow | null> {
  if (lane.is_lead === 1) return null;
  const rules = (await rulesOf(trx.db, [lane.task]))(lane.task);
  if (rules.goldShare === 0 || parts.random.uniform() >= rules.goldShare) return null;
  const spot = Math.floor(parts.random.uniform() * 2 ** 31);
  const found =
    (await goldAfter(trx, lane.task, stores, personOf(reviewer), spot)) ??
    (await goldAfter(trx, lane.task, stores, personOf(reviewer), 0));
  if (!found) return null;
  const state = firstReviewState();
  const nowMs = nowOf(parts);
  const row: SlotRow = {
    slot_id: newId(parts.clock, parts.random),
    case_id: found.case_id,
    store: found.store,
    task: lane.task,
    role: "gold",
    is_blind: 0,
    state: state.kind,
    machine: JSON.stringify(state),
    ...{ reviewer_key: null, person_id: null, reviewer_name: null, review_row: null },
    // A lane of its own, which nobody has: a gold slot is made for one reviewer and ends with them.
    lane: laneOf(lane.task, "gold case", "gold").lane,
    queue_key: found.queue_key,
    held_ms: nowMs,
    ...{ due_ms: null, wake_ms: null },
  };
  await trx.db.insertInto("review_slots").values(row).execute();
  return row;
}

function goldAfter(
  { db }: HubTransaction,
  task: string,
  stores: readonly string[] | null,
  person: string,
  spot: number,
): Promise<{ readonly case_id: string; readonly store: string; readonly queue_key: number } | undefined> {
  let query = db
    .selectFrom("review_gold as g")
    .innerJoin("cases as c", "c.case_id", "g.case_id")
    .innerJoin("review_cases as r", "r.case_id", "g.case_id")
    .select(["g.case_id", "g.store", "r.queue_key"])
    .where("g.task", "=", task)
    .where("g.spot", ">=", spot)
    .where("c.state", "=", "final")
    // Its picture must still be there; what has none is shown by its facts.
    .where("c.picture_state", "in", ["kept", "none"])
    .where("r.is_open", "=", 0)
    .where(
      sql<boolean>`not exists (
      select 1 from review_exclusions e where e.case_id = g.case_id and e.person_id = ${person})`,
    )
    .orderBy("g.spot")
    .limit(1);
  if (stores !== null) query = query.where("g.store", "in", [...stores]);
  return query.executeTakeFirst();
}
