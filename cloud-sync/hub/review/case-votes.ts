import { type FeedItem, type ReviewAnswer } from "../../../protocol/index.ts";
import { type TakenReview } from "../../review/review-machine.ts";
import { type HubTransaction } from "../database/database.ts";
import { appendToFeed } from "../feed/feed.ts";
import { confirmLabel } from "./case-labels.ts";
import {
  consensus,
  isOpen,
  type ConsensusEffect,
  type ConsensusEvent,
  type ConsensusInputs,
  type ConsensusState,
  type Vote,
} from "./consensus-machine.ts";
import { keepReview } from "./kept-reviews.ts";
import { nowOf, tellReviewer, type ReviewParts } from "./review-parts.ts";
import { type ReviewRules } from "./review-rules.ts";
import { changeSlot, type SlotChange } from "./slot-changes.ts";
import { addSlots, lockSlots, tellStory, type CaseRow, type Slot, type SlotRow } from "./slots.ts";

/** What a case's row keeps of its rules: with the coin of the second opinion, which is thrown once. */
export interface CaseRules extends ReviewRules {
  readonly isSecondOpinion: boolean;
  /** Absent in rows from before there were contracts. */
  readonly isUnderContract?: boolean;
}

/**
 * Counts an answer whose undo window has ended. The case's row and the slot are locked; `change` is the slot's step to
 * `committing`, and this transaction closes it: what counts an answer and what sends it cannot come apart.
 */
export async function takeVote(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  { slot, commit: review }: SlotChange,
): Promise<CaseRow> {
  if (!review) return held;
  const { row } = slot;
  const { answer } = review;
  await changeSlot(parts, trx, slot, { kind: "committed" });
  const label = answer.kind === "label" ? answer.label : null;
  if (row.role === "gold") {
    const traits = { isGold: true, isRight: label === held.adjudicated_label, isLate: false, hasConflict: false };
    await keepReview(parts, trx, row, review, traits);
    // As for any other case: a reviewer must not know which ones measure.
    tellReviewer(trx, row.reviewer_key, { kind: "final", id: row.slot_id, label });
    return held;
  }
  const traits = { isGold: false, isRight: null, isLate: false, hasConflict: false };
  const rowId = await keepReview(parts, trx, row, review, traits);
  const vote: Vote = {
    review: rowId,
    person: row.person_id ?? "",
    reviewer: row.reviewer_name ?? "",
    answer,
  };
  const kind = row.role === "adjudication" ? "adjudicated" : "answered";
  await tellStory(parts, trx, row.case_id, kind, { reviewer: vote.reviewer, role: row.role, answer });
  const after = await stepCase(parts, trx, held, { kind, vote });
  if (held.kind === "audit" || held.final_ms !== null) {
    tellReviewer(trx, row.reviewer_key, { kind: "final", id: row.slot_id, label: held.final_label ?? label });
  }
  return after;
}

/** Takes a locked case through the consensus machine, and does what follows in the same transaction. */
export async function stepCase(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  event: ConsensusEvent,
): Promise<CaseRow> {
  const rules = JSON.parse(held.rules) as CaseRules;
  const before = JSON.parse(held.consensus) as ConsensusState;
  const { state, effects } = consensus(before, event, inputsOf(held, rules));
  if (state === before && effects.length === 0) return held;
  const changes = { consensus: JSON.stringify(state), is_open: isOpen(state) ? 1 : 0 };
  await trx.db.updateTable("review_cases").set(changes).where("case_id", "=", held.case_id).execute();
  let row: CaseRow = { ...held, ...changes };
  for (const effect of effects) row = await perform(parts, trx, row, rules, effect);
  await tellGate(parts, trx, row, state);
  return row;
}

/** A label is told where it is confirmed; here, that there is none yet, or that there will be none. */
async function tellGate(
  { gate }: ReviewParts,
  trx: HubTransaction,
  { case_id: caseId, compared_label: modelLabel }: CaseRow,
  state: ConsensusState,
): Promise<void> {
  if (isOpen(state)) {
    if (state.votes.length > 0 || state.kind === "adjudicating") await gate.learn(trx, { kind: "pending", caseId });
  } else if (state.kind === "decided") {
    if (state.answer.kind !== "label") await gate.learn(trx, { kind: "unknowable", caseId });
  } else if (state.votes.every(({ answer }) => answer.kind === "label" && answer.label === modelLabel)) {
    await gate.learn(trx, { kind: "dropped", caseId });
  }
}

