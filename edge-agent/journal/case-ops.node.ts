import type { Database } from "../../protocol/platform/sqlite.node.ts";
import { RecentMap } from "../../protocol/recent-map.ts";
import { deliveryTransition } from "./delivery-machine.ts";
import { DeliveryRows } from "./delivery-rows.node.ts";
import { CaseStatements, type HeadRow } from "./case-statements.node.ts";
import { jointHeader, sameBytes } from "./chain.ts";
import { evictionRank, type AuditState } from "./eviction-plan.ts";
import { chainHash, commitment, freshKey, textHash, type Ledger } from "./journal-ledger.node.ts";
import { revisionSlots } from "./journal-schema.ts";
import type {
  AdmitOp,
  DecideOp,
  DeliveredOp,
  ObserveOp,
  OpFailure,
  OpResult,
  OutcomeOp,
  RetentionLimits,
  ReviewOp,
  SettleOp,
} from "./journal-wire.ts";
import { outcomesPerCaseMax, reviewsPerCaseMax } from "./journal.ts";
import { taskTransition, type TaskState } from "./task-machine.ts";

/**
 * The operations on cases. Each reads first and writes after, so that an expected refusal never leaves half of itself
 * in the transaction that it shares with others.
 */

/** Whose device has just been told, and in which pack that waits to be acknowledged. */
interface Answered {
  readonly n: number;
  readonly device: string;
  readonly pack?: number;
}

/** How a decision leaves the row of its case. */
interface Ruled {
  readonly state: TaskState;
  readonly audit: AuditState;
  readonly patienceAgentMs: number | null;
  readonly answeredAgentMs: number | null;
  readonly rank: number | null;
}

export function failure(code: OpFailure["code"], message: string): OpFailure {
  return { code, message, retryAfterMs: null };
}

export class CaseOps {
  readonly #ledger: Ledger;
  readonly #sql: CaseStatements;
  retention: RetentionLimits;
  /**
   * Cases that were just admitted, and those whose device has just been answered: they are looked up again within
   * milliseconds. What stands here never differs from the table; a rollback forgets all of it.
   */
  readonly #received = new RecentMap<string, HeadRow>(rememberedMax);
  readonly #answered = new RecentMap<string, Answered>(rememberedMax);
  readonly #fetched = new RecentMap<string, true>(rememberedMax);
  readonly deliveries: DeliveryRows;

  constructor(database: Database, ledger: Ledger, retention: RetentionLimits) {
    this.#ledger = ledger;
    this.#sql = new CaseStatements(database);
    this.deliveries = new DeliveryRows(database);
    this.retention = retention;
  }

