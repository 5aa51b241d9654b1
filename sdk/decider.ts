import { resolveConfig, type EffectiveConfig } from "../config/index.ts";
import { type ModelHost } from "../models/index.ts";
import {
  checkMessage,
  checkRequest,
  HoldpointError,
  newId,
  reviewAnswerSchema,
  silentLogger,
  universalHasher,
  certificateSchema,
  type Cancel,
  type Certificate,
  type Clock,
  type Decision,
  type DecisionRequest,
  type Hasher,
  type Input,
  type Logger,
  type Random,
  type ReviewAnswer,
  type Timers,
} from "../protocol/index.ts";
import { ambientClock, ambientRandom, ambientTimers } from "./ambient.ts";
import { type DecisionJournal } from "./case-store.ts";
import { Listeners } from "./client/listeners.ts";
import { type Decider, type DecideOptions, type FinalOptions } from "./decider-port.ts";
import { Engine } from "./engine.ts";
import { memoryStore } from "./memory-store.ts";
import { createPipeline, type Pipeline } from "./pipeline.ts";

/** Where the model runs: a supervised child process (never a blocked event loop), or the calling process. */
export type Isolation = "child" | "inline";

/**
 * Asks a person. Gets the pending decision and the input that the model saw; resolves with the answer. Where it fails, the
 * case ends with its fallback when the patience with people is over.
 */
export type Escalate = (decision: Decision, request: DecisionRequest) => Promise<EscalationAnswer>;

export interface EscalationAnswer {
  readonly answer: ReviewAnswer;
  readonly reviewer: string;
}

export interface DeciderOptions {
  /** A store config: the text of its YAML, the same as plain data, or an effective config. */
  readonly config: string | EffectiveConfig | Readonly<Record<string, unknown>>;
  /**
   * For tasks under a contract: what `holdpoint gate certify --write` wrote, or a hub issued. Each counts for the store,
   * region or fleet of any name: who passes them says that they are this store's. Not with an effective config, which
   * has its own. They lapse by age and by what is accepted while the decider runs.
   */
  readonly certificates?: readonly unknown[];
  /** Opens the models, for instance `nodeModels({ registryDir })` of `holdpoint/models/node`. */
  readonly models: (isolation: Isolation) => ModelHost | Promise<ModelHost>;
  /** Default "child". */
  readonly isolation?: Isolation;
  /** Without it the person's rung of the ladder is skipped with reason `no_reviewer`. */
  readonly escalateTo?: Escalate;
  /** Key of the audit coin; random where it is absent, so that coins differ after a restart. */
  readonly secret?: Uint8Array;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly hasher?: Hasher;
  readonly logger?: Logger;
}

/** The embedded decider, and whether its cases outlive the process. */
export interface EmbeddedDecider<Durable extends boolean> extends Decider {
  readonly durable: Durable;
  /** What the config named and could not be brought up, by task. The tasks go to people meanwhile. */
  readonly problems: readonly { readonly task: string; readonly code: string; readonly message: string }[];
}

const inFlightMax = 4096;
const waitersMax = 65_536;

/**
 * Decides in this process.
 *
 * Errors: HP_CONFIG for a config that does not hold, HP_GATE_CERTIFICATE for a certificate that is none. A model that
 * cannot be brought up is no error: its task goes to people, and `problems` says why.
 *
 * @example
 * const decider = await createDecider({ config: { store_id: "store_1", models: { … } }, models: nodeModels({ … }) });
 * const decision = await decider.decide("product_identification", { kind: "image", encoding: "jpeg", data });
 */
export function createDecider(
  options: DeciderOptions & { readonly journal: DecisionJournal },
): Promise<EmbeddedDecider<true>>;
export function createDecider(options: DeciderOptions): Promise<EmbeddedDecider<false>>;
export async function createDecider(
  options: DeciderOptions & { readonly journal?: DecisionJournal },
): Promise<EmbeddedDecider<boolean>> {
  const { hasher = universalHasher, journal } = options;
  const given = configOf(options.config, hasher, certificatesOf(options.certificates));
  const config = journal ? await journal.adoptConfig(given) : given;
  const host = await options.models(options.isolation ?? "child");
  try {
    return await begun(options, config, host);
  } catch (cause) {
    // A child process that nobody has would keep the caller's alive.
    await host.close();
    throw cause;
  }
}