function inputsOf(held: CaseRow, rules: CaseRules): ConsensusInputs {
  return {
    reviewersNeeded: rules.reviewersNeeded,
    adjudication: rules.adjudication,
    secondOpinion: rules.isSecondOpinion,
    isUnderContract: rules.isUnderContract ?? false,
    kind: held.kind,
    modelLabel: held.compared_label,
  };
}

async function perform(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  rules: CaseRules,
  effect: ConsensusEffect,
): Promise<CaseRow> {
  switch (effect.kind) {
    case "decide":
      return decide(parts, trx, held, effect.answer, effect.votes);
    case "confirm":
      return confirmLabel(parts, trx, held, effect.label, effect.source);
    case "withdraw":
      await withdraw(parts, trx, held);
      return held;
    case "ask": {
      const { case_id: caseId, store, task, queue_key: queueKey, held_ms: heldMs } = held;
      const { role, isBlind } = effect;
      // What has been sent, or decided in the store, is no longer waited for.
      const dueMs = held.sent_ms === null && held.final_ms === null ? held.due_ms : null;
      await addSlots(parts, trx, [{ caseId, store, task, role, isBlind, skill: rules.skill, queueKey, heldMs, dueMs }]);
      await tellStory(parts, trx, caseId, "asked", { role });
      return held;
    }
  }
}

/** The answer leaves: into the feed of the store's agent, or to whoever else sent the case in. */
async function decide(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  answer: ReviewAnswer,
  votes: readonly Vote[],
): Promise<CaseRow> {
  const nowMs = nowOf(parts);
  const { case_id: caseId, store, task, kind } = held;
  const reviewers = votes.map(({ reviewer }) => reviewer);
  const changes = { sent_answer: JSON.stringify(answer), sent_ms: nowMs };
  await trx.db.updateTable("review_cases").set(changes).where("case_id", "=", caseId).execute();
  const last = votes.at(-1)?.review ?? caseId;
  const isForAgent = await sendToAgent(parts, trx, caseId, { reviewId: last, reviewer: reviewers.join(", "), answer });
  await tellStory(parts, trx, caseId, "sent", { answer, reviewers });
  await parts.onDecided(trx, { caseId, store, task, kind, answer, reviewers, atMs: nowMs });
  const after = { ...held, ...changes };
  return isForAgent ? after : makeFinal(trx, after, answer, nowMs);
}

/** Whoever sent the case has no journal that could decide otherwise: the hub's word is final. */
async function makeFinal(
  trx: HubTransaction,
  held: CaseRow,
  answer: ReviewAnswer | null,
  nowMs: number,
): Promise<CaseRow> {
  const label = answer?.kind === "label" ? answer.label : null;
  const changes = { final_label: label, final_by: answer ? "reviewer" : "fallback", final_ms: nowMs };
  await trx.db.updateTable("review_cases").set(changes).where("case_id", "=", held.case_id).execute();
  await trx.db
    .updateTable("cases")
    .set({ state: "final", final_ms: nowMs })
    .where("case_id", "=", held.case_id)
    .where("state", "=", "open")
    .execute();
  await tellAnswerers(trx, held.case_id, (slotId) => ({ kind: "final", id: slotId, label }));
  return { ...held, ...changes };
}

/** Returns whether an agent waits for it: imported cases have none. */
async function sendToAgent(
  parts: ReviewParts,
  trx: HubTransaction,
  caseId: string,
  sent: { readonly reviewId: string; readonly reviewer: string; readonly answer: ReviewAnswer },
  tookMs: number | null = null,
): Promise<boolean> {
  const target = await trx.db
    .selectFrom("cases")
    .select(["agent_id", "decision_id"])
    .where("case_id", "=", caseId)
    .executeTakeFirst();
  if (!target || target.agent_id === null) return false;
  const atMs = nowOf(parts);
  const reviewer = sent.reviewer.slice(0, reviewerCharsMax) || "hub";
  const item: Omit<Extract<FeedItem, { kind: "review" }>, "seq"> = {
    ...{ kind: "review", id: target.decision_id, reviewId: sent.reviewId, reviewer, answer: sent.answer, tookMs, atMs },
  };
  await appendToFeed(trx, target.agent_id, item, atMs);
  return true;
}

