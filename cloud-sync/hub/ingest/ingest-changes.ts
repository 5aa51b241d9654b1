import { sql } from "kysely";
import { isFinal, newId, type Decision } from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { type CaseListener } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { labelOf } from "./case-rows.ts";
import { type ReadItem } from "./ingest-items.ts";

interface Options extends HubParts {
  readonly listener: CaseListener;
}

type Change = Exclude<ReadItem, { kind: "case" | "refused" }>;

/**
 * What happened to a case in the store after it was held: answered there, made final, told to the device, or the truth
 * came out. A change of a case that the hub never had (an outcome of an accepted decision) is kept where it can be.
 */
export async function applyChange(
  options: Options,
  trx: HubTransaction,
  agent: AgentCaller,
  change: Change,
): Promise<void> {
  const { clock, random, listener } = options;
  const nowMs = Math.round(clock.wallMs());
  const { id } = change.item;
  const known = await trx.db
    .selectFrom("cases")
    .select(["case_id", "task"])
    .where("store", "=", agent.store)
    .where("decision_id", "=", id)
    .executeTakeFirst();
  const tell = async (kind: string, body: unknown): Promise<void> => {
    if (!known) return;
    const event = { event_id: newId(clock, random), case_id: known.case_id, at_ms: nowMs, kind };
    await trx.db
      .insertInto("case_events")
      .values({ ...event, body: JSON.stringify(body) })
      .execute();
    trx.tell({ kind: "case", caseId: known.case_id });
  };
  switch (change.kind) {
    case "outcome": {
      const { outcome } = change;
      const row = { outcome_id: newId(clock, random), store: agent.store, decision_id: id, source: outcome.source };
      await trx.db
        .insertInto("outcomes")
        .values({ ...row, body: JSON.stringify(outcome), at_ms: nowMs })
        .execute();
      await tell("outcome", outcome);
      const { label = null, correct: isCorrect = null } = outcome;
      if (known) await listener.outcome(trx, { caseId: known.case_id, label, isCorrect });
      return;
    }
    case "review": {
      const { review, conflict } = change.review;
      if (!known || review.source !== "store") return;
      await listener.storeReview(trx, {
        caseId: known.case_id,
        reviewId: review.reviewId,
        reviewer: review.reviewer,
        body: JSON.stringify(review),
        conflict,
        atMs: review.atMs,
      });
      await tell("storeReview", { reviewer: review.reviewer, conflict });
      return;
    }
    case "delivered":
      if (!known) return;
      await listener.delivered(trx, known.case_id);
      await tell("delivered", { revision: change.revision });
      return;
    case "revision":
      if (known) await tell("revised", await revise(options, trx, known, change.decision, nowMs));
  }
}

async function revise(
  { listener }: Options,
  trx: HubTransaction,
  { case_id: caseId, task }: { readonly case_id: string; readonly task: string },
  decision: Decision,
  nowMs: number,
): Promise<Readonly<Record<string, unknown>>> {
  const { decidedBy, revision, status } = decision;
  await trx.db
    .updateTable("cases")
    .set({ first_decision: sql<string>`coalesce(first_decision, decision)` })
    .set({ decision: JSON.stringify(decision), ...(isFinal(decision) ? { state: "final", final_ms: nowMs } : {}) })
    .where("case_id", "=", caseId)
    .where("state", "!=", "erased")
    .execute();
  const label = labelOf(decision);
  if (isFinal(decision)) await listener.settled(trx, { caseId, task, decidedBy, label });
  return { revision, decidedBy, label, status };
}
