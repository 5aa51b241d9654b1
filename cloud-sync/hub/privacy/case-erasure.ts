import { sql } from "kysely";
import { HoldpointError, newId } from "../../../protocol/index.ts";
import { isInReach, type PersonCaller } from "../api/caller.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type CaseListener } from "../cases/case-opening.ts";
import { type CaseTables } from "../cases/case-tables.ts";
import { type HubTransaction } from "../database/database.ts";
import { appendToFeed } from "../feed/feed.ts";
import { type HubParts } from "../room.ts";
import { type HubEvent } from "../webhooks/hub-event.ts";
import { erasedDecision, erasedView } from "./erased-content.ts";

export interface PrivacyParts extends HubParts {
  readonly vault: PictureVault;
  readonly listener: CaseListener;
}

/** What the erasure of a case asks of its row. */
export const erasableColumns = [
  ...(["case_id", "store", "task", "agent_id", "decision_id", "view"] as const),
  ...(["decision", "first_decision", "picture_state"] as const),
] as const;

export type ErasableCase = Pick<CaseTables["cases"], (typeof erasableColumns)[number]>;

/**
 * Erases a case's content because somebody asked for it, here and in the store's journal. What was answered, and that it
 * was erased, stays. An open case is taken from the queue; the store's own patience then ends it. Errors: HP_NOT_FOUND.
 */
export async function eraseCase(
  parts: PrivacyParts,
  caller: PersonCaller,
  caseId: string,
  why: string,
): Promise<{ readonly id: string; readonly erased: boolean }> {
  const { database, audit } = parts;
  const by = `${caller.kind}:${caller.id}`;
  const erased = await database.write(async (trx) => {
    const row = await trx.db
      .selectFrom("cases")
      .select([...erasableColumns, "state"])
      .where("case_id", "=", caseId)
      .$if(database.kind === "postgres", (query) => query.forUpdate())
      .executeTakeFirst();
    if (!row || !isInReach(caller, row)) {
      throw new HoldpointError("HP_NOT_FOUND", "no such case");
    }
    if (row.state === "erased") return false;
    await eraseCases(parts, trx, [row], { by, why });
    const nowMs = Math.round(parts.clock.wallMs());
    if (row.agent_id !== null) await appendToFeed(trx, row.agent_id, { kind: "erase", id: row.decision_id }, nowMs);
    const detail = { store: row.store, task: row.task, why };
    await audit.record(trx, { actor: by, action: "case.erased", subject: `case:${caseId}`, detail });
    return true;
  });
  if (erased) await forgetFreedPages(parts);
  return { id: caseId, erased };
}

/** The erasure itself, for cases whose rows the caller has locked in this transaction. */
export async function eraseCases(
  parts: PrivacyParts,
  trx: HubTransaction,
  cases: readonly ErasableCase[],
  { by, why }: { readonly by: string; readonly why: string },
): Promise<void> {
  if (cases.length === 0) return;
  const nowMs = Math.round(parts.clock.wallMs());
  const ids = cases.map((one) => one.case_id);
  await parts.vault.erase(trx, ids);
  await trx.db.deleteFrom("blob_parts").where("case_id", "in", ids).execute();
  // What came in as a loop's input is the case's content once more; the loop says of itself that it was erased.
  await trx.db.updateTable("a2i_loops").set({ input: "null" }).where("case_id", "in", ids).execute();
  for (const one of cases) {
    await trx.db
      .updateTable("cases")
      .set({
        state: "erased",
        view: erasedView(one.view),
        decision: erasedDecision(one.decision),
        first_decision: erasedDecision(one.first_decision),
        extra: null,
        picture_sha256: null,
        picture_state: one.picture_state === "none" ? "none" : "gone",
      })
      .where("case_id", "=", one.case_id)
      .execute();
    // Another body that came under this id was set aside as it was.
    await trx.db
      .deleteFrom("quarantine")
      .where("store", "=", one.store)
      .where("decision_id", "=", one.decision_id)
      .execute();
    await parts.listener.erased(trx, one.case_id);
    trx.tell({ kind: "case", caseId: one.case_id });
  }
  const story = ids.map((caseId) => ({
    ...{ event_id: newId(parts.clock, parts.random), case_id: caseId, at_ms: nowMs },
    ...{ kind: "erased", body: JSON.stringify({ by, why }) },
  }));
  await trx.db.insertInto("case_events").values(story).execute();
  const events = cases.map(({ case_id: caseId, store, task, decision_id: decisionId }): HubEvent => {
    return { type: "case.erased", store, data: { caseId, decisionId, task, why } };
  });
  await parts.events.emit(trx, events);
}

/**
 * SQLite overwrites what it deletes (`secure_delete`), but its log still has the page as it was: it is emptied into the
 * database and cut. A PostgreSQL keeps old rows until its vacuum, and in backups: docs/hub-privacy.md.
 */
export async function forgetFreedPages({ database, timers }: Pick<PrivacyParts, "database" | "timers">): Promise<void> {
  if (database.kind !== "sqlite") return;
  for (let attempt = 0; attempt < cutAttemptsMax; attempt += 1) {
    const { rows } = await database.read((db) =>
      sql<{ readonly busy: number }>`pragma wal_checkpoint(truncate)`.execute(db),
    );
    if (rows[0]?.busy !== 1) return;
    await new Promise<void>((resolve) => void timers.after(cutAgainMs, resolve));
  }
}

/** Whoever copies the log at this moment is done soon; a reader beside that stays longer leaves it to the next erasure. */
const cutAttemptsMax = 100;
const cutAgainMs = 20;
