import { type CaseListener, type OpenedCase, type SettledCase } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { type EventOutlet, type HubEvent } from "./hub-event.ts";

/** Tells of cases as the review room hears of them. The model's answer is not told: an audit is looked at without it. */
export function tellingListener(inner: CaseListener, events: EventOutlet): CaseListener {
  return {
    ...inner,
    opened: async (trx, cases) => {
      await inner.opened(trx, cases);
      if (await events.wants(trx, "case.opened")) await events.emit(trx, await openedEvents(trx, cases));
    },
    settled: async (trx, settled) => {
      await inner.settled(trx, settled);
      if (await events.wants(trx, "case.final")) await events.emit(trx, await finalEvents(trx, settled));
    },
  };
}

async function openedEvents({ db }: HubTransaction, cases: readonly OpenedCase[]): Promise<readonly HubEvent[]> {
  const ids = cases.map(({ caseId }) => caseId);
  const rows = await db.selectFrom("cases").select(["case_id", "decision_id"]).where("case_id", "in", ids).execute();
  const decisions = new Map(rows.map((row) => [row.case_id, row.decision_id]));
  return cases.map(({ caseId, store, task, kind, dueMs, heldMs }) => {
    const decisionId = decisions.get(caseId) ?? null;
    return { type: "case.opened", store, data: { caseId, decisionId, task, kind, dueMs, heldMs } };
  });
}

async function finalEvents(
  { db }: HubTransaction,
  { caseId, task, decidedBy, label }: SettledCase,
): Promise<readonly HubEvent[]> {
  const row = await db
    .selectFrom("cases")
    .select(["store", "decision_id"])
    .where("case_id", "=", caseId)
    .executeTakeFirst();
  if (!row) return [];
  const data = { caseId, decisionId: row.decision_id, task, decidedBy, label };
  return [{ type: "case.final", store: row.store, data }];
}
