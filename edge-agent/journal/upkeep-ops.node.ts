import type { Database } from "../../protocol/platform/sqlite.node.ts";
import type { DeliveryRows } from "./delivery-rows.node.ts";
import { evictionRanks, planEviction, type EvictionRank } from "./eviction-plan.ts";
import { textHash, type Ledger } from "./journal-ledger.node.ts";
import { revisionSlots } from "./journal-schema.ts";
import type { ConfigOp, EraseOp, ForwardedOp, JournalLimits, OpResult, RetentionLimits } from "./journal-wire.ts";
import { outboxTransition, outboxWatermark } from "./outbox-machine.ts";

/** What happens to the journal besides cases: eviction, retention, erasure, pruning, configs, the outbox's watermark. */

interface EvictableRow {
  readonly n: number;
  readonly input_bytes: number;
  readonly evict_rank: EvictionRank;
  readonly answered_agent_ms: number;
}

interface PrunableRow {
  readonly n: number;
  readonly device: string;
  readonly state: string;
  readonly input_state: string;
  readonly input_bytes: number;
  readonly answered_agent_ms: number | null;
}

const configsMax = 10_000;

/** The last record that was pruned. */
const checkpointN = "coalesce((SELECT n FROM checkpoint), 0)";

function prepareAll(database: Database) {
  const prepare = <Row = unknown>(sql: string) => database.prepare<unknown[], Row>(sql);
  const evictable = "SELECT n, input_bytes, evict_rank, answered_agent_ms FROM cases WHERE";
  return {
    evictable: prepare<EvictableRow>(
      `${evictable} evict_rank IS NOT NULL ORDER BY evict_rank, answered_agent_ms LIMIT ?`,
    ),
    aged: prepare<EvictableRow>(
      `${evictable} evict_rank = ? AND answered_agent_ms <= ? ORDER BY answered_agent_ms LIMIT ?`,
    ),
    evictCase: prepare(
      `UPDATE cases SET input_state = 'evicted', evict_rank = NULL, tombstone_n = ?,
       audit = CASE audit WHEN 'open' THEN 'evicted' ELSE audit END WHERE n = ?`,
    ),
    eraseCase: prepare(
      `UPDATE cases SET input_state = 'erased', evict_rank = NULL, tombstone_n = ?, body_digest = NULL,
       audit = CASE audit WHEN 'open' THEN 'evicted' ELSE audit END WHERE n = ?`,
    ),
    deleteInput: prepare("DELETE FROM inputs WHERE n = ?"),
    byId: prepare<{ n: number; input_state: string; input_bytes: number }>(
      "SELECT n, input_state, input_bytes FROM cases WHERE id = ?",
    ),
    oldest: prepare<PrunableRow>(
      `SELECT n, device, state, input_state, input_bytes, answered_agent_ms FROM cases ORDER BY n LIMIT ?`,
    ),
    oldRecords: prepare<{ n: number; agent_ms: number; hash: Uint8Array }>(
      `SELECT n, agent_ms, hash FROM records WHERE n > ${checkpointN} ORDER BY n LIMIT ?`,
    ),
    oldEvents: prepare<{ n: number; agent_ms: number }>("SELECT n, agent_ms FROM events ORDER BY n LIMIT ?"),
    deleteEvents: prepare("DELETE FROM events WHERE n <= ?"),
    // The record of a case that was admitted and decided in one step is that case's too, and stays as long as it does.
    deleteRecords: prepare(
      `DELETE FROM records WHERE n > ${checkpointN} AND n <= ?
       AND NOT EXISTS (SELECT 1 FROM cases c WHERE c.n = records.n AND c.header = '')`,
    ),
    deleteRecordOf: prepare(`DELETE FROM records WHERE n = ? AND n <= ${checkpointN}`),
    checkpoint: prepare("INSERT OR REPLACE INTO checkpoint (one, n, hash, at_ms, mac) VALUES (1, ?, ?, ?, ?)"),
    deleteCase: prepare("DELETE FROM cases WHERE n = ?"),
    deleteRevisions: prepare("DELETE FROM revisions WHERE key BETWEEN ? AND ?"),
    deleteReviews: prepare("DELETE FROM reviews WHERE n = ?"),
    deleteOutcomes: prepare("DELETE FROM outcomes WHERE n = ?"),
    deleteOutboxOf: prepare("DELETE FROM outbox WHERE n = ?"),
    deleteOutbox: prepare("DELETE FROM outbox WHERE seq <= ?"),
    newestConfig: prepare<{ revision: number; digest: string }>(
      "SELECT revision, digest FROM configs ORDER BY revision DESC LIMIT 1",
    ),
    insertConfig: prepare("INSERT INTO configs (revision, digest, body) VALUES (?, ?, ?)"),
    deleteConfigs: prepare("DELETE FROM configs WHERE revision <= ?"),
  };
}

