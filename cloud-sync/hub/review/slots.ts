import { sql } from "kysely";
import { newId } from "../../../protocol/index.ts";
import { firstReviewState, type ReviewTaskState } from "../../review/review-machine.ts";
import { type HubDatabase, type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { keepLanes, laneOf } from "./lanes.ts";
import { type ReviewParts } from "./review-parts.ts";
import { type ReviewRules } from "./review-rules.ts";
import { type ReviewTables, type SlotRole } from "./review-tables.ts";

export type SlotRow = ReviewTables["review_slots"];
export type CaseRow = ReviewTables["review_cases"];

/** A row of the queue, with its machine's state read. */
export interface Slot {
  readonly row: SlotRow;
  readonly state: ReviewTaskState;
}

export interface NewSlot {
  readonly caseId: string;
  readonly store: string;
  readonly task: string;
  readonly role: SlotRole;
  readonly isBlind: boolean;
  readonly skill: ReviewRules["skill"];
  readonly queueKey: number;
  readonly heldMs: number;
  /** Null where nobody waits. */
  readonly dueMs: number | null;
}

/** Puts slots into the queue, with their lanes. */
export async function addSlots(parts: ReviewParts, trx: HubTransaction, slots: readonly NewSlot[]): Promise<SlotRow[]> {
  if (slots.length === 0) return [];
  const state = firstReviewState();
  const rows = slots.map((slot): SlotRow => ({
    slot_id: newId(parts.clock, parts.random),
    case_id: slot.caseId,
    store: slot.store,
    task: slot.task,
    role: slot.role,
    is_blind: slot.isBlind ? 1 : 0,
    state: state.kind,
    machine: JSON.stringify(state),
    reviewer_key: null,
    person_id: null,
    reviewer_name: null,
    review_row: null,
    lane: laneOf(slot.task, slot.skill, slot.role).lane,
    queue_key: slot.queueKey,
    held_ms: slot.heldMs,
    due_ms: slot.dueMs,
    wake_ms: slot.dueMs,
  }));
  await keepLanes(
    trx,
    slots.map(({ store, task, skill, role }) => ({ store, lane: laneOf(task, skill, role) })),
  );
  await insertRows(trx, "review_slots", rows);
  for (const task of new Set(slots.map((slot) => slot.task))) trx.tell({ kind: "queue", task });
  return rows;
}

/** The slot, locked until the commit; null where there is none. */
export async function lockSlot(database: HubDatabase, { db }: HubTransaction, slotId: string): Promise<Slot | null> {
  let query = db.selectFrom("review_slots").selectAll().where("slot_id", "=", slotId);
  if (database.kind === "postgres") query = query.forUpdate();
  const row = await query.executeTakeFirst();
  return row ? readSlot(row) : null;
}

export function readSlot(row: SlotRow): Slot {
  return { row, state: JSON.parse(row.machine) as ReviewTaskState };
}

/** Every slot of a case, locked. Whoever needs the case's row as well locks that one first. */
export async function lockSlots(
  database: HubDatabase,
  { db }: HubTransaction,
  caseId: string,
): Promise<readonly Slot[]> {
  let query = db.selectFrom("review_slots").selectAll().where("case_id", "=", caseId).orderBy("slot_id");
  if (database.kind === "postgres") query = query.forUpdate();
  return (await query.execute()).map(readSlot);
}

/** The case's row in the review room, locked until the commit. `skip`: null where another process has it. */
export async function lockCase(
  database: HubDatabase,
  { db }: HubTransaction,
  caseId: string,
  skip = false,
): Promise<CaseRow | null> {
  let query = db.selectFrom("review_cases").selectAll().where("case_id", "=", caseId);
  if (database.kind === "postgres") query = skip ? query.forUpdate().skipLocked() : query.forUpdate();
  return (await query.executeTakeFirst()) ?? null;
}

/** In somebody's hands; in the words of the index of those (review-migrations.ts). */
export const inHand = sql<boolean>`state in ('leased', 'answered')`;

/** One line of a case's story. */
export async function tellStory(
  { clock, random }: Pick<ReviewParts, "clock" | "random">,
  trx: HubTransaction,
  caseId: string,
  kind: string,
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  const row = { event_id: newId(clock, random), case_id: caseId, at_ms: Math.round(clock.wallMs()), kind };
  await trx.db
    .insertInto("case_events")
    .values({ ...row, body: JSON.stringify(body) })
    .execute();
  trx.tell({ kind: "case", caseId });
}
