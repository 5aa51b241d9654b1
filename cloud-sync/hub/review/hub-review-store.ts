import {
  ok,
  refused,
  reviewLimits,
  type AnswerTaken,
  type HeldCases,
  type Result,
  type Submit,
} from "../../../protocol/index.ts";
import { type QueueFilter, type Reviewer, type ReviewPicture, type ReviewStore } from "../../review/review-store.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type HubTransaction } from "../database/database.ts";
import { keepLate, stepCase } from "./case-votes.ts";
import { claimNext } from "./claims.ts";
import { reachOf } from "./lanes.ts";
import { createQueueCounts, type QueueCounts } from "./queue-count.ts";
import { nowOf, type ReviewParts } from "./review-parts.ts";
import { createReviewerNews } from "./reviewer-news.ts";
import { changeSlot, personOf } from "./slot-changes.ts";
import { slotViews } from "./slot-view.ts";
import { inHand, lockCase, lockSlot, readSlot, tellStory, type CaseRow, type Slot, type SlotRow } from "./slots.ts";
import { createSweeper, type Sweeper } from "./sweeper.ts";
import { labelsOfStore, labelsOfTask } from "./task-labels.ts";

/**
 * The queue of the hub: rows of its database, which any number of processes work on. The `id` of a case is that of its
 * slot, because one case may be asked of several people. Nothing is kept in memory but counts and who listens.
 */
export interface HubReviewStore extends ReviewStore {
  /** Hands the case to a lead: this reviewer gives no answer. Refused: HP_LEASE_LOST, HP_SETTLED, HP_NOT_FOUND. */
  escalate(reviewer: Reviewer, id: string, generation: number): Promise<Result<null>>;
  /** What happens by itself; it runs from `sweeper.start()` until the store is closed. */
  readonly sweeper: Sweeper;
}

export interface HubReviewStoreOptions extends ReviewParts {
  readonly vault: Pick<PictureVault, "open">;
}

interface Desk extends HubReviewStoreOptions {
  readonly counts: QueueCounts;
  readonly sweeper: Sweeper;
}

export function createHubReviewStore(options: HubReviewStoreOptions): HubReviewStore {
  const counts = createQueueCounts(options);
  const desk: Desk = { ...options, counts, sweeper: createSweeper(options) };
  const news = createReviewerNews(options, counts);
  return {
    sweeper: desk.sweeper,
    queue: (reviewer) => counts.of(reviewer),
    next: (reviewer, count, filter) => next(desk, reviewer, count, filter),
    heartbeat: (reviewer, id, generation) => heartbeat(desk, reviewer, id, generation),
    release: (reviewer, id, generation) => release(desk, reviewer, id, generation),
    submit: (reviewer, id, submit) => take(desk, reviewer, id, submit),
    undo: (reviewer, id, reviewId) => undo(desk, reviewer, id, reviewId),
    escalate: (reviewer, id, generation) => escalate(desk, reviewer, id, generation),
    picture: (reviewer, id) => picture(desk, reviewer, id),
    labels: async (task, reviewer) => {
      const labels = await options.database.read((db) => labelsOfTask(db, task, reviewer));
      return labels === null ? refused("HP_UNKNOWN_TASK", `there is no task named ${task} here`) : ok(labels);
    },
    listen: (reviewer, listener) => news.listen(reviewer, listener),
    // What was answered is a row: another process, or this one after its start, sends it when its window ends.
    close: async () => {
      news.close();
      await desk.sweeper.stop();
    },
  };
}

async function next(desk: Desk, reviewer: Reviewer, count: number, filter: QueueFilter = {}): Promise<HeldCases> {
  const wanted = Math.min(count, reviewLimits.leasesPerReviewerMax);
  let held = await heldBy(desk, reviewer);
  if (held.length < wanted) {
    const reach = await desk.database.read((db) => reachOf(db, reviewer, filter));
    while (held.length < wanted && (await claimOne(desk, reviewer, reach, wanted))) held = await heldBy(desk, reviewer);
  }
  return heldCases(desk, reviewer, held);
}

/** A transaction for each: whoever waits for a lock waits for one claim. Counts again, because a page may ask twice. */
function claimOne(
  desk: Desk,
  reviewer: Reviewer,
  reach: Awaited<ReturnType<typeof reachOf>>,
  wanted: number,
): Promise<boolean> {
  return desk.database.write(async (trx) => {
    if ((await countHeld(desk, trx, reviewer)) >= wanted) return false;
    const row = await claimNext(desk, trx, reviewer, reach);
    if (!row) return false;
    await desk.audit.record(trx, {
      actor: personOf(reviewer),
      action: "case.leased",
      subject: `case:${row.case_id}`,
      detail: { role: row.role },
    });
    return true;
  });
}

async function countHeld(desk: Desk, { db }: HubTransaction, reviewer: Reviewer): Promise<number> {
  const rows = await db
    .selectFrom("review_slots")
    .select("slot_id")
    .where("reviewer_key", "=", reviewer.key)
    .where(inHand)
    .where("state", "=", "leased")
    .where("wake_ms", ">", nowOf(desk))
    .execute();
  return rows.length;
}

