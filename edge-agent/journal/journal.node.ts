import { resolve } from "node:path";
import { type EffectiveConfig, type RetentionPolicy } from "../../config/index.ts";
import {
  HoldpointError,
  inputData,
  newId,
  type Cancel,
  type Clock,
  type Decision,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { agentSecret } from "./agent-secret.node.ts";
import { headerText, inputText } from "./case-rows.ts";
import { CommitQueue, errorOf } from "./commit-queue.node.ts";
import { prepareJournal, type PreparedJournal } from "./journal-inspect.node.ts";
import { journalReads, type Ask } from "./journal-reads.ts";
import { startThread, type JournalThread, type ThreadMessage } from "./journal-thread.node.ts";
import { type DecideOp, type JournalLimits, type WorkerData } from "./journal-wire.ts";
import {
  type Admission,
  type Admitted,
  type DecisionRecord,
  type Journal,
  type JournalCounts,
  type JournalOpened,
  type JournalStorage,
  type Reviewed,
  type ReviewRecord,
} from "./journal.ts";

export interface JournalOptions {
  /** The agent's data directory. The journal owns it while it is open. */
  readonly dir: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** In force until the first `adoptConfig`. */
  readonly retention: RetentionPolicy;
  readonly limits?: Partial<JournalLimits>;
  /** How the writing and the reading thread are started. The simulation runs them on its own time, in one thread. */
  readonly startThread?: typeof startThread;
}

/** docs/durability.md says what happens at each of them. */
const journalLimits: JournalLimits = Object.freeze({
  databaseBytesMax: 16 * 1024 ** 3,
  walBytesMax: 8 * 1024 ** 2,
  reserveBytes: 16 * 1024 ** 2,
  caseKeepMs: 30 * 86_400_000,
});

const tickMs = 1000;
/** A wall clock that moves this much more or less than the monotonic one within a tick has jumped. */
const jumpMs = 5000;

/**
 * Opens the journal of a data directory and takes the directory for this process. A damaged journal is moved to
 * `quarantine/<time>/` with a report, and a fresh one with a new epoch begins: `opened` says so, and whoever runs the
 * agent must say so too. Errors: HP_LOCKED, HP_JOURNAL (a newer schema, which is left as it is; an unreadable
 * directory), HP_DISK_FULL, HP_RUNTIME_MISSING.
 */
export async function openJournal(
  options: JournalOptions,
): Promise<{ readonly journal: Journal; readonly opened: JournalOpened }> {
  const dir = resolve(options.dir);
  const { clock, random, logger } = options;
  const limits = { ...journalLimits, ...options.limits };
  const newEpoch = (): string => newId(clock, random);
  const prepared = await prepareJournal({ dir, wallMs: clock.wallMs(), newEpoch });
  const { opened } = prepared;
  if (opened.kind === "recovered") logger.error("journal quarantined", { ...opened });
  try {
    agentSecret(dir, "checkpoint"); // Made now, so that the writer can sign.
    const data = { dir, limits, retention: limitsOf(options.retention), wallMs: clock.wallMs(), opened: opened.kind };
    const journal = new SqliteJournal(options, prepared);
    await journal.start(data);
    return { journal, opened };
  } catch (error) {
    prepared.unlock();
    throw error;
  }
}

function limitsOf({ journalBytesMax, inputKeepMs, unansweredMaxMs }: RetentionPolicy) {
  return { journalBytesMax, inputKeepMs, unansweredMaxMs };
}

const emptyStorage: JournalStorage = {
  problem: null,
  budgetFull: false,
  inputBytes: 0,
  undecided: 0,
  pending: 0,
  unsent: 0,
  undelivered: 0,
  outboxSeq: 0,
};

type Reads = ReturnType<typeof journalReads>;

class SqliteJournal implements Journal {
  readonly epoch: string;
  readonly #options: JournalOptions;
  readonly #unlock: () => void;
  readonly #startedMs: number;
  readonly #startAgentMs: number;
  readonly #listeners = new Set<(storage: JournalStorage) => void>();
  readonly #asking = new Map<number, { done: (value: unknown) => void; fail: (error: HoldpointError) => void }>();
  readonly #progress = new Map<number, (records: number) => void>();
  #asked = 0;
  #queue!: CommitQueue;
  #writer!: JournalThread;
  #reader!: JournalThread;
  #reads: Reads;
  #storage = emptyStorage;
  #totals = { received: 0, evicted: 0 };
  #wallOffsetMs: number;
  #cancelTick: Cancel = () => undefined;
  #closing: Promise<void> | null = null;

  constructor(options: JournalOptions, prepared: PreparedJournal) {
    this.#options = options;
    this.#unlock = prepared.unlock;
    this.epoch = prepared.instance.epoch;
    this.#startedMs = options.clock.monotonicMs();
    this.#startAgentMs = prepared.agentMs;
    this.#wallOffsetMs = options.clock.wallMs() - options.clock.monotonicMs();
    this.#reads = journalReads(this.epoch, this.#ask, () => this.#agentMs());
  }

  async start(data: Omit<WorkerData, "role">): Promise<void> {
    const died = (error: HoldpointError): void => this.#died(error);
    const start = this.#options.startThread ?? startThread;
    const starting = await Promise.allSettled([
      start({ ...data, role: "writer" }, this.#heard, died),
      start({ ...data, role: "reader" }, this.#heard, died),
    ]);
    const failed = starting.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      for (const result of starting) if (result.status === "fulfilled") await result.value.close();
      throw failed.reason;
    }
    const [writer, reader] = starting as [PromiseFulfilledResult<JournalThread>, PromiseFulfilledResult<JournalThread>];
    this.#writer = writer.value;
    this.#reader = reader.value;
    const time = (): { wallMs: number; agentMs: number } => ({
      wallMs: this.#options.clock.wallMs(),
      agentMs: this.#agentMs(),
    });
    this.#queue = new CommitQueue(this.#writer.port, this.#options.timers, time, (reply) => {
      this.#totals = { received: reply.received, evicted: reply.evicted };
      this.#stored(reply.storage);
    });
    await this.#queue.push(["tick"], () => undefined); // Brings the storage state of what was found.
    this.#tick();
  }

  admit(admission: Admission): Promise<Admitted> {
    const { request, device, transport, encoding, receivedAtMs } = admission;
    const text = admission.keepInput ? inputText(request.input) : null;
    const data = inputData(request.input);
    const bytes = data?.byteLength ?? Buffer.byteLength(text ?? "");
    const header = headerText(request);
    return this.#queue.push(
      [
        "admit",
        request.id,
        device,
        request.task,
        transport,
        encoding,
        Math.round(receivedAtMs),
        header,
        0,
        text,
        bytes,
        null,
      ],
      admitted,
      {
        digest: admission.bodyDigest,
        data: admission.keepInput ? data : null,
        decision: () => {
          const record = admission.decision?.() ?? null;
          return record && decideOp(record);
        },
        decidedSoon: admission.decidedSoon ?? null,
      },
    );
  }

  decide(record: DecisionRecord): Promise<void> {
    return this.#queue.push(decideOp(record), nothing);
  }

  review(review: ReviewRecord): Promise<Reviewed> {
    const { revision, ...rest } = review;
    const label = review.answer.kind === "label" ? review.answer.label : null;
    const [kept, body] = [JSON.stringify(rest), JSON.stringify(revision)];
    return this.#queue.push(["review", review.id, review.reviewId, kept, label, revision.revision, body], (result) => {
      const [kind, latest, conflict] = result as readonly [Reviewed["kind"], string, boolean];
      if (kind === "unknown") return { kind };
      const decision = JSON.parse(latest) as Decision;
      return kind === "final" ? { kind, decision } : { kind, decision, conflict };
    });
  }

  settle({ revision }: Parameters<Journal["settle"]>[0]): Promise<Decision | null> {
    const { id, reasons } = revision;
    const op = ["settle", id, revision.revision, reasons[0] ?? "", JSON.stringify(revision)] as const;
    return this.#queue.push(op, (body) => (body === null ? null : (JSON.parse(body as string) as Decision)));
  }

  outcome(device: string, outcome: Parameters<Journal["outcome"]>[1]): ReturnType<Journal["outcome"]> {
    return this.#queue.push(
      ["outcome", device, outcome.id, JSON.stringify(outcome)],
      (result) => result as "recorded" | "known" | "unknown_id",
    );
  }

  observe(device: string, event: Parameters<Journal["observe"]>[1]): ReturnType<Journal["observe"]> {
    const op = ["observe", device, event.id, event.entity, Math.round(event.at), JSON.stringify(event)] as const;
    return this.#queue.push(op, (result) => result as "recorded" | "known");
  }

  delivered(device: string, id: string, revision: number): Promise<void> {
    return this.#queue.push(["delivered", device, id, revision], nothing);
  }

  async adoptConfig(config: EffectiveConfig): Promise<EffectiveConfig> {
    const body = JSON.stringify({ ...config, revision: undefined });
    const op = ["config", config.digest, body, limitsOf(config.retention)] as const;
    const revision = await this.#queue.push(op, (result) => result as number);
    return { ...config, revision };
  }

  erase(id: string): Promise<boolean> {
    return this.#queue.push(["erase", id], (result) => result === true);
  }

  forwarded(epoch: string, watermark: number): Promise<number> {
    return this.#queue.push(["forwarded", epoch, watermark], (result) => result as number);
  }

  async prune(beforeMs: number): Promise<number> {
    // Age is agent time: a wall clock that has jumped makes nothing older.
    const before = Math.round(this.#agentMs() - (this.#options.clock.wallMs() - beforeMs));
    for (let total = 0; ;) {
      const removed = await this.#queue.push(["prune", before], (result) => result as number);
      total += removed;
      if (removed === 0) return total;
    }
  }

  find: Journal["find"] = (id) => this.#reads.find(id);
  list: Journal["list"] = (query) => this.#reads.list(query);
  undelivered: Journal["undelivered"] = async (device, limit) => {
    // A device that connects anew must not be sent what it has just acknowledged. Where the disk does not take it, it is.
    await this.#queue.settle().catch(() => undefined);
    return this.#reads.undelivered(device, limit);
  };
  undecided: Journal["undecided"] = (limit, afterId) => this.#reads.undecided(limit, afterId);
  pending: Journal["pending"] = (limit) => this.#reads.pending(limit);
  audits: Journal["audits"] = (limit) => this.#reads.audits(limit);
  input: Journal["input"] = (id) => this.#reads.input(id);
  config: Journal["config"] = (digest) => this.#reads.config(digest);
  events: Journal["events"] = (entity, sinceMs, limit) => this.#reads.events(entity, sinceMs, limit);
  outbox: Journal["outbox"] = (afterSeq, limit) => this.#reads.outbox(afterSeq, limit);
  verify: Journal["verify"] = (progress) => this.#reads.verify(progress);

  counts(): Promise<JournalCounts> {
    const { undecided, pending, undelivered, unsent, inputBytes, budgetFull } = this.#storage;
    const { received, evicted } = this.#totals;
    return Promise.resolve({
      ...{ received, undecided, pending, undelivered },
      ...{ unsent, inputBytes, evicted, budgetFull },
    });
  }

  storage(): JournalStorage {
    return this.#storage;
  }

  onStorage(listener: (storage: JournalStorage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelTick();
    const stopped = this.#queue.push(["stop"], nothing);
    this.#queue.stop(new HoldpointError("HP_CLOSED", "the journal was closed"), false);
    await stopped.catch((error: unknown) =>
      this.#options.logger.error("journal not stopped in order", { cause: error }),
    );
    await this.#reader.close();
    await this.#writer.close();
    this.#unlock();
  }

  readonly #heard = (message: ThreadMessage): void => {
    if (message.kind === "committed") {
      this.#queue.committed(message);
      return;
    }
    if (message.kind === "progress") {
      this.#progress.get(message.query)?.(message.records);
      return;
    }
    if (message.kind !== "answer") return; // Said to the writer, by its keeper.
    const asking = this.#asking.get(message.query);
    this.#asking.delete(message.query);
    this.#progress.delete(message.query);
    if (message.failure === null) asking?.done(message.value);
    else asking?.fail(errorOf(message.failure));
  };

  readonly #ask: Ask = (method, args, progress) => {
    if (this.#closing !== null) return Promise.reject(new HoldpointError("HP_CLOSED", "the journal was closed"));
    this.#asked += 1;
    const query = this.#asked;
    if (progress !== undefined) this.#progress.set(query, progress);
    return new Promise((done, fail) => {
      this.#asking.set(query, { done, fail });
      this.#reader.port.postMessage({ kind: "query", query, method, args });
    });
  };

  #died(error: HoldpointError): void {
    for (const { fail } of this.#asking.values()) fail(error);
    this.#asking.clear();
    const running = this.#queue as CommitQueue | undefined;
    running?.stop(error, true);
    this.#stored({ ...this.#storage, problem: { code: "HP_JOURNAL", message: error.message } });
  }

  #stored(storage: JournalStorage): void {
    const before = this.#storage;
    this.#storage = storage;
    const changed =
      before.problem?.message !== storage.problem?.message ||
      before.problem?.code !== storage.problem?.code ||
      before.budgetFull !== storage.budgetFull;
    if (!changed) return;
    const { problem, budgetFull } = storage;
    if (problem === null) this.#options.logger.info("journal storage changed", { budgetFull });
    else this.#options.logger.error("journal storage changed", { ...problem, budgetFull });
    for (const listener of this.#listeners) listener(storage);
  }

  #agentMs(): number {
    return Math.round(this.#startAgentMs + this.#options.clock.monotonicMs() - this.#startedMs);
  }

  #tick(): void {
    this.#cancelTick = this.#options.timers.after(tickMs, () => {
      const offset = this.#options.clock.wallMs() - this.#options.clock.monotonicMs();
      const jump = Math.round(offset - this.#wallOffsetMs);
      this.#wallOffsetMs = offset;
      const op = Math.abs(jump) > jumpMs ? (["clock", jump] as const) : (["tick"] as const);
      if (op[0] === "clock") this.#options.logger.warn("wall clock jumped", { jumpMs: jump });
      this.#queue.push(op, nothing).catch(() => undefined); // Its failure shows in `storage()`.
      if (this.#closing === null) this.#tick();
    });
  }
}

function nothing(): void {
  return undefined;
}

function decideOp({ decision, trace, audit, sample = null, reviewWithinMs }: DecisionRecord): DecideOp {
  const { id, status, verdict } = decision;
  const [body, record] = [JSON.stringify(decision), JSON.stringify(trace)];
  return ["decide", id, status, verdict, body, record, audit, reviewWithinMs, sample && JSON.stringify(sample)];
}

function admitted(result: unknown): Admitted {
  if (result === 0) return { kind: "admitted" };
  if (result === 1) return { kind: "admitted", decided: true };
  const [kind, body] = result as readonly ["known" | "conflict", string | null];
  if (kind === "conflict") return { kind };
  return { kind, decision: body === null ? null : (JSON.parse(body) as Decision) };
}
