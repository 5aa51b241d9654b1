import { type CaseListener, type OpenedCase } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { confirmLabel } from "./case-labels.ts";
import { markConflict, stepCase, tellAnswerers, withdraw, type CaseRules } from "./case-votes.ts";
import { firstConsensus } from "./consensus-machine.ts";
import { queueKey } from "./queue-key.ts";
import { nowOf, type ReviewParts } from "./review-parts.ts";
import { rulesOf, type ReviewRules } from "./review-rules.ts";
import { addSlots, lockCase, tellStory, type CaseRow, type NewSlot } from "./slots.ts";

/** What the review room does when a case comes, and when the store says what became of it. */
export function createReviewListener(parts: ReviewParts): CaseListener {
  return {
    opened: (trx, cases) => open(parts, trx, cases),
    settled: async (trx, { caseId, decidedBy, label }) => {
      const held = await lockCase(parts.database, trx, caseId);
      // Only escalations are decided after they came; an audit sample was final before, and people go on checking it.
      if (!held || held.kind === "audit") return;
      await settle(parts, trx, held, decidedBy, label);
    },
    storeReview: async (trx, review) => {
      const answer = JSON.parse(review.body) as {
        readonly answer?: { readonly kind: string; readonly label?: string };
      };
      const label = answer.answer?.label ?? null;
      const kept = await trx.db
        .insertInto("reviews")
        .values({
          ...{ review_row: `store.${review.caseId}.${review.reviewId}`, case_id: review.caseId, slot_id: null },
          ...{ review_id: review.reviewId, role: null, source: "store", person_id: null },
          ...{ reviewer_name: review.reviewer, answer: JSON.stringify(answer.answer ?? {}), label, took_ms: null },
          ...{ is_gold: 0, is_right: null, is_late: review.conflict ? 1 : 0, at_ms: review.atMs },
          has_conflict: review.conflict ? 1 : 0,
        })
        .onConflict((conflict) => conflict.columns(["case_id", "source", "review_id"]).doNothing())
        .returning("review_row")
        .executeTakeFirst();
      if (kept && review.conflict) await markConflict(trx, review.caseId);
    },
    delivered: (trx, caseId) => tellAnswerers(trx, caseId, (id) => ({ kind: "delivered", id })),
    erased: async (trx, caseId) => {
      const held = await lockCase(parts.database, trx, caseId);
      if (!held) return;
      await withdraw(parts, trx, held);
      await trx.db.updateTable("review_cases").set({ is_open: 0 }).where("case_id", "=", caseId).execute();
      await trx.db.deleteFrom("review_gold").where("case_id", "=", caseId).execute();
    },
    outcome: async (trx, { caseId, label, isCorrect }) => {
      const held = await lockCase(parts.database, trx, caseId);
      if (!held) return;
      const decided = held.kind === "audit" ? held.model_label : held.final_label;
      const truth = label ?? (isCorrect === true ? decided : null);
      if (truth !== null) await confirmLabel(parts, trx, held, truth, "outcome");
      // The world only says that it was wrong: that is about the model where its answer took effect.
      else if (isCorrect === false && decided !== null && decided === held.model_label) {
        await parts.gate.learn(trx, { kind: "wrong", caseId, source: "outcome" });
      }
    },
  };
}

async function open(parts: ReviewParts, trx: HubTransaction, cases: readonly OpenedCase[]): Promise<void> {
  if (cases.length === 0) return;
  const nowMs = nowOf(parts);
  const rules = await rulesOf(trx.db, [...new Set(cases.map(({ task }) => task))]);
  const isUnderContract = await parts.gate.underContract(trx, cases);
  const beginning = beginnings();
  const rows: CaseRow[] = [];
  const slots: NewSlot[] = [];
  for (const held of cases) {
    const own = rules(held.task);
    const isSecondOpinion = own.secondOpinionShare > 0 && parts.random.uniform() < own.secondOpinionShare;
    const row = caseRow(held, beginning(own, isSecondOpinion, isUnderContract(held)), nowMs);
    rows.push(row);
    for (let index = 0; index < own.reviewersNeeded; index += 1) {
      const role = held.kind === "audit" ? "audit" : index === 0 ? "first" : "second";
      const { caseId, store, task, heldMs, dueMs } = held;
      const { skill } = own;
      // A sample of what the model accepted says something only if its answer did not say it first.
      const isBlind = held.kind === "audit";
      slots.push({ caseId, store, task, role, isBlind, skill, queueKey: row.queue_key, heldMs, dueMs });
    }
  }
  await insertRows(trx, "review_cases", rows);
  await addSlots(parts, trx, slots);
}

