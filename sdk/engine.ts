import { type EffectiveConfig } from "../config/index.ts";
import {
  bodyDigest,
  HoldpointError,
  isFinal,
  RecentMap,
  type Clock,
  type Decision,
  type DecisionRequest,
  type Hasher,
  type Logger,
  type ReviewAnswer,
  type Timers,
} from "../protocol/index.ts";
import { type CaseStore, type DecisionRecord, type Reviewed, type StoredCase } from "./case-store.ts";
import { type Decided } from "./decide.ts";
import { roundMs, type Found, type Pipeline } from "./pipeline.ts";
import { reviewedRevision, settledRevision, type RevisionFallback, type RevisionTime } from "./revision.ts";
import { Waiters, type WaitOptions } from "./waiters.ts";

export interface EngineOptions<Origin> {
  readonly store: CaseStore<Origin>;
  readonly pipeline: Pipeline;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Whether a person can be asked at this moment. */
  readonly reviewer: () => boolean;
  /** False while the store is full of unanswered escalations. */
  readonly storage: () => boolean;
  /** The config under which a decision was made, for its fallback. */
  readonly configOf: (digest: string) => Promise<EffectiveConfig | null>;
  /** Cases in flight above which requests are refused with HP_BUSY. */
  readonly inFlightMax: number;
  /** Waiters above which `wait` answers null at once. */
  readonly waitersMax: number;
}

export type Submission =
  /** `decision`: of a known case its latest; of a new one its first, where one commit made both durable. It is told as well. */
  | { readonly kind: "durable"; readonly known: boolean; readonly decision: Decision | null }
  | { readonly kind: "conflict" };

export interface Review {
  readonly id: string;
  /** Makes a repeat harmless. */
  readonly reviewId: string;
  readonly reviewer: string;
  readonly answer: ReviewAnswer;
  readonly source: "store" | "hub";
  /** From showing the case to the answer, milliseconds. */
  readonly tookMs: number | null;
}

/** `origin` is null for a revision that did not come with its request (a review, an expiry). */
export type RevisionListener<Origin> = (decision: Decision, origin: Origin | null) => void;

/** What a refused device is told to wait: long enough to drain a batch, short enough not to be noticed. */
const busyRetryMs = 250;
const drainingRetryMs = 2000;
/** More than one commit can tell at once. What is kept outlives the collector's young generation, and is copied twice. */
const recentMax = 1024;
/** A model that runs longer is not waited for: the request is made durable while it looks. */
const quickMsMax = 3;
const writeRetryMs = 50;
const writeRetryMsMax = 5000;

/**
 * The life of a case: made durable, decided, answered or expired, and told. One engine serves the agent (over its
 * journal) and the embedded decider (over memory or a journal); both answer through the same events.
 */
export class Engine<Origin extends object> {
  readonly #options: EngineOptions<Origin>;
  readonly #waiters: Waiters;
  readonly #inFlight = new Map<string, Promise<void>>();
  readonly #listeners = new Set<RevisionListener<Origin>>();
  /** The latest decisions, so that whoever asks right after does not ask the store. */
  readonly #recent = new RecentMap<string, Decision>(recentMax);
  /** How long the model of a task runs, milliseconds: a moving average. */
  readonly #modelMs = new Map<string, number>();
  #admitting = 0;
  /** Ends the pauses of those who wait for the store. */
  readonly #pauses = new Set<() => void>();
  #draining = false;
  #abandoned = false;

  constructor(options: EngineOptions<Origin>) {
    this.#options = options;
    this.#waiters = new Waiters(options.timers, options.waitersMax);
  }