  admit(op: AdmitOp, bytes: ArrayBuffer): OpResult {
    const [, id, device, task, transport, encoding, receivedAtMs, header, digestAt, input, inputBytes, decision] = op;
    const digest = Buffer.from(bytes, digestAt, 32);
    const old = this.#sql.head.get(id);
    if (old !== undefined) return this.#admitAgain(old, device, digest);
    const ledger = this.#ledger;
    const n = ledger.nextN;
    const inputState = input === null ? "none" : "kept";
    const ruled = decision && this.#ruled(decision, inputState);
    this.#sql.insertCase.run(
      ...[n, id, device, task, transport, encoding, receivedAtMs, digest, ruled ? "" : header, inputState, inputBytes],
      ...(ruled ? [ruled.state, decision[3], 1, ruled.audit] : ["received", null, 0, "none"]),
      ...(ruled ? [ruled.patienceAgentMs, ruled.answeredAgentMs, ruled.rank] : [null, null, null]),
    );
    const promise = input === null ? null : this.#keepInput(n, input, inputBytes, bytes);
    ledger.totals.received += 1;
    if (ruled) {
      this.#admitDecided(n, op, promise, decision, ruled);
      return 1;
    }
    ledger.append(
      JSON.stringify({
        at: ledger.wallMs,
        bytes: inputBytes,
        device,
        encoding,
        id,
        input: promise,
        kind: "admit",
        n,
        request: textHash(header),
        task,
        transport,
      }),
    );
    ledger.totals.undecided += 1;
    this.#received.set(id, {
      ...{ n, device, transport, state: "received", verdict: null, revision: 0, audit: "none" },
      ...{ input_state: inputState, body_digest: null, joint: 0 },
    });
    return 0;
  }

  /** Returns the commitment to the input, which goes into the record. */
  #keepInput(n: number, input: string | number, inputBytes: number, bytes: ArrayBuffer): string {
    const key = freshKey();
    const data = typeof input === "string" ? input : Buffer.from(bytes, input, inputBytes);
    this.#sql.insertInput.run(n, key, data);
    this.#ledger.totals.inputBytes += inputBytes;
    return commitment(key, data);
  }

  /** Request and revision 1 in one record: it holds both as they are, so nothing is hashed or written twice. */
  #admitDecided(n: number, op: AdmitOp, promise: string | null, decision: DecideOp, ruled: Ruled): void {
    const [, id, device, , transport, encoding, , header, , , inputBytes] = op;
    const [, , , , body, trace] = decision;
    const { totals } = this.#ledger;
    const facts = { at: this.#ledger.wallMs, audit: ruled.audit, bytes: inputBytes, device, encoding, n, transport };
    this.#ledger.append(jointHeader({ ...facts, input: promise, decision: body, request: header, trace }));
    if (transport === "mqtt" && deliveryTransition("none", "revised").effect === "insert") {
      this.#answered.set(id, { n, device, pack: this.deliveries.addPacked(device, n) });
      totals.undelivered += 1;
    }
    this.#tellHub(n, decision, ruled);
  }

  /** After a rollback (all of it), or when something else changed a case. */
  forget(id?: string): void {
    if (id !== undefined) {
      this.#received.delete(id);
      return;
    }
    this.#received.clear();
    this.#answered.clear();
    this.#fetched.clear();
    this.deliveries.forget();
  }

  #admitAgain(old: HeadRow, device: string, digest: Uint8Array): OpResult {
    // An id belongs to the device that used it first: nobody else is told its decision, and nobody else would be sent it.
    if (old.device !== device) return ["conflict"];
    // An erased case has no digest any more: it would confirm a guess of what was erased.
    if (old.body_digest !== null && !sameBytes(digest, old.body_digest)) return ["conflict"];
    const body = old.revision === 0 ? null : this.#body(old);
    return ["known", body];
  }

  decide(op: DecideOp): OpResult {
    const [, id, status, verdict] = op;
    const row = this.#received.get(id) ?? this.#sql.head.get(id);
    const step = taskTransition(row?.state ?? "none", status === "pending" ? "decide_pending" : "decide_final");
    if (row === undefined) return failure("HP_NOT_FOUND", `no case ${id} was admitted`);
    if (step.reply !== "applied") return 0;
    const ruled = this.#ruled(op, row.input_state);
    const { state, audit, patienceAgentMs, answeredAgentMs, rank } = ruled;
    this.#sql.decideCase.run(state, verdict, audit, patienceAgentMs, answeredAgentMs, rank, row.n);
    this.#received.delete(id);
    this.#decided(row, op, ruled);
    return 0;
  }

  /** What a decision makes of a case that was admitted and not decided. */
  #ruled(op: DecideOp, inputState: string): Ruled {
    const [, , status, verdict, , , auditSample, reviewWithinMs] = op;
    const { agentMs } = this.#ledger;
    const step = taskTransition("received", status === "pending" ? "decide_pending" : "decide_final");
    const audit: AuditState = auditSample ? (inputState === "kept" ? "open" : "evicted") : "none";
    const patienceMs = Math.round(Math.min(reviewWithinMs ?? Infinity, this.retention.unansweredMaxMs));
    const answered = step.effects.includes("answered");
    return {
      state: step.state,
      audit,
      patienceAgentMs: answered ? null : agentMs + patienceMs,
      answeredAgentMs: answered ? agentMs : null,
      rank: inputState === "kept" ? evictionRank(step.state, verdict, audit) : null,
    };
  }

  /** Everything of a decision but its place in the row of the case. */
  #decided(row: HeadRow, op: DecideOp, ruled: Ruled): void {
    const [, id, status, verdict, body, trace] = op;
    this.#revise(row, 1, body, trace);
    if (row.transport === "mqtt") this.#answered.set(id, { n: row.n, device: row.device });
    this.#ledger.totals.undecided -= 1;
    const { audit } = ruled;
    const header = { at: this.#ledger.wallMs, audit, body: textHash(`${body}\0${trace}`), id, kind: "decide" };
    this.#ledger.append(JSON.stringify({ ...header, n: this.#ledger.nextN, of: row.n, revision: 1, status, verdict }));
    this.#tellHub(row.n, op, ruled);
  }

  #tellHub(n: number, [, id, , , body, , , , sample]: DecideOp, { audit, answeredAgentMs }: Ruled): void {
    const answered = answeredAgentMs !== null;
    const told = `{"decision":${body},"id":"${id}"${sample === null ? "" : `,"sample":${sample}`}}`;
    if (!answered) this.#ledger.totals.pending += 1;
    if (!answered) this.#send("escalation", n, told);
    // A sample without its picture is sent as well: nobody can look at it any more, and it counts as wrong.
    else if (audit !== "none") this.#send("audit", n, told);
  }

  review(op: ReviewOp): OpResult {
    const [, id, reviewId, review, label, revision, body] = op;
    const row = this.#sql.head.get(id);
    if (row === undefined) return ["unknown"];
    const old = this.#sql.oldReview.get(row.n, reviewId);
    const latest = row.revision === 0 ? null : this.#body(row);
    if (old !== undefined) return [old.made_final === 1 ? "final" : "label", latest, old.conflict === 1];
    const step = taskTransition(row.state, "review");
    if (step.reply === "unknown" || latest === null) return ["unknown"];
    if ((this.#sql.countReviews.get(row.n)?.c ?? 0) >= reviewsPerCaseMax) {
      return failure("HP_CONFLICT", `case ${id} has ${reviewsPerCaseMax} reviews; no more are kept`);
    }
    const deciding = step.reply === "applied";
    if (deciding && revision !== row.revision + 1) {
      return failure("HP_CONFLICT", `revision ${revision} of case ${id} does not follow ${row.revision}`);
    }
    if (deciding && !isFinalBody(body)) return failure("HP_CONFLICT", `a review makes case ${id} final`);
    const conflict = !deciding && !agrees(latest, label);
    if (deciding) this.#finish(row, revision, body);
    else if (row.audit === "open") this.#closeAudit(row);
    this.#sql.insertReview.run(row.n, reviewId, review, deciding ? 1 : 0, conflict ? 1 : 0);
    this.#ledger.append(
      JSON.stringify({
        at: this.#ledger.wallMs,
        body: deciding ? textHash(`${body}\0`) : null,
        conflict,
        id,
        kind: "review",
        n: this.#ledger.nextN,
        of: row.n,
        review: textHash(review),
        reviewId,
        revision: deciding ? revision : null,
      }),
    );
    this.#send("review", row.n, `{"conflict":${String(conflict)},"id":"${id}","review":${review}}`);
    if (deciding) this.#send("revision", row.n, `{"decision":${body},"id":"${id}"}`);
    return deciding ? ["final", body, false] : ["label", latest, conflict];
  }

  settle(op: SettleOp): OpResult {
    const [, id, revision, reason, body] = op;
    const row = this.#sql.head.get(id);
    if (row === undefined || taskTransition(row.state, "settle").reply !== "applied") return null;
    if (revision !== row.revision + 1) {
      return failure("HP_CONFLICT", `revision ${revision} of case ${id} does not follow ${row.revision}`);
    }
    if (!isFinalBody(body)) return failure("HP_CONFLICT", `a settlement makes case ${id} final`);
    this.#finish(row, revision, body);
    const header = { at: this.#ledger.wallMs, body: textHash(`${body}\0`), id, kind: "settle", n: this.#ledger.nextN };
    this.#ledger.append(JSON.stringify({ ...header, of: row.n, reason, revision }));
    this.#send("revision", row.n, `{"decision":${body},"id":"${id}"}`);
    return body;
  }

  outcome(op: OutcomeOp): OpResult {
    const [, device, id, body] = op;
    const row = this.#sql.head.get(id);
    if (row === undefined || taskTransition(row.state, "outcome").reply !== "applied") return "unknown_id";
    const digest = chainHash(emptyHash, body);
    if (this.#sql.oldOutcome.get(row.n, digest) !== undefined) return "known";
    if ((this.#sql.countOutcomes.get(row.n)?.c ?? 0) >= outcomesPerCaseMax) {
      return failure("HP_CONFLICT", `case ${id} has ${outcomesPerCaseMax} outcomes; no more are kept`);
    }
    this.#sql.insertOutcome.run(row.n, digest, device, body);
    const header = { at: this.#ledger.wallMs, body: textHash(body), device, id, kind: "outcome" };
    this.#ledger.append(JSON.stringify({ ...header, n: this.#ledger.nextN, of: row.n }));
    this.#send("outcome", row.n, `{"id":"${id}","outcome":${body}}`);
    return "recorded";
  }

  observe(op: ObserveOp): OpResult {
    const [, device, id, entity, atMs, body] = op;
    if (this.#sql.oldEvent.get(id) !== undefined) return "known";
    const ledger = this.#ledger;
    const n = ledger.nextN;
    const key = freshKey();
    this.#sql.insertEvent.run(n, id, device, entity, atMs, ledger.agentMs, key, body);
    ledger.append(JSON.stringify({ at: ledger.wallMs, device, event: commitment(key, body), id, kind: "observe", n }));
    return "recorded";
  }

  delivered(op: DeliveredOp): OpResult {
    const [, device, id, revision] = op;
    const row: Answered | undefined = this.#answered.get(id) ?? this.#sql.head.get(id);
    this.#answered.delete(id);
    if (row?.device !== device) return 0;
    const cleared = this.deliveries.clear(device, row.n, revision, row.pack);
    this.#ledger.totals.undelivered -= cleared;
    if (revision > 1 && (cleared === 1 || this.#isFetched(id, revision))) {
      this.#send("delivered", row.n, `{"id":"${id}","revision":${revision}}`);
    }
    return 0;
  }

  /**
   * Whether a device has fetched its final decision over HTTP, where no row waits for that. Told once, and once more
   * where a restart has forgotten it.
   */
  #isFetched(id: string, revision: number): boolean {
    if (this.#fetched.get(id) === true) return false;
    const row = this.#sql.head.get(id);
    if (row?.transport !== "http" || row.state !== "final" || row.revision !== revision) return false;
    this.#fetched.set(id, true);
    return true;
  }

  /** The latest revision of a decided case. */
  #body({ n, revision, joint }: HeadRow): string | null {
    const row =
      joint === 1 && revision === 1
        ? this.#sql.jointRevision.get(n)
        : this.#sql.revision.get(n * revisionSlots + revision);
    return row?.body ?? null;
  }

  /** A pending case gets its last revision. */
  #finish(row: HeadRow, revision: number, body: string): void {
    const rank = row.input_state === "kept" ? evictionRank("final", row.verdict ?? "escalate", row.audit) : null;
    this.#sql.finishCase.run(revision, this.#ledger.agentMs, rank, row.n);
    this.#revise(row, revision, body, null);
    this.#ledger.totals.pending -= 1;
  }

  #revise(row: HeadRow, revision: number, body: string, trace: string | null): void {
    const key = row.n * revisionSlots + revision;
    this.#sql.insertRevision.run(key, body, trace);
    const event = row.transport === "mqtt" ? "revised" : "polled";
    if (deliveryTransition("none", event).effect !== "insert") return;
    this.deliveries.add(row.device, key);
    this.#ledger.totals.undelivered += 1;
  }

  #closeAudit(row: HeadRow): void {
    const rank = row.input_state === "kept" ? evictionRank("final", row.verdict ?? "accept", "reviewed") : null;
    this.#sql.reviewAudit.run(this.#ledger.agentMs, rank, row.n);
  }

  #send(kind: string, n: number, body: string): void {
    const { totals, wallMs } = this.#ledger;
    totals.outboxSeq += 1;
    totals.unsent += 1;
    this.#sql.insertOutbox.run(totals.outboxSeq, kind, n, Math.round(wallMs), body);
  }
}

/** Entries of each map, and at most twice as many; beyond it the oldest go. */
const rememberedMax = 4096;

const emptyHash = new Uint8Array(32);

function isFinalBody(body: string): boolean {
  return (JSON.parse(body) as { readonly status: string }).status === "final";
}

/** "Cannot tell" and "bad picture" agree with nothing. */
function agrees(latestBody: string, label: string | null): boolean {
  const decision = JSON.parse(latestBody) as { readonly answer: { readonly label: string } | null };
  return label !== null && decision.answer?.label === label;
}