async function begun(
  options: DeciderOptions & { readonly journal?: DecisionJournal },
  config: EffectiveConfig,
  host: ModelHost,
): Promise<Embedded> {
  const { clock = ambientClock, timers = ambientTimers, random = ambientRandom, journal } = options;
  const { hasher = universalHasher, logger = silentLogger } = options;
  const states = await host.apply(wantedModels(config));
  const secret = options.secret ?? random.bytes(32);
  const pipeline = createPipeline({ config, host, secret, hasher, clock, timers });
  const engine = new Engine<object>({
    store: journal ?? memoryStore(),
    pipeline,
    hasher,
    clock,
    timers,
    logger,
    reviewer: () => options.escalateTo !== undefined,
    storage: () => true,
    configOf: (digest) => (journal ? journal.config(digest) : Promise.resolve(config)),
    inFlightMax,
    waitersMax,
  });
  const problems = [
    ...Object.values(config.tasks).flatMap(({ task, modelProblem }) =>
      modelProblem ? [{ task, ...modelProblem }] : [],
    ),
    ...states.flatMap(({ task, problem }) => (problem ? [{ task, ...problem }] : [])),
  ];
  const decider = new Embedded({ engine, pipeline, host, clock, timers, random, logger, problems }, options);
  if (journal) await decider.resume(journal);
  return decider;
}

/** Certificates that a program passes are its own word, signed or not; what is none is refused as a whole. */
function certificatesOf(given: DeciderOptions["certificates"]): readonly Certificate[] {
  return (given ?? []).map((one, index) => {
    const checked = checkMessage(one, certificateSchema);
    if (checked.ok) return checked.value;
    const message = `certificates[${index}]: ${checked.error.message}`;
    throw new HoldpointError("HP_GATE_CERTIFICATE", message, { cause: checked.error });
  });
}

function configOf(
  config: DeciderOptions["config"],
  hasher: Hasher,
  certificates: readonly Certificate[],
): EffectiveConfig {
  if (isEffective(config)) return config;
  // JSON is YAML: plain data takes the same road as a file, with the same checks.
  const text = typeof config === "string" ? config : JSON.stringify(config, null, 1);
  const resolved = resolveConfig([{ layer: "store", file: "config", text }], hasher, certificates);
  if (!resolved.ok) throw resolved.error;
  return resolved.value.config;
}

function isEffective(config: DeciderOptions["config"]): config is EffectiveConfig {
  return typeof config === "object" && "digest" in config && "storeId" in config;
}

/** The models that a config asks for. */
export function wantedModels(config: EffectiveConfig): Parameters<ModelHost["apply"]>[0] {
  return Object.values(config.tasks).flatMap(({ task, model, batchSize }) =>
    model === null ? [] : [{ task, source: model, batchSize }],
  );
}

interface Parts {
  readonly engine: Engine<object>;
  readonly pipeline: Pipeline;
  readonly host: ModelHost;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly problems: EmbeddedDecider<boolean>["problems"];
}

class Embedded implements EmbeddedDecider<boolean> {
  readonly durable: boolean;
  readonly problems: EmbeddedDecider<boolean>["problems"];
  readonly #parts: Parts;
  readonly #escalateTo: Escalate | undefined;
  readonly #journal: DecisionJournal | undefined;
  readonly #revisions: Listeners<Decision>;
  /** The review clocks that run; they end when the decider closes. */
  readonly #clocks = new Set<Cancel>();
  #closing: Promise<void> | null = null;