export class UpkeepOps {
  readonly #database: Database;
  readonly #ledger: Ledger;
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #deliveries: DeliveryRows;
  readonly #limits: JournalLimits;
  readonly #sign: (n: number, hash: Uint8Array) => Uint8Array;
  /** Set by an erasure: the log still holds the erased bytes until it has been copied back and cut. */
  truncateLogWanted = false;

  constructor(
    database: Database,
    ledger: Ledger,
    deliveries: DeliveryRows,
    limits: JournalLimits,
    sign: (n: number, hash: Uint8Array) => Uint8Array,
  ) {
    this.#database = database;
    this.#ledger = ledger;
    this.#deliveries = deliveries;
    this.#limits = limits;
    this.#sign = sign;
    this.#sql = prepareAll(database);
  }

  /** Evicts up to `rowsMax` inputs that are too old or over the budget. True if there may be more of the old ones. */
  evict(retention: RetentionLimits, rowsMax: number): boolean {
    const { agentMs } = this.#ledger;
    let left = rowsMax;
    for (const rank of Object.values(evictionRanks)) {
      // An audit sample's answer is the person's: unanswered, it may wait as long as an escalation may.
      const keepMs =
        rank === evictionRanks.audit
          ? Math.max(retention.inputKeepMs, retention.unansweredMaxMs)
          : retention.inputKeepMs;
      const rows = this.#sql.aged.all(rank, agentMs - keepMs, left);
      this.#drop(rows, "age");
      left -= rows.length;
    }
    if (left <= 0) return true;
    if (this.#ledger.totals.inputBytes <= retention.journalBytesMax) return false;
    const rows = this.#sql.evictable.all(left);
    const plan = planEviction(
      { bytesKept: this.#ledger.totals.inputBytes, bytesMax: retention.journalBytesMax },
      rows.map((row) => ({
        n: row.n,
        rank: row.evict_rank,
        answeredAgentMs: row.answered_agent_ms,
        bytes: row.input_bytes,
      })),
    );
    const chosen = new Set(plan.evict);
    this.#drop(
      rows.filter((row) => chosen.has(row.n)),
      "budget",
    );
    return false;
  }

  /** True when nothing is left that may be evicted. */
  nothingEvictable(): boolean {
    return this.#sql.evictable.get(1) === undefined;
  }

  #drop(rows: readonly EvictableRow[], why: "age" | "budget"): void {
    if (rows.length === 0) return;
    const ledger = this.#ledger;
    const n = ledger.nextN;
    for (const row of rows) {
      this.#sql.evictCase.run(n, row.n);
      this.#sql.deleteInput.run(row.n);
      ledger.totals.inputBytes -= row.input_bytes;
    }
    ledger.totals.evicted += rows.length;
    const audits = rows.filter((row) => row.evict_rank === evictionRanks.audit).map((row) => row.n);
    ledger.append(JSON.stringify({ at: ledger.wallMs, audits, kind: "evict", n, of: rows.map((row) => row.n), why }));
  }

  erase(op: EraseOp): OpResult {
    const [, id] = op;
    const row = this.#sql.byId.get(id);
    if (row?.input_state !== "kept") return false;
    const ledger = this.#ledger;
    const n = ledger.nextN;
    // Zeroes the freed pages too; on for this one delete only, because it makes every page of it a write.
    this.#database.pragma("secure_delete = ON");
    try {
      this.#sql.deleteInput.run(row.n);
      this.#sql.eraseCase.run(n, row.n);
    } finally {
      this.#database.pragma("secure_delete = OFF");
    }
    ledger.totals.inputBytes -= row.input_bytes;
    ledger.append(JSON.stringify({ at: ledger.wallMs, id, kind: "erase", n, of: row.n }));
    this.truncateLogWanted = true;
    return true;
  }

