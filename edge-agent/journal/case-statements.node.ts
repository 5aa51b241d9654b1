import type { Database } from "../../protocol/platform/sqlite.node.ts";
import type { AuditState } from "./eviction-plan.ts";
import type { TaskState } from "./task-machine.ts";

/** The statements behind the operations on cases, and what stands in front of them all: the row of a case. */

export interface HeadRow {
  readonly n: number;
  readonly device: string;
  readonly transport: string;
  readonly state: TaskState;
  readonly verdict: "accept" | "escalate" | "abstain" | null;
  readonly revision: number;
  readonly audit: AuditState;
  readonly input_state: string;
  readonly body_digest: Uint8Array | null;
  /** 1: admitted and decided in one step, so that request and revision 1 stand in the record. */
  readonly joint: number;
}

export class CaseStatements {
  readonly head;
  readonly insertCase;
  readonly insertInput;
  readonly decideCase;
  readonly finishCase;
  readonly reviewAudit;
  readonly revision;
  readonly jointRevision;
  readonly insertRevision;
  readonly oldReview;
  readonly countReviews;
  readonly insertReview;
  readonly oldOutcome;
  readonly countOutcomes;
  readonly insertOutcome;
  readonly oldEvent;
  readonly insertEvent;
  readonly insertOutbox;

  constructor(database: Database) {
    const prepare = <Row = unknown>(sql: string) => database.prepare<unknown[], Row>(sql);
    this.head = prepare<HeadRow>(
      `SELECT n, device, transport, state, verdict, revision, audit, input_state, body_digest, header = '' AS joint
       FROM cases WHERE id = ?`,
    );
    this.insertCase = prepare(
      `INSERT INTO cases (n, id, device, task, transport, encoding, received_ms, body_digest, header, input_state,
       input_bytes, state, verdict, revision, audit, patience_agent_ms, answered_agent_ms, evict_rank)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.insertInput = prepare("INSERT INTO inputs (n, key, bytes) VALUES (?, ?, ?)");
    this.decideCase = prepare(
      `UPDATE cases SET state = ?, verdict = ?, revision = 1, audit = ?, patience_agent_ms = ?, answered_agent_ms = ?,
       evict_rank = ? WHERE n = ?`,
    );
    this.finishCase = prepare(
      `UPDATE cases SET state = 'final', revision = ?, patience_agent_ms = NULL, answered_agent_ms = ?, evict_rank = ?
       WHERE n = ?`,
    );
    this.reviewAudit = prepare(
      "UPDATE cases SET audit = 'reviewed', answered_agent_ms = ?, evict_rank = ? WHERE n = ?",
    );
    this.revision = prepare<{ body: string }>("SELECT body FROM revisions WHERE key = ?");
    this.jointRevision = prepare<{ body: string }>("SELECT header -> '$.decision' AS body FROM records WHERE n = ?");
    this.insertRevision = prepare("INSERT INTO revisions (key, body, trace) VALUES (?, ?, ?)");
    this.oldReview = prepare<{ made_final: number; conflict: number }>(
      "SELECT made_final, conflict FROM reviews WHERE n = ? AND review_id = ?",
    );
    this.countReviews = prepare<{ c: number }>("SELECT count(*) AS c FROM reviews WHERE n = ?");
    this.insertReview = prepare(
      "INSERT INTO reviews (n, review_id, body, made_final, conflict) VALUES (?, ?, ?, ?, ?)",
    );
    this.oldOutcome = prepare<{ n: number }>("SELECT n FROM outcomes WHERE n = ? AND digest = ?");
    this.countOutcomes = prepare<{ c: number }>("SELECT count(*) AS c FROM outcomes WHERE n = ?");
    this.insertOutcome = prepare("INSERT INTO outcomes (n, digest, device, body) VALUES (?, ?, ?, ?)");
    this.oldEvent = prepare<{ n: number }>("SELECT n FROM events WHERE id = ?");
    this.insertEvent = prepare(
      "INSERT INTO events (n, id, device, entity, at_ms, agent_ms, key, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.insertOutbox = prepare("INSERT INTO outbox (seq, kind, n, created_ms, body) VALUES (?, ?, ?, ?, ?)");
  }
}
