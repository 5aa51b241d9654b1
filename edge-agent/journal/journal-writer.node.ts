import { join } from "node:path";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { LogGauge } from "../../protocol/platform/log-gauge.node.ts";
import {
  openDatabase,
  pageBytes,
  sqliteCode,
  sqliteFault,
  type Database,
} from "../../protocol/platform/sqlite.node.ts";
import { deriveSecret, readSecret } from "./agent-secret.node.ts";
import { CaseOps, failure } from "./case-ops.node.ts";
import { checkpointMac } from "./chain.ts";
import { diskBytes, DiskReserve, limitsOn, retentionIn } from "./disk-reserve.node.ts";
import { Ledger } from "./journal-ledger.node.ts";
import type {
  BatchMessage,
  BatchReply,
  JournalLimits,
  Op,
  OpFailure,
  OpResult,
  RetentionLimits,
} from "./journal-wire.ts";
import type { JournalStorage } from "./journal.ts";
import { markSuspect } from "./journal-directory.node.ts";
import { UpkeepOps } from "./upkeep-ops.node.ts";

/**
 * The writing half, in a worker thread: everything that arrived goes into one transaction. Operations refuse before they
 * write, so the usual commit needs no savepoints; if one throws all the same, the transaction is rolled back and each
 * operation is tried in its own, so that the failing one fails alone.
 */

export interface WriterOptions {
  readonly dir: string;
  readonly limits: JournalLimits;
  readonly retention: RetentionLimits;
  readonly opened: string;
  readonly wallMs: number;
}

const retryAfterMs = 1000;
/** How often a disk that refused is asked whether it takes writes again. */
const healEveryMs = 5000;
/** Agent time that a power cut may forget while nothing else is written: patience lasts that much longer then. */
const agentMsLagMax = 10_000;
const upkeepEveryMs = 1000;
const noReserve = "the disk has no room for the journal's reserve";
const pruneEveryMs = 30_000;
const pruneRowsMax = 512;
/**
 * New work; refused while the disk is full, so that what was begun can be finished in the reserve. A config is none: it
 * is small, an agent needs one to start, and a smaller budget may be just what makes room.
 */
const intake: ReadonlySet<Op[0]> = new Set(["admit", "observe", "outcome"] as const);

export async function openWriter(options: WriterOptions): Promise<JournalWriter> {
  const limits = limitsOn(diskBytes(options.dir), options.limits);
  const database = await openDatabase(join(options.dir, "journal.db"), {
    mustExist: true,
    pagesMax: Math.floor(limits.databaseBytesMax / pageBytes),
    walPagesMax: Math.floor(limits.walBytesMax / pageBytes),
  });
  // A page that is found in memory costs no read; 32 MiB hold the tips of every index.
  database.pragma("cache_size = -32768");
  return new JournalWriter(database, { ...options, limits });
}

export class JournalWriter {
  readonly log: LogGauge;
  readonly #database: Database;
  readonly #ledger: Ledger;
  readonly #cases: CaseOps;
  readonly #upkeep: UpkeepOps;
  readonly #reserve: DiskReserve;
  readonly #dir: string;
  readonly #limits: JournalLimits;
  readonly #begin;
  readonly #commit;
  readonly #touch;
  #retention: RetentionLimits;
  #full: string | null = null;
  #broken: string | null = null;
  /** Agent time of the next try; a damaged file needs the checks of a start. */
  #healAtMs = Infinity;
  #low = false;
  #reserveAtMs = -Infinity;
  #budgetFull = false;
  #upkeepAtMs = -Infinity;
  #pruneAtMs = -Infinity;

  constructor(database: Database, options: WriterOptions) {
    this.#database = database;
    this.#dir = options.dir;
    this.#limits = options.limits;
    this.#retention = retentionIn(options.retention, options.limits);
    this.#ledger = new Ledger(database);
    this.#ledger.wallMs = options.wallMs;
    this.#cases = new CaseOps(database, this.#ledger, options.retention);
    const key = deriveSecret(readSecret(options.dir), "checkpoint");
    const { epoch } = this.#ledger;
    this.#upkeep = new UpkeepOps(database, this.#ledger, this.#cases.deliveries, options.limits, (n, hash) =>
      checkpointMac(nodeHasher, key, epoch, n, hash),
    );
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.log = new LogGauge(database, options.limits.walBytesMax);
    this.#touch = database.prepare("UPDATE instance SET agent_ms = agent_ms");
    this.#reserve = new DiskReserve(options.dir, options.limits.reserveBytes);
    if (!this.#reserve.take()) this.#full = noReserve;
    this.#start(options.opened);
  }