  /** One step over at most `rowsMax` cases, so that no commit waits long. Returns the number of rows removed. */
  prune(beforeAgentMs: number, rowsMax: number): number {
    const ledger = this.#ledger;
    const cases = this.#sql.oldest
      .all(rowsMax)
      .filter((row) => row.state === "final" && (row.answered_agent_ms ?? Infinity) < beforeAgentMs);
    const dropped = { deliveries: 0, outbox: 0 };
    for (const row of cases) this.#deleteCase(row, dropped);
    const events = this.#sql.oldEvents.all(rowsMax).findLast((row) => row.agent_ms < beforeAgentMs)?.n ?? null;
    if (events !== null) this.#sql.deleteEvents.run(events);
    const old = this.#sql.oldRecords.all(4 * rowsMax);
    const last = old.findLast((row) => row.agent_ms < beforeAgentMs);
    if (cases.length === 0 && events === null && last === undefined) return 0;
    if (last !== undefined) {
      this.#sql.deleteRecords.run(last.n);
      this.#sql.checkpoint.run(last.n, last.hash, Math.round(ledger.wallMs), this.#sign(last.n, last.hash));
    }
    ledger.totals.prunedCases += cases.length;
    ledger.append(
      JSON.stringify({
        at: ledger.wallMs,
        dropped,
        events,
        kind: "prune",
        n: ledger.nextN,
        of: cases.map((row) => row.n),
        upto: last?.n ?? null,
      }),
    );
    return cases.length + (last === undefined ? 0 : old.filter((row) => row.n <= last.n).length);
  }

  #deleteCase(row: PrunableRow, dropped: { deliveries: number; outbox: number }): void {
    const { totals } = this.#ledger;
    const [from, to] = [row.n * revisionSlots, row.n * revisionSlots + revisionSlots - 1];
    const deliveries = this.#deliveries.clearCase(row.device, row.n);
    const outbox = this.#sql.deleteOutboxOf.run(row.n).changes;
    this.#sql.deleteRevisions.run(from, to);
    this.#sql.deleteReviews.run(row.n);
    this.#sql.deleteOutcomes.run(row.n);
    this.#sql.deleteInput.run(row.n);
    this.#sql.deleteCase.run(row.n);
    this.#sql.deleteRecordOf.run(row.n);
    if (row.input_state === "kept") totals.inputBytes -= row.input_bytes;
    totals.undelivered -= deliveries;
    totals.unsent -= outbox;
    dropped.deliveries += deliveries;
    dropped.outbox += outbox;
  }

  /** Nine tenths of the file are in use: closed cases go before their time rather than new ones being refused. */
  underPressure(): boolean {
    const [page, free] = [this.#pragma("page_count"), this.#pragma("freelist_count")];
    return (page - free) * 4096 > 0.9 * this.#limits.databaseBytesMax;
  }

  #pragma(name: string): number {
    return this.#database.pragma(name, { simple: true }) as number;
  }

  config(op: ConfigOp): OpResult {
    const [, digest, body] = op;
    const newest = this.#sql.newestConfig.get();
    if (newest?.digest === digest) return newest.revision;
    const ledger = this.#ledger;
    const revision = (newest?.revision ?? 0) + 1;
    this.#sql.insertConfig.run(revision, digest, body);
    this.#sql.deleteConfigs.run(revision - configsMax);
    const header = { at: ledger.wallMs, body: textHash(body), digest, kind: "config", n: ledger.nextN, revision };
    ledger.append(JSON.stringify(header));
    return revision;
  }

  forwarded(op: ForwardedOp): OpResult {
    const [, epoch, watermark] = op;
    const { totals } = this.#ledger;
    if (epoch !== this.#ledger.epoch) return totals.outboxTaken;
    const next = outboxWatermark(totals.outboxTaken, totals.outboxSeq, watermark);
    if (next === totals.outboxTaken || outboxTransition("unsent", "passed").effect !== "delete") return next;
    totals.unsent -= this.#sql.deleteOutbox.run(next).changes;
    totals.outboxTaken = next;
    return next;
  }
}