type Beginning = Pick<CaseRow, "consensus" | "rules">;

/** The texts with which a case begins: of hundreds that come at once nearly all begin alike. */
function beginnings(): (own: ReviewRules, isSecondOpinion: boolean, isUnderContract: boolean) => Beginning {
  const known = new Map<ReviewRules, Map<string, Beginning>>();
  return (own, isSecondOpinion, isUnderContract) => {
    const coins = `${isSecondOpinion} ${isUnderContract}`;
    const before = known.get(own)?.get(coins);
    if (before) return before;
    const rules: CaseRules = { ...own, isSecondOpinion, isUnderContract };
    const made = { consensus: JSON.stringify(firstConsensus(rules)), rules: JSON.stringify(rules) };
    known.set(own, new Map([...(known.get(own) ?? []), [coins, made]]));
    return made;
  };
}

function caseRow(held: OpenedCase, beginning: Beginning, nowMs: number): CaseRow {
  return {
    case_id: held.caseId,
    store: held.store,
    task: held.task,
    kind: held.kind,
    ...beginning,
    is_open: 1,
    model_label: held.label,
    compared_label: held.second?.rung === "fine" ? held.second.predicted : held.label,
    queue_key: queueKey({ ...held, receivedMs: nowMs }),
    held_ms: held.heldMs,
    due_ms: held.dueMs,
    ...{ sent_answer: null, sent_ms: null, final_label: null, final_by: null, final_ms: null },
    ...{ adjudicated_label: null, adjudicated_source: null, adjudicated_ms: null },
    has_conflict: 0,
  };
}

/** The journal has decided: by our answer, which comes back here, by another one, or because time was up. */
async function settle(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  decidedBy: string,
  label: string | null,
): Promise<void> {
  const changes = { final_label: label, final_by: decidedBy, final_ms: nowOf(parts) };
  await trx.db.updateTable("review_cases").set(changes).where("case_id", "=", held.case_id).execute();
  const word = decidedBy === "reviewer" ? label : null;
  let row = await stepCase(parts, trx, { ...held, ...changes }, { kind: "settled", label: word });
  const sent = sentLabel(held);
  const isConflict = decidedBy === "reviewer" && sent !== null && label !== null && sent !== label;
  if (isConflict) {
    await markConflict(trx, held.case_id);
    await trx.db
      .updateTable("reviews")
      .set({ has_conflict: 1 })
      .where("case_id", "=", held.case_id)
      .where("source", "=", "hub")
      .where("label", "!=", label)
      .execute();
    await tellStory(parts, trx, held.case_id, "conflict", { hub: sent, store: label });
  }
  if (decidedBy === "reviewer" && label !== null && !isDoubted(row, label)) {
    row = await confirmLabel(parts, trx, row, label, "store");
  }
  await tellAnswerers(trx, row.case_id, (id, given) => ({
    ...{ kind: "final", id, label },
    ...(isConflict && given !== null && given !== label ? { isConflict } : {}),
  }));
}

/** One word against the model's under a contract: somebody is still to say who was right. */
function isDoubted(row: CaseRow, label: string): boolean {
  if (row.is_open === 0 || row.compared_label === null || row.compared_label === label) return false;
  return (JSON.parse(row.rules) as CaseRules).isUnderContract ?? false;
}

function sentLabel({ sent_answer: sent }: CaseRow): string | null {
  if (sent === null) return null;
  const answer = JSON.parse(sent) as { readonly kind: string; readonly label?: string };
  return answer.label ?? null;
}