  constructor(parts: Parts, options: DeciderOptions & { readonly journal?: DecisionJournal }) {
    this.#parts = parts;
    this.problems = parts.problems;
    this.durable = options.journal !== undefined;
    this.#escalateTo = options.escalateTo;
    this.#journal = options.journal;
    this.#revisions = new Listeners(parts.logger);
    parts.engine.onRevision((decision) => void this.#revisions.tell(decision));
  }

  /** Takes up what an earlier life of the journal left: undecided requests, and cases that wait for a person. */
  async resume(journal: DecisionJournal): Promise<void> {
    for (const { decision, request, leftMs } of await journal.pending()) this.#escalate(decision, request, leftMs);
    for (const request of await journal.undecided()) {
      this.#parts.engine.resume(request, {});
      void this.#wait(request.id, "decided", null, undefined)
        .then((decision) => {
          if (decision.status === "pending") this.#escalate(decision, request);
        })
        // Closed before it was decided: the next life takes it up.
        .catch(() => undefined);
    }
  }

  async decide(task: string, input: Input, options: DecideOptions = {}): Promise<Decision> {
    this.#assertOpen();
    const { engine, clock, random } = this.#parts;
    const request = checkedRequest({
      v: 1,
      id: options.id ?? newId(clock, random),
      task,
      at: options.at ?? Math.floor(clock.wallMs()),
      input,
      ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
      ...(options.context === undefined ? {} : { context: options.context }),
    });
    const submission = await engine.submit(request, {});
    if (submission.kind === "conflict") {
      throw new HoldpointError("HP_CONFLICT", `the id ${request.id} was used for another request`);
    }
    const decision = submission.decision ?? (await this.#wait(request.id, "decided", null, options.signal));
    if (!submission.known && decision.status === "pending") this.#escalate(decision, request);
    return decision;
  }

  async final(id: string, options: FinalOptions = {}): Promise<Decision> {
    this.#assertOpen();
    return this.#wait(id, "final", options.waitMs ?? null, options.signal);
  }

  on(_event: "revision", listener: (decision: Decision) => void): () => void {
    return this.#revisions.add(listener);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    // Answers what is in flight, and ends the waits for what people have not answered.
    await this.#parts.engine.drain();
    for (const cancel of this.#clocks) cancel();
    this.#clocks.clear();
    await this.#parts.host.close();
    await this.#journal?.close();
  }

  async #wait(
    id: string,
    until: "decided" | "final",
    waitMs: number | null,
    signal: AbortSignal | undefined,
  ): Promise<Decision> {
    const decision = await this.#parts.engine.wait(id, { until, waitMs, signal });
    if (decision) return decision;
    this.#assertOpen();
    throw new HoldpointError("HP_TIMEOUT", `${id} was not ${until} within ${waitMs ?? 0} ms`);
  }

  /** Asks the person, and holds the case's review clock meanwhile. */
  #escalate(decision: Decision, request: DecisionRequest, leftMs?: number): void {
    if (this.#closing !== null) return;
    const { engine, pipeline, timers, clock, random, logger } = this.#parts;
    const patienceMs = leftMs ?? pipeline.policyOf(decision)?.reviewWithinMs ?? 0;
    const expire = (): void => {
      engine.expire(decision.id).catch((cause: unknown) => logger.error("expiry_failed", { id: decision.id, cause }));
    };
    const stop = timers.after(patienceMs, () => {
      this.#clocks.delete(cancel);
      expire();
    });
    const cancel = (): void => {
      this.#clocks.delete(cancel);
      stop();
    };
    this.#clocks.add(cancel);
    const shownMs = clock.monotonicMs();
    const asked = new Promise<EscalationAnswer | undefined>((resolve) => {
      // In here, so that one that throws at once fails as one that rejects does: the decision is made all the same.
      resolve(this.#escalateTo?.(decision, request));
    });
    asked
      .then(async (answered) => {
        if (!answered) return;
        // From JavaScript anything may come; what is no answer must not become "bad picture".
        const answer = checkMessage(answered.answer, reviewAnswerSchema);
        if (!answer.ok) throw answer.error;
        const tookMs = Math.round(clock.monotonicMs() - shownMs);
        const reviewId = newId(clock, random);
        await engine.review({ id: decision.id, reviewId, source: "store", tookMs, ...answered });
        cancel();
      })
      // The person's road failed; the clock that runs ends the case with its fallback.
      .catch((cause: unknown) => logger.error("escalation_failed", { id: decision.id, cause }));
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new HoldpointError("HP_CLOSED", "the decider was closed");
  }
}

function checkedRequest(value: unknown): DecisionRequest {
  const checked = checkRequest(value);
  if (!checked.ok) throw checked.error;
  const { input, context } = checked.value;
  // Copies, but of the bytes: the caller's objects stay the caller's.
  return { ...checked.value, input: { ...input }, ...(context === undefined ? {} : { context: { ...context } }) };
}