  #start(opened: string): void {
    const header = { agentMs: this.#ledger.agentMs, at: this.#ledger.wallMs, kind: "start", n: this.#ledger.nextN };
    try {
      this.#transact(() => this.#ledger.append(JSON.stringify({ ...header, opened })));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Applies the messages in one commit and answers each. */
  apply(messages: readonly BatchMessage[]): readonly BatchReply[] {
    const last = messages.at(-1);
    if (last === undefined) return [];
    this.#ledger.wallMs = last.wallMs;
    this.#ledger.agentMs = Math.max(this.#ledger.agentMs, last.agentMs);
    if (this.#broken !== null) this.#tryToHeal();
    else if (this.#full !== null) this.#tryToRecover();
    else this.#watchReserve();
    const results = this.#applyAll(messages);
    this.#cutLog();
    const reply = this.#reply();
    return results.map((result) => ({ ...reply, results: result }));
  }

  #applyAll(messages: readonly BatchMessage[]): OpResult[][] {
    if (this.#broken !== null) return messages.map(({ ops }) => ops.map(() => this.#refusal()));
    try {
      return this.#transact(() => {
        const results = messages.map((message) => this.#applyOps(message));
        this.#sweep(messages.reduce((sum, message) => sum + message.ops.length, 0));
        return results;
      });
    } catch (error) {
      this.#fail(error);
      return messages.map((message) => message.ops.map((op) => this.#applyAlone(op, message.bytes)));
    }
  }

  #applyOps(message: BatchMessage): OpResult[] {
    return message.ops.map((op) =>
      this.#full !== null && intake.has(op[0]) ? this.#refusal() : this.#apply(op, message.bytes),
    );
  }

  #applyAlone(op: Op, bytes: ArrayBuffer): OpResult {
    if (this.#broken !== null || (this.#full !== null && intake.has(op[0]))) return this.#refusal();
    try {
      return this.#transact(() => this.#apply(op, bytes));
    } catch (error) {
      this.#fail(error);
      if (!this.#wellNow()) return this.#refusal();
      return failure("HP_JOURNAL", `the journal refused "${op[0]}": ${text(error)}`);
    }
  }

  #wellNow(): boolean {
    return this.#full === null && this.#broken === null;
  }

  /** Runs the body in a transaction; on an error everything, totals included, is as it was before. */
  #transact<T>(body: () => T): T {
    this.#begin.run();
    try {
      const result = body();
      this.#cases.deliveries.flush();
      this.#ledger.save(agentMsLagMax);
      this.#commit.run();
      this.#ledger.committed();
      return result;
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
      this.#ledger.rolledBack();
      this.#cases.forget();
      throw error;
    }
  }

  #apply(op: Op, bytes: ArrayBuffer): OpResult {
    switch (op[0]) {
      case "admit":
        return this.#cases.admit(op, bytes);
      case "decide":
        return this.#cases.decide(op);
      case "delivered":
        return this.#cases.delivered(op);
      case "review":
        return this.#cases.review(op);
      case "settle":
        return this.#cases.settle(op);
      case "outcome":
        return this.#cases.outcome(op);
      case "observe":
        return this.#cases.observe(op);
      case "erase":
        this.#cases.forget(op[1]);
        return this.#upkeep.erase(op);
      case "config":
        this.#retention = retentionIn(op[3], this.#limits);
        this.#cases.retention = op[3];
        return this.#upkeep.config(op);
      case "forwarded":
        return this.#upkeep.forwarded(op);
      case "prune":
        return this.#upkeep.prune(op[1], pruneRowsMax);
      case "clock":
        this.#note("clock", { jumpMs: op[1] });
        return 0;
      case "stop":
        this.#note("stop", {});
        return 0;
      case "tick":
        return 0;
    }
  }

  #note(kind: string, data: { readonly jumpMs?: number }): void {
    const { agentMs, wallMs, nextN } = this.#ledger;
    this.#ledger.append(JSON.stringify({ agentMs, at: wallMs, ...data, kind, n: nextN }));
  }

  /** Retention and eviction ride on the commits of others; a share of the batch keeps them up with any load. */
  #sweep(ops: number): void {
    const { agentMs, totals } = this.#ledger;
    const over = totals.inputBytes > this.#retention.journalBytesMax;
    if (!over) this.#budgetFull = false;
    if (over || agentMs - this.#upkeepAtMs >= upkeepEveryMs) {
      // A sweep that found as many as it may take is followed by another in the next commit.
      if (!this.#upkeep.evict(this.#retention, 64 + 2 * ops)) this.#upkeepAtMs = agentMs;
      const stillOver = totals.inputBytes > this.#retention.journalBytesMax;
      this.#budgetFull = stillOver && this.#upkeep.nothingEvictable();
    }
    if (agentMs - this.#pruneAtMs < pruneEveryMs) return;
    const pressed = this.#upkeep.underPressure();
    const before = pressed ? agentMs : agentMs - this.#limits.caseKeepMs;
    // While a step finds something, the next commit takes another.
    if (this.#upkeep.prune(before, Math.min(pruneRowsMax, 64 + ops)) === 0) this.#pruneAtMs = agentMs;
  }

  /** Decides what an error means from now on. */
  #fail(error: unknown): void {
    const fault = sqliteFault(error);
    if (fault === "full" || (fault === "io" && this.#outOfSpace())) {
      this.#full = fault === "full" && this.#databaseFull() ? atBound(this.#limits) : text(error);
      this.#reserve.release();
      this.#pruneAtMs = -Infinity;
      return;
    }
    if (fault !== "corrupt" && fault !== "io") return;
    this.#broken = `${text(error)} (${sqliteCode(error) ?? "no code"})`;
    this.#healAtMs = fault === "io" ? this.#ledger.agentMs + healEveryMs : Infinity;
    // The next start looks at the whole file before it trusts it.
    if (fault === "corrupt") markSuspect(this.#dir, this.#broken);
  }

  #outOfSpace(): boolean {
    try {
      return this.#reserve.freeBytes() < this.#limits.walBytesMax;
    } catch {
      return false;
    }
  }

  #tryToRecover(): void {
    if (this.#databaseFull()) return;
    if (!this.#reserve.take()) {
      // The log may have grown over what is missing; it is cut only where nobody else takes what it gives back.
      if (this.#reserve.freeBytes() < this.#limits.reserveBytes) return;
      this.#tryToCutLog();
      if (!this.#reserve.take()) return;
    }
    this.#full = null;
  }

  /** A disk that was read-only or out of reach may be back. One that takes a commit takes the next ones. */
  #tryToHeal(): void {
    const { agentMs } = this.#ledger;
    if (agentMs < this.#healAtMs) return;
    this.#healAtMs = agentMs + healEveryMs;
    try {
      // The failed transaction may have ended half-way: what is counted is what the file says.
      this.#ledger.rolledBack();
      this.#cases.forget();
      this.#transact(() => this.#touch.run());
      this.#broken = null;
    } catch {
      // It is asked again.
    }
  }

  /** New work is taken only while the reserve is held; a disk that is nearly full is said before it refuses. */
  #watchReserve(): void {
    const { agentMs } = this.#ledger;
    if (agentMs - this.#reserveAtMs < upkeepEveryMs) return;
    this.#reserveAtMs = agentMs;
    if (!this.#reserve.take()) this.#full = noReserve;
    this.#low = this.#reserve.isLow();
  }

  #tryToCutLog(): void {
    try {
      this.#database.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // There is no room for it in the database either.
    }
  }

  /** The file has reached its own bound although the disk may have room. */
  #databaseFull(): boolean {
    const pages = this.#database.pragma("page_count", { simple: true }) as number;
    const free = this.#database.pragma("freelist_count", { simple: true }) as number;
    return (pages - free) * pageBytes > 0.98 * this.#limits.databaseBytesMax;
  }

  #refusal(): OpFailure {
    if (this.#broken !== null) {
      const message = `the journal cannot be written: ${this.#broken}`;
      // Whoever waits may wait for a disk that comes back; for a damaged file only a restart helps.
      if (this.#healAtMs < Infinity) return { code: "HP_BUSY", message, retryAfterMs: healEveryMs };
      return failure("HP_JOURNAL", message);
    }
    return { code: "HP_DISK_FULL", message: `the journal has no space: ${this.#full ?? ""}`, retryAfterMs };
  }

  #cutLog(): void {
    if (!this.#upkeep.truncateLogWanted || this.#broken !== null) return;
    try {
      const [row] = this.#database.pragma("wal_checkpoint(TRUNCATE)") as readonly { readonly busy: number }[];
      if (row?.busy === 0) this.#upkeep.truncateLogWanted = false;
    } catch (error) {
      this.#fail(error);
    }
  }

  storage(): JournalStorage {
    const { totals } = this.#ledger;
    const problem =
      this.#broken !== null
        ? { code: "HP_JOURNAL" as const, message: this.#broken }
        : this.#full !== null
          ? { code: "HP_DISK_FULL" as const, message: this.#full }
          : this.#low
            ? { code: "HP_DISK_FULL" as const, message: "the disk is nearly full; new work is still taken" }
            : null;
    return {
      problem,
      budgetFull: this.#budgetFull,
      inputBytes: totals.inputBytes,
      undecided: totals.undecided,
      pending: totals.pending,
      unsent: totals.unsent,
      undelivered: totals.undelivered,
      outboxSeq: totals.outboxSeq,
    };
  }

  #reply(): Omit<BatchReply, "results"> {
    const { received, evicted } = this.#ledger.totals;
    return { kind: "committed", storage: this.storage(), received, evicted };
  }

  get head(): { readonly n: number; readonly hash: string } {
    const { headN, headHash } = this.#ledger.totals;
    return { n: headN, hash: Buffer.from(headHash).toString("hex") };
  }

  /**
   * Closes the database. Returns where the chain ends, or null after a commit that failed: its frames may stand in the log
   * all the same, and then the next start finds more than was counted here.
   */
  close(): JournalWriter["head"] | null {
    const head = this.#broken === null ? this.head : null;
    this.#database.close();
    return head;
  }
}

/** SQLite's words for it are those of a full disk, and freeing space on the disk would not help. */
function atBound({ databaseBytesMax }: JournalLimits): string {
  const megabytes = Math.round(databaseBytesMax / 1_000_000);
  return `the database is at its bound of ${megabytes} MB with cases that are not closed: answer them, or give it a larger disk`;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
