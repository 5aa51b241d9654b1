import { type ReviewCase } from "../../../protocol/index.ts";
import { type HubDatabase } from "../database/database.ts";
import { type ConsensusState } from "./consensus-machine.ts";
import { readSlot, type SlotRow } from "./slots.ts";

/** What reviewers see of their slots, in that order; a slot whose case has been erased since is left out. */
export async function slotViews(database: HubDatabase, slots: readonly SlotRow[]): Promise<readonly ReviewCase[]> {
  if (slots.length === 0) return [];
  const ids = [...new Set(slots.map((slot) => slot.case_id))];
  const rows = await database.read((db) =>
    db
      .selectFrom("cases")
      .innerJoin("review_cases", "review_cases.case_id", "cases.case_id")
      .select(["cases.case_id", "cases.view", "cases.received_ms", "cases.due_ms", "cases.picture_state"])
      .select(["review_cases.consensus"])
      .where("cases.case_id", "in", ids)
      .where("cases.state", "!=", "erased")
      .execute(),
  );
  const cases = new Map(rows.map((row) => [row.case_id, row]));
  return slots.flatMap((slot) => {
    const row = cases.get(slot.case_id);
    return row ? [slotView(slot, row)] : [];
  });
}

interface CaseFields {
  readonly view: string;
  readonly received_ms: number;
  readonly due_ms: number | null;
  readonly picture_state: string;
  readonly consensus: string;
}

type BriefView = Omit<ReviewCase, "lease" | "pictureUrl" | "dueAtMs">;

/** Pure: the case as its brief describes it, less what this reviewer must not know, plus what a lead must. */
function slotView(slot: SlotRow, held: CaseFields): ReviewCase {
  const view = JSON.parse(held.view) as BriefView;
  const hasPicture = held.picture_state === "kept" || held.picture_state === "wanted";
  const shown: ReviewCase = {
    ...view,
    id: slot.slot_id,
    task: slot.task,
    store: slot.store,
    pictureUrl: hasPicture ? `/v1/review/cases/${slot.slot_id}/picture` : null,
    audit: slot.role === "audit",
    heldAtMs: slot.held_ms,
    dueAtMs: shownDue(slot, held),
    lease: leaseOf(slot),
  };
  if (slot.is_blind === 1) return blind(shown);
  return slot.role === "adjudication" ? withVotes(shown, JSON.parse(held.consensus) as ConsensusState) : shown;
}

/** A gold case looks like any other: it has as much time as it had when it was new. */
function shownDue(slot: SlotRow, held: CaseFields): number | null {
  if (slot.role !== "gold" || held.due_ms === null) return slot.due_ms;
  return slot.held_ms + Math.max(0, held.due_ms - held.received_ms);
}

function leaseOf(slot: SlotRow): ReviewCase["lease"] {
  const { state } = readSlot(slot);
  if (state.kind !== "leased") return null;
  return {
    reviewer: slot.reviewer_name ?? "",
    generation: state.generation,
    expiresAtMs: Math.round(state.expiresAtMs),
  };
}

/** Nothing from which the model's answer, or how sure it was, could be guessed. */
function blind(view: ReviewCase): ReviewCase {
  return {
    ...view,
    suggestions: [],
    confidence: 0,
    gateThreshold: 0,
    explanation: null,
    reasons: view.audit ? ["audit"] : [],
  };
}

/** A lead sees what was answered, without the names: who said it must not weigh. */
function withVotes(view: ReviewCase, { votes }: ConsensusState): ReviewCase {
  const facts = votes.map(({ answer }, index) => ({
    name: `answer ${index + 1}`,
    value: answer.kind === "label" ? answer.label : answer.kind === "bad_picture" ? "bad picture" : "cannot tell",
  }));
  const known = new Set(view.suggestions.map(({ label }) => label));
  const labels = votes.flatMap(({ answer }) =>
    answer.kind === "label" && !known.has(answer.label) ? [answer.label] : [],
  );
  const suggestions = [...view.suggestions, ...[...new Set(labels)].map((label) => ({ label, confidence: 0 }))];
  return { ...view, facts: [...facts, ...view.facts], suggestions };
}
