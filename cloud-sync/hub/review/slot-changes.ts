import {
  transition,
  type ReviewTaskEvent,
  type ReviewTaskState,
  type ReviewTransition,
  type TakenReview,
} from "../../review/review-machine.ts";
import { type Reviewer } from "../../review/review-store.ts";
import { type HubTransaction } from "../database/database.ts";
import { nowOf, tellReviewer, type ReviewParts } from "./review-parts.ts";
import { type Slot, type SlotRow } from "./slots.ts";

/** What a change of a slot asks of the case, beside its own row. */
export interface SlotChange {
  readonly slot: Slot;
  readonly refusal: ReviewTransition["refusal"];
  /** An answer whose undo window has ended. */
  readonly commit: TakenReview | null;
  /** An answer that came too late to decide. */
  readonly label: TakenReview | null;
}

/**
 * Takes a locked slot through the review machine and writes what came of it. Whoever claims it becomes its reviewer; a
 * slot that goes back to the queue forgets them. A gold slot is its reviewer's own and never goes back.
 */
export async function changeSlot(
  parts: ReviewParts,
  trx: HubTransaction,
  before: Slot,
  event: ReviewTaskEvent,
  claimer: Reviewer | null = null,
): Promise<SlotChange> {
  const dueAtMs = before.row.due_ms ?? Infinity;
  const result = transition(before.state, event, { nowMs: nowOf(parts), dueAtMs, policy: parts.policy });
  if (result.state === before.state && result.effects.length === 0) {
    return { slot: before, refusal: result.refusal, commit: null, label: null };
  }
  let wakeMs: number | null = null;
  let commit: TakenReview | null = null;
  let label: TakenReview | null = null;
  for (const effect of result.effects) {
    if (effect.kind === "wake") wakeMs = effect.atMs;
    if (effect.kind === "commit") commit = effect.review;
    if (effect.kind === "label") label = effect.review;
    if (effect.kind === "withdraw") {
      tellReviewer(trx, effect.reviewer, { kind: "withdrawn", id: before.row.slot_id, why: effect.why });
    }
  }
  const state = before.row.role === "gold" ? goldState(result.state) : result.state;
  const row = await write(trx, before, state, wakeMs, claimer);
  return { slot: { row, state }, refusal: result.refusal, commit, label };
}

function goldState(state: ReviewTaskState): ReviewTaskState {
  if (state.kind !== "waiting") return state;
  return { kind: "closed", generation: state.generation, why: "withdrawn", holder: null, reviewId: null };
}

async function write(
  trx: HubTransaction,
  { row: before, state: stateBefore }: Slot,
  state: ReviewTaskState,
  wakeMs: number | null,
  claimer: Reviewer | null,
): Promise<SlotRow> {
  const holder = claimer
    ? { reviewer_key: claimer.key, person_id: personOf(claimer), reviewer_name: claimer.name }
    : state.kind === "waiting"
      ? { reviewer_key: null, person_id: null, reviewer_name: null }
      : {};
  const changes = {
    ...holder,
    state: state.kind,
    machine: JSON.stringify(state),
    wake_ms: state.kind === "closed" ? null : earlier(wakeMs, before.due_ms),
  };
  await trx.db.updateTable("review_slots").set(changes).where("slot_id", "=", before.slot_id).execute();
  if (state.kind === "waiting" && before.person_id !== null) await readmit(trx, before.case_id, before.person_id);
  const hasMoved = state.kind !== stateBefore.kind;
  if (hasMoved && before.role !== "gold") trx.tell({ kind: "queue", task: before.task });
  return { ...before, ...changes };
}

/** Whoever lost a case or gave it back may have it again. */
async function readmit({ db }: HubTransaction, caseId: string, personId: string): Promise<void> {
  await db.deleteFrom("review_exclusions").where("case_id", "=", caseId).where("person_id", "=", personId).execute();
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b);
}

/** The person behind a session, who is never asked twice about one case. */
export function personOf(reviewer: Reviewer): string {
  return reviewer.scope?.person ?? reviewer.key;
}