function heldBy(desk: Desk, reviewer: Reviewer): Promise<readonly SlotRow[]> {
  return desk.database.read((db) =>
    db
      .selectFrom("review_slots")
      .selectAll()
      .where("reviewer_key", "=", reviewer.key)
      .where(inHand)
      .where("state", "=", "leased")
      // A lease that has ended is nobody's, even before it was swept.
      .where("wake_ms", ">", nowOf(desk))
      .orderBy("queue_key")
      .orderBy("slot_id")
      .execute(),
  );
}

async function heldCases(desk: Desk, reviewer: Reviewer, held: readonly SlotRow[]): Promise<HeldCases> {
  const [cases, queue] = await Promise.all([slotViews(desk.database, held), desk.counts.of(reviewer)]);
  return { cases, queue, nowMs: desk.clock.wallMs() };
}

/** Another store's case is no case here, whoever asks for it by its id. */
function isTheirs(reviewer: Reviewer, { row }: Slot): boolean {
  const { stores = null, tasks = null } = reviewer.scope ?? {};
  return (stores === null || stores.includes(row.store)) && (tasks === null || tasks.includes(row.task));
}

async function heartbeat(
  desk: Desk,
  reviewer: Reviewer,
  id: string,
  generation: number,
): Promise<Result<{ readonly expiresAtMs: number }>> {
  return desk.database.write(async (trx) => {
    const slot = await lockSlot(desk.database, trx, id);
    if (!slot || !isTheirs(reviewer, slot)) return unknownCase(id);
    const change = await changeSlot(desk, trx, slot, { kind: "heartbeat", reviewer: reviewer.key, generation });
    if (change.refusal !== null) return refused(change.refusal, refusalText[change.refusal]);
    const { state } = change.slot;
    return ok({ expiresAtMs: state.kind === "leased" ? state.expiresAtMs : nowOf(desk) });
  });
}

async function release(desk: Desk, reviewer: Reviewer, id: string, generation: number): Promise<void> {
  await desk.database.write(async (trx) => {
    const slot = await lockSlot(desk.database, trx, id);
    if (slot) await changeSlot(desk, trx, slot, { kind: "release", reviewer: reviewer.key, generation });
  });
}

const raced = new Error("the slot was closed meanwhile");

async function take(desk: Desk, reviewer: Reviewer, id: string, submit: Submit): Promise<Result<AnswerTaken>> {
  const taken = await takeOnce(desk, reviewer, id, submit).catch((cause: unknown) => {
    if (cause !== raced) throw cause;
    return takeOnce(desk, reviewer, id, submit);
  });
  if (taken.ok) desk.sweeper.wakeAt(taken.value.undoUntilMs);
  return taken;
}

function takeOnce(desk: Desk, reviewer: Reviewer, id: string, submit: Submit): Promise<Result<AnswerTaken>> {
  const { reviewId, answer, generation, tookMs } = submit;
  return desk.database.write(async (trx): Promise<Result<AnswerTaken>> => {
    const late = await lockCaseOfClosed(desk, trx, id);
    const slot = await lockSlot(desk.database, trx, id);
    if (!slot || !isTheirs(reviewer, slot)) return unknownCase(id);
    if (answer.kind === "label" && !(await mayAnswer(desk, trx, slot.row, answer.label))) {
      const what = JSON.stringify(answer.label);
      return refused("HP_SCHEMA", `answer.label: ${what} is not a label of ${slot.row.task}`);
    }
    const review = { reviewId, reviewer: reviewer.key, answer, tookMs };
    const change = await changeSlot(desk, trx, slot, { kind: "submit", generation, review });
    // It was closed between the two looks: again, with both locked.
    if (change.label && !late) throw raced;
    if (change.label && late) await keepLate(desk, trx, late, change.slot.row, change.label);
    if (change.refusal !== null) return refused(change.refusal, refusalText[change.refusal]);
    const nowMs = desk.clock.wallMs();
    const { state } = change.slot;
    const undoUntilMs = state.kind === "answered" ? state.undoUntilMs : nowMs;
    return ok({ id, reviewId, undoUntilMs: Math.round(undoUntilMs), nowMs });
  });
}

/** A late answer changes its case as well, and whoever needs both locks the case first. Slots that are closed stay so. */
async function lockCaseOfClosed(desk: Desk, trx: HubTransaction, id: string): Promise<CaseRow | null> {
  const row = await trx.db
    .selectFrom("review_slots")
    .select("case_id")
    .where("slot_id", "=", id)
    .where("state", "=", "closed")
    .executeTakeFirst();
  return row ? lockCase(desk.database, trx, row.case_id) : null;
}

/** A task without a list of labels takes any; otherwise a typing error must not become a decision. */
async function mayAnswer(desk: Desk, trx: HubTransaction, row: SlotRow, label: string): Promise<boolean> {
  const labels = await labelsOfStore(trx.db, row.store, row.task);
  if (labels.length === 0 || labels.includes(label)) return true;
  const [view] = await viewOf(trx, row);
  return view?.suggestions.some((suggestion) => suggestion.label === label) ?? false;
}