  /**
   * Resolves when the request is durable; the decision comes to the listeners and waiters. Rejects with HP_BUSY,
   * HP_UNKNOWN_TASK, or whatever the store's commit failed with; then nothing happened.
   */
  async submit(request: DecisionRequest, origin: Origin): Promise<Submission> {
    const { pipeline, store, hasher, clock, storage } = this.#options;
    this.#assertOpen();
    if (!pipeline.knows(request.task)) {
      throw new HoldpointError("HP_UNKNOWN_TASK", `the task ${request.task} is not in the store config`);
    }
    // The model looks while the commit runs: whichever takes longer is what the device waits for.
    const finding = this.#inFlight.has(request.id) ? null : pipeline.find(request);
    const early = new EarlyDecision((found) => this.#rule(request, found));
    void finding?.then((found) => {
      early.found = found;
      // What was shed says nothing about how long the model takes.
      if (found.modelMs !== null) this.#timeModel(request.task, found.modelMs);
    });
    this.#admitting += 1;
    try {
      const admitted = await store.admit({
        ...origin,
        request,
        bodyDigest: bodyDigest(hasher, request),
        receivedAtMs: Math.floor(clock.wallMs()),
        keepInput: storage(),
        decision: () => early.take(),
        ...(finding && this.#isQuick(request.task) ? { decidedSoon: finding } : {}),
      });
      if (admitted.kind === "conflict") return admitted;
      if (admitted.kind === "known") return { kind: "durable", known: true, decision: admitted.decision };
      const recorded = admitted.decided === true ? early.keep() : null;
      if (recorded) this.#tell(recorded.decision, origin);
      else this.#track(request.id, this.#decideFound(request, origin, finding ?? pipeline.find(request)));
      return { kind: "durable", known: false, decision: recorded?.decision ?? null };
    } finally {
      this.#admitting -= 1;
      if (early.unused) pipeline.refund(early.unused);
    }
  }

  /** Takes up a case that a restart left undecided. Its device's patience starts anew. */
  resume(request: DecisionRequest, origin: Origin): void {
    if (this.#inFlight.has(request.id)) return;
    this.#track(request.id, this.#decideFound(request, origin, this.#options.pipeline.find(request)));
  }

  /** A person's answer; null if the case is unknown or not decided yet. */
  async review(review: Review): Promise<Reviewed | null> {
    const { store } = this.#options;
    const known = await store.find(review.id);
    if (!known?.decision) return null;
    const time = this.#timeOf(known);
    const fallback = await this.#fallbackOf(known);
    const revision = reviewedRevision(known.decision, review.answer, review.reviewer, fallback, time);
    const reviewed = await store.review({ ...review, atMs: time.atMs, revision });
    if (reviewed.kind === "final") this.#close(reviewed.decision);
    return reviewed;
  }

  /** The patience with people has ended: the next rung of the ladder. Null if the case is not pending. */
  async expire(id: string): Promise<Decision | null> {
    const { store } = this.#options;
    const known = await store.find(id);
    if (known?.decision?.status !== "pending") return null;
    const fallback = await this.#fallbackOf(known);
    const revision = settledRevision(known.decision, "review_expired", fallback, this.#timeOf(known));
    const settled = await store.settle({ revision });
    if (settled) this.#close(settled);
    return settled;
  }

  /** Called for every revision after its commit. Returns the unsubscriber. */
  onRevision(listener: RevisionListener<Origin>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Waits for a first or a final decision; null after `waitMs` and above `waitersMax`. Rejects with HP_NOT_FOUND. */
  wait(id: string, options: WaitOptions): Promise<Decision | null> {
    return this.#waiters.wait(id, options, () => this.#latest(id));
  }

  /** Cases made durable and not decided yet, and those whose commit runs. */
  inFlight(): number {
    return this.#inFlight.size + this.#admitting;
  }

  /** Refuses new requests from now on, and resolves when nothing is in flight. */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.inFlight() > 0) {
      await Promise.all(this.#inFlight.values());
      if (this.#admitting > 0) await this.#pause(1);
    }
    this.#waiters.close();
  }

  /**
   * For whoever cannot wait for the end of `drain`: a decision that the store does not take, because its disk is full, is
   * given up. Its case stays undecided in the store, and the next start takes it up.
   */
  abandon(): void {
    this.#abandoned = true;
    for (const end of [...this.#pauses]) end();
    this.#waiters.close();
  }

  #assertOpen(): void {
    if (this.#draining) throw new HoldpointError("HP_BUSY", "shutting down", { retryAfterMs: drainingRetryMs });
    if (this.inFlight() < this.#options.inFlightMax) return;
    throw new HoldpointError("HP_BUSY", `${this.inFlight()} cases are in flight`, { retryAfterMs: busyRetryMs });
  }

  #track(id: string, work: Promise<void>): void {
    const { logger } = this.#options;
    const tracked = work
      .catch((cause: unknown) => {
        if (!this.#abandoned) logger.error("case_failed", { id, cause });
      })
      .finally(() => this.#inFlight.delete(id));
    this.#inFlight.set(id, tracked);
  }

  async #decideFound(request: DecisionRequest, origin: Origin, finding: Promise<Found>): Promise<void> {
    const record = this.#rule(request, await finding);
    await this.#record(record);
    this.#tell(record.decision, origin);
  }

  /** Whether the model of a task answers so fast that a commit may wait for it. */
  #isQuick(task: string): boolean {
    return (this.#modelMs.get(task) ?? Infinity) <= quickMsMax;
  }

  #timeModel(task: string, modelMs: number): void {
    const before = this.#modelMs.get(task) ?? modelMs;
    this.#modelMs.set(task, before + (modelMs - before) / 8);
  }

  #rule(request: DecisionRequest, found: Found): RuledRecord {
    const { pipeline, reviewer, storage } = this.#options;
    const decided = pipeline.rule(request, found, { reviewer: reviewer(), storage: storage() });
    const { decision, trace, audit, sample } = decided;
    const reviewWithinMs = isFinal(decision) ? null : (pipeline.policyOf(decision)?.reviewWithinMs ?? null);
    return { decision, trace, audit, sample, reviewWithinMs, decided };
  }

  /**
   * Writes the decision down. While the disk is full the case stays in flight and is written when there is room: the
   * device was told that its request is durable, and it is.
   */
  async #record(record: DecisionRecord): Promise<void> {
    const { store } = this.#options;
    for (let delayMs = writeRetryMs; ; delayMs = Math.min(writeRetryMsMax, delayMs * 2)) {
      try {
        await store.decide(record);
        return;
      } catch (error) {
        const failure = HoldpointError.from(error, "HP_JOURNAL");
        if (failure.retry !== "backoff" || this.#abandoned) throw failure;
        await this.#pause(delayMs);
      }
    }
  }

  async #latest(id: string): Promise<Decision | null> {
    const recent = this.#recent.get(id);
    if (recent || this.#inFlight.has(id)) return recent ?? null;
    const known = await this.#options.store.find(id);
    if (!known) throw new HoldpointError("HP_NOT_FOUND", `no decision has the id ${id}`);
    return known.decision;
  }

  #remember(decision: Decision): void {
    this.#recent.set(decision.id, decision);
  }

  /** A case that waited for people is final: answered, or given up. */
  #close(decision: Decision): void {
    this.#options.pipeline.answered(decision);
    this.#tell(decision, null);
  }

  #tell(decision: Decision, origin: Origin | null): void {
    this.#remember(decision);
    this.#waiters.tell(decision);
    for (const listener of this.#listeners) listener(decision, origin);
  }

  async #fallbackOf(known: StoredCase): Promise<RevisionFallback> {
    const { pipeline, configOf } = this.#options;
    const config = known.decision ? await configOf(known.decision.config.digest) : null;
    return { policy: config?.tasks[known.request.task] ?? pipeline.policy(known.request.task), trace: known.trace };
  }

  #timeOf(known: StoredCase): RevisionTime {
    const atMs = Math.floor(this.#options.clock.wallMs());
    return { atMs, latencyMs: roundMs(atMs - known.receivedAtMs) };
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#options.timers.after(delayMs, end);
      this.#pauses.add(end);
    });
  }
}

interface RuledRecord extends DecisionRecord {
  readonly decided: Decided;
}

/**
 * A decision that may be in time for the commit of its request: where the model has answered before the store takes the
 * request, one commit makes both durable.
 */
class EarlyDecision {
  readonly #rule: (found: Found) => RuledRecord;
  /** What the model has said, once it has. */
  found: Found | null = null;
  #record: RuledRecord | null = null;
  #kept = false;

  constructor(rule: (found: Found) => RuledRecord) {
    this.#rule = rule;
  }

  /** The decision to commit, or null while the model is at work. Ruled on when asked, by what holds then. */
  take(): RuledRecord | null {
    if (this.found) this.#record ??= this.#rule(this.found);
    return this.#record;
  }

  /** The store has committed what it took. */
  keep(): RuledRecord | null {
    this.#kept = true;
    return this.#record;
  }

  /** What was ruled and then not recorded. */
  get unused(): Decided | null {
    return this.#kept ? null : (this.#record?.decided ?? null);
  }
}
