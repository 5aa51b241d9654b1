import { HoldpointError, type ReviewAnswer } from "../../../../protocol/index.ts";
import { type Reviewer } from "../../../review/review-store.ts";
import { type HubTransaction } from "../../database/database.ts";
import { noGate } from "../../review/gate-port.ts";
import { changeSlot, personOf } from "../../review/slot-changes.ts";
import { hubReviewPolicy, tellReviewer, type ReviewParts } from "../../review/review-parts.ts";
import { lockCase, lockSlots, type Slot } from "../../review/slots.ts";
import { labelsOfStore } from "../../review/task-labels.ts";
import { type DropInOptions } from "../drop-in-options.ts";

/** `taken`: it is a vote; `known`: this person has answered before; `late`: others have, and it is kept as a label. */
export type OutsideAnswer = "taken" | "known" | "late";

/**
 * Gives the answer of somebody who works on another page than the hub's. It passes the same machine as any other (a lease,
 * an answer), at once and without an undo window: what the other page let go is meant. Errors: HP_SCHEMA (no label of the
 * task), HP_NOT_FOUND (nobody is asked about this case).
 */
export async function answerFromOutside(
  options: DropInOptions,
  trx: HubTransaction,
  caseId: string,
  reviewer: Reviewer,
  review: { readonly reviewId: string; readonly answer: ReviewAnswer; readonly tookMs: number | null },
): Promise<OutsideAnswer> {
  const parts: ReviewParts = {
    ...options,
    policy: { ...hubReviewPolicy, undoWindowMs: 0 },
    // Nothing is counted here: the sweep does, and tells.
    gate: noGate,
    onDecided: () => Promise.resolve(),
  };
  const held = await lockCase(options.database, trx, caseId);
  if (!held) throw new HoldpointError("HP_NOT_FOUND", "nobody is asked about this case");
  const { answer } = review;
  const labels = answer.kind === "label" ? await labelsOfStore(trx.db, held.store, held.task) : [];
  if (answer.kind === "label" && labels.length > 0 && !labels.includes(answer.label)) {
    throw new HoldpointError("HP_SCHEMA", `${JSON.stringify(answer.label)} is not a label of ${held.task}`);
  }
  const isFirst = await trx.db
    .insertInto("review_exclusions")
    .values({ case_id: caseId, person_id: personOf(reviewer) })
    .onConflict((conflict) => conflict.columns(["case_id", "person_id"]).doNothing())
    .returning("case_id")
    .executeTakeFirst();
  if (!isFirst) return "known";
  const slot = freeSlot(await lockSlots(options.database, trx, caseId));
  if (!slot) {
    const { final_label: final } = held;
    const conflict = answer.kind === "label" && final !== null && final !== answer.label;
    const { name } = reviewer;
    await options.listener.storeReview(trx, {
      ...{ caseId, reviewId: review.reviewId, reviewer: name, body: JSON.stringify({ answer }), conflict },
      atMs: Math.round(options.clock.wallMs()),
    });
    return "late";
  }
  const free = await released(parts, trx, slot);
  const { slot: leased } = await changeSlot(parts, trx, free, { kind: "claim", reviewer: reviewer.key }, reviewer);
  const { generation } = leased.state;
  const given = { ...review, reviewer: reviewer.key };
  // Its window has ended already: the next sweep, of any process, counts it.
  await changeSlot(parts, trx, leased, { kind: "submit", generation, review: given });
  return "taken";
}

/** One that waits, else one that somebody at the hub has before them: an answer that is there goes before one to come. */
function freeSlot(slots: readonly Slot[]): Slot | undefined {
  const votes = slots.filter(({ row }) => row.role !== "gold" && row.role !== "adjudication");
  return votes.find(({ state }) => state.kind === "waiting") ?? votes.find(({ state }) => state.kind === "leased");
}

async function released(parts: ReviewParts, trx: HubTransaction, slot: Slot): Promise<Slot> {
  const { state } = slot;
  if (state.kind !== "leased") return slot;
  const { reviewer, generation } = state;
  tellReviewer(trx, reviewer, { kind: "withdrawn", id: slot.row.slot_id, why: "lease_lost" });
  return (await changeSlot(parts, trx, slot, { kind: "release", reviewer, generation })).slot;
}