async function viewOf(
  { db }: HubTransaction,
  row: SlotRow,
): Promise<readonly { readonly suggestions: readonly { readonly label: string }[] }[]> {
  const rows = await db.selectFrom("cases").select("view").where("case_id", "=", row.case_id).execute();
  return rows.map(({ view }) => ({ suggestions: [], ...(JSON.parse(view) as object) }));
}

async function undo(desk: Desk, reviewer: Reviewer, id: string, reviewId: string): Promise<Result<HeldCases>> {
  const changed = await desk.database.write(async (trx): Promise<Result<Slot>> => {
    const slot = await lockSlot(desk.database, trx, id);
    if (!slot || !isTheirs(reviewer, slot)) return unknownCase(id);
    const change = await changeSlot(desk, trx, slot, { kind: "undo", reviewer: reviewer.key, reviewId });
    if (change.refusal === "HP_SETTLED") return refused(change.refusal, "the answer has left for the device");
    if (change.refusal !== null) return refused(change.refusal, refusalText[change.refusal]);
    if (slot.row.role !== "gold") {
      await tellStory(desk, trx, slot.row.case_id, "undone", { reviewer: reviewer.name });
    }
    return ok(change.slot);
  });
  if (!changed.ok) return changed;
  const others = (await heldBy(desk, reviewer)).filter(({ slot_id }) => slot_id !== id);
  return ok(await heldCases(desk, reviewer, [changed.value.row, ...others]));
}

async function escalate(desk: Desk, reviewer: Reviewer, id: string, generation: number): Promise<Result<null>> {
  return desk.database.write(async (trx): Promise<Result<null>> => {
    const known = await trx.db
      .selectFrom("review_slots")
      .select("case_id")
      .where("slot_id", "=", id)
      .executeTakeFirst();
    // The case before its slots, as everywhere.
    const held = known ? await lockCase(desk.database, trx, known.case_id) : null;
    const slot = held ? await lockSlot(desk.database, trx, id) : null;
    if (!held || !slot || !isTheirs(reviewer, slot)) return unknownCase(id);
    const beat = await changeSlot(desk, trx, slot, { kind: "heartbeat", reviewer: reviewer.key, generation });
    if (beat.refusal !== null) return refused(beat.refusal, refusalText[beat.refusal]);
    if (slot.row.role === "adjudication") return refused("HP_CONFLICT", "a lead has this case already");
    // Not a lost lease: the reviewer let go of it, and is not asked again (their exclusion stays).
    const closed = { kind: "closed", generation, why: "withdrawn", holder: null, reviewId: null };
    await trx.db
      .updateTable("review_slots")
      .set({ state: "closed", machine: JSON.stringify(closed), wake_ms: null })
      .where("slot_id", "=", id)
      .execute();
    await desk.audit.record(trx, {
      actor: personOf(reviewer),
      action: "case.escalated",
      subject: `case:${slot.row.case_id}`,
    });
    if (slot.row.role === "gold") return ok(null);
    await tellStory(desk, trx, slot.row.case_id, "escalated", { reviewer: reviewer.name });
    await stepCase(desk, trx, held, { kind: "escalated" });
    return ok(null);
  });
}

async function picture(desk: Desk, reviewer: Reviewer, id: string): Promise<Result<ReviewPicture | null>> {
  const row = await desk.database.read((db) =>
    db.selectFrom("review_slots").selectAll().where("slot_id", "=", id).executeTakeFirst(),
  );
  if (!row || !isTheirs(reviewer, readSlot(row))) return unknownCase(id);
  if (!isHeldBy(desk, reviewer, row)) return refused("HP_LEASE_LOST", refusalText.HP_LEASE_LOST);
  const held = await desk.database.read((db) =>
    db
      .selectFrom("cases")
      .select(["picture_type", "picture_state"])
      .where("case_id", "=", row.case_id)
      .executeTakeFirst(),
  );
  if (held?.picture_state === "wanted") {
    return refused("HP_BUSY", "the picture is on its way from the store", { retryAfterMs: 1_000 });
  }
  if (held?.picture_state !== "kept" || held.picture_type === null) return ok(null);
  const bytes = await desk.vault.open(row.case_id);
  return ok(bytes && { contentType: held.picture_type, bytes });
}

/** Whether this reviewer has the case before them, or has just answered it and may still take it back. */
export function isHeldBy(parts: Pick<ReviewParts, "clock">, reviewer: Reviewer, row: SlotRow): boolean {
  if (row.reviewer_key !== reviewer.key) return false;
  return row.state === "answered" || (row.state === "leased" && (row.wake_ms ?? 0) > nowOf(parts));
}

const refusalText = {
  HP_LEASE_LOST: "this case is not yours any more",
  HP_SETTLED: "this case is closed",
} as const;

function unknownCase(id: string): Result<never> {
  return refused("HP_NOT_FOUND", `there is no case ${id} in the queue`);
}
