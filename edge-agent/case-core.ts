import { type EffectiveConfig } from "../config/index.ts";
import { type ModelHost } from "../models/index.ts";
import {
  canonicalJson,
  HoldpointError,
  isFinal,
  type Cancel,
  type Clock,
  type Decision,
  type Hasher,
  type Logger,
  type Timers,
} from "../protocol/index.ts";
import {
  createPipeline,
  Engine,
  wantedModels,
  type CertificateUse,
  type EarlierTasks,
  type Pipeline,
} from "../sdk/index.ts";
import { type CaseOrigin, type Journal } from "./journal/journal.ts";
import { ReviewClocks } from "./review-clocks.ts";

/** Cases in flight above which devices are told HP_BUSY: some seconds of work, and a bound on memory. */
const inFlightMax = 8192;
const waitersMax = 65_536;
/** Cases that wait for a person and whose clocks are kept in memory. */
const pendingMax = 1_000_000;
/** Undecided cases that a restart takes up at a time. */
const resumeBatch = 256;

export interface CaseCoreOptions {
  readonly journal: Journal;
  readonly host: ModelHost;
  /** Numbered by the journal, its models applied. */
  readonly config: EffectiveConfig;
  /** Key of the audit coin. */
  readonly secret: Uint8Array;
  /** Counts what certificates are used for; in memory unless given. */
  readonly use?: CertificateUse;
  /** What the decisions of an earlier life left. */
  readonly earlier?: EarlierTasks;
  /** Whether people can be asked. */
  readonly reviewer: boolean;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * The lives of an agent's cases between a journal and its models: decided, their review clocks kept, taken up again
 * after a restart, and ruled by one config at a time. Everything that it needs is passed in, so that the daemon and the
 * simulation run the same.
 */
export class CaseCore {
  readonly pipeline: Pipeline;
  readonly engine: Engine<CaseOrigin>;
  readonly #options: CaseCoreOptions;
  readonly #clocks: ReviewClocks;

  constructor(options: CaseCoreOptions) {
    const { journal, clock, timers, hasher } = options;
    this.#options = options;
    this.pipeline = createPipeline({ ...options, hasher, clock, timers });
    this.engine = new Engine<CaseOrigin>({
      ...{ hasher, clock, timers },
      store: journal,
      pipeline: this.pipeline,
      logger: options.logger,
      reviewer: () => options.reviewer,
      storage: () => !journal.storage().budgetFull,
      configOf: (digest) => journal.config(digest),
      inFlightMax,
      waitersMax,
    });
    this.#clocks = new ReviewClocks(clock, timers, (id) => this.engine.expire(id));
    this.engine.onRevision((decision) => this.#keepClock(decision));
  }

  /** Takes up what a restart left: cases without a decision, and the clocks of those that wait for a person. */
  async resume(): Promise<void> {
    const { engine } = this;
    const { journal } = this.#options;
    for (const waiting of await journal.pending(pendingMax)) this.#clocks.start(waiting.id, waiting.reviewLeftMs ?? 0);
    let afterId: string | undefined;
    for (;;) {
      const undecided = await journal.undecided(resumeBatch, afterId);
      for (const { id, request, device, transport, encoding } of undecided) {
        const input = await journal.input(id);
        // An input that is gone by now leaves the empty one of the header: the model refuses it, and people are asked.
        engine.resume({ ...request, input: input ?? request.input }, { device, transport, encoding });
      }
      afterId = undecided.at(-1)?.id;
      if (undecided.length < resumeBatch) return;
    }
  }

  /** The wanted models anew, after an activation or a rollback, or while one that should serve does not. */
  async applyAnew(): Promise<void> {
    const config = this.pipeline.config();
    await this.#options.host.apply(wantedModels(config));
    // The same config over other models is a generation of its own.
    this.pipeline.adopt(config);
  }

  /** Puts a changed config in force: numbered, its models warm, then both at once. HP_CONFIG for another store. */
  async adopt(config: EffectiveConfig): Promise<void> {
    const { journal, host, logger } = this.#options;
    const before = this.pipeline.config();
    if (config.storeId !== before.storeId) {
      // Topics, sessions and the journal carry the store's name.
      const message = `store_id is ${before.storeId} while this agent runs; ${config.storeId} needs a restart`;
      throw new HoldpointError("HP_CONFIG", message, { hint: "Restart the agent, or take the change back." });
    }
    const numbered = await journal.adoptConfig(config);
    const wanted = wantedModels(numbered);
    // A changed gate threshold does not touch the models.
    if (canonicalJson(wanted) !== canonicalJson(wantedModels(before))) await host.apply(wanted);
    this.pipeline.adopt(numbered);
    logger.info("config_adopted", { revision: numbered.revision, digest: numbered.digest });
  }

  /** False if it took longer: what is not decided then is in the journal, and the next start decides it. */
  async drain(withinMs: number): Promise<boolean> {
    const { timers } = this.#options;
    let cancel: Cancel = () => undefined;
    const late = new Promise<boolean>((resolve) => (cancel = timers.after(withinMs, () => resolve(false))));
    const whole = await Promise.race([this.engine.drain().then(() => true), late]);
    cancel();
    if (!whole) this.engine.abandon();
    return whole;
  }

  /** Stops the review clocks; what is in flight goes on. */
  stopClocks(): void {
    this.#clocks.close();
  }

  #keepClock(decision: Decision): void {
    // As the journal keeps it: of the config that ruled, not of one that came into force meanwhile.
    const policy = this.pipeline.policyOf(decision);
    if (isFinal(decision)) this.#clocks.stop(decision.id);
    else {
      const patienceMs = policy?.reviewWithinMs ?? 0;
      this.#clocks.start(decision.id, Math.min(patienceMs, this.pipeline.config().retention.unansweredMaxMs));
    }
  }
}