/** Names of several reviewers stand in one field; the hub itself keeps each of them. */
const reviewerCharsMax = 200;

/** Nobody is asked any more: what is open is closed, and an answer on its way is kept as a label. */
export async function withdraw(parts: ReviewParts, trx: HubTransaction, held: CaseRow): Promise<void> {
  for (const slot of await lockSlots(parts.database, trx, held.case_id)) {
    if (slot.row.role === "gold") continue;
    const change = await changeSlot(parts, trx, slot, { kind: "settledElsewhere" });
    if (change.label) await keepLate(parts, trx, held, change.slot.row, change.label);
  }
}

/** An answer that cannot decide any more is a label, here and in the store's journal; where it differs, both are told. */
export async function keepLate(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  row: SlotRow,
  review: TakenReview,
): Promise<void> {
  const { answer } = review;
  const label = answer.kind === "label" ? answer.label : null;
  const hasConflict = held.final_label !== null && label !== null && held.final_label !== label;
  const rowId = await keepReview(parts, trx, row, review, {
    ...{ isGold: row.role === "gold", isLate: true, hasConflict },
    isRight: held.adjudicated_label === null ? null : label === held.adjudicated_label,
  });
  await tellStory(parts, trx, row.case_id, "late", { reviewer: row.reviewer_name, answer, conflict: hasConflict });
  if (row.role === "gold") return;
  if (hasConflict) await markConflict(trx, row.case_id);
  tellReviewer(trx, row.reviewer_key, {
    ...{ kind: "final", id: row.slot_id, label: held.final_label },
    isConflict: hasConflict,
  });
  // The journal has decided without the hub: it keeps this one as a label. A vote that was not needed stays here.
  if (held.sent_ms !== null || held.final_ms === null) return;
  const reviewer = row.reviewer_name ?? "";
  await sendToAgent(parts, trx, row.case_id, { reviewId: rowId, reviewer, answer }, review.tookMs);
}

export async function markConflict(trx: HubTransaction, caseId: string): Promise<void> {
  await trx.db.updateTable("review_cases").set({ has_conflict: 1 }).where("case_id", "=", caseId).execute();
}

/** Nobody is left to answer and time is up: the hub asks no more. The store's own clock ends the case there. */
export async function expireCase(parts: ReviewParts, trx: HubTransaction, held: CaseRow): Promise<void> {
  const after = await stepCase(parts, trx, held, { kind: "expired" });
  if (after.is_open === 1 || after.sent_ms !== null || held.is_open === 0) return;
  await tellStory(parts, trx, held.case_id, "expired", {});
  // An imported case has no store whose clock would end it.
  if (held.kind === "import") await makeFinal(trx, after, null, nowOf(parts));
}

/** Tells everybody whose answer to the case was kept. */
export async function tellAnswerers(
  trx: HubTransaction,
  caseId: string,
  news: (slotId: string, label: string | null) => Parameters<typeof tellReviewer>[2],
): Promise<void> {
  const rows = await trx.db
    .selectFrom("review_slots")
    .innerJoin("reviews", "reviews.review_row", "review_slots.review_row")
    .select(["review_slots.slot_id", "review_slots.reviewer_key", "reviews.label"])
    .where("review_slots.case_id", "=", caseId)
    .where("review_slots.role", "!=", "gold")
    .execute();
  for (const row of rows) tellReviewer(trx, row.reviewer_key, news(row.slot_id, row.label));
}

/** Whether nobody is left who could answer. */
export function isSpent(slots: readonly Slot[]): boolean {
  return slots.every(({ row, state }) => row.role === "gold" || state.kind === "closed");
}
