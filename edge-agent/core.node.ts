import { join } from "node:path";
import { hubLayerFiles } from "../cloud-sync/edge/config-files.node.ts";
import { type LinkFacts } from "../cloud-sync/edge/link-report.ts";
import { resolveConfig, type BrokerAddress, type EffectiveConfig } from "../config/index.ts";
import { readLayers, type LayerFile } from "../config/layer-files.node.ts";
import { watchConfig, type ConfigWatch } from "../config/watcher.node.ts";
import { type ModelHost } from "../models/index.ts";
import { openModels, openRegistry, type ModelRegistry, type OpenModelsOptions } from "../models/index.node.ts";
import { HoldpointError, type AgentStatus, type Cancel, type Logger } from "../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../protocol/platform/clock.node.ts";
import { nodeHasher } from "../protocol/platform/hash.node.ts";
import { wantedModels, type Engine, type Pipeline } from "../sdk/index.ts";
import { CaseCore } from "./case-core.ts";
import { CertificateLedger } from "./certificate-ledger.node.ts";
import { EventMemory, withEvents } from "./event-memory.ts";
import { GateCertificates } from "./gate-certificates.node.ts";
import { gateProblems, gateStates, type GateState } from "./gate-states.ts";
import { type CaseOrigin, type Journal, type JournalStorage } from "./journal/journal.ts";
import { agentSecret } from "./journal/agent-secret.node.ts";
import { openJournal } from "./journal/journal.node.ts";
import { ProblemBoard } from "./problem-board.ts";
import { statusReport, type StatusFacts } from "./status-report.ts";
import { earlierTasks, keepRemains, type TaskRemainsOptions } from "./task-remains.node.ts";

/**
 * How soon a model that should serve and does not is tried again, and how late at most: each try may start a child with
 * every model, which a model that is broken for good is not worth.
 */
const healMsMin = 5000;
const healMsMax = 600_000;
export interface CoreOptions {
  readonly dataDir: string;
  readonly name: string;
  readonly configFiles: readonly LayerFile[];
  readonly models: Omit<OpenModelsOptions, "registryDir" | "logger" | "history"> & { readonly registryDir?: string };
  /** Whether people can be asked: the review page is served. */
  readonly reviewer: boolean;
  /** Where the hub's config lies; null where there is no hub. */
  readonly hubDir: string | null;
  /** A file of certificates of the operator's own, for a store without a hub. */
  readonly certificatesFile?: string;
  readonly logger: Logger;
}

/** The agent without its doors: journal, models, config and the engine between them. */
export interface AgentCore {
  readonly options: CoreOptions;
  readonly journal: Journal;
  readonly host: ModelHost;
  readonly pipeline: Pipeline;
  readonly engine: Engine<CaseOrigin>;
  readonly events: EventMemory;
  readonly problems: ProblemBoard;
  /** The existing broker that the config named when the agent started, if it did. */
  readonly broker: BrokerAddress | null;
  /** Set by the doors: the status has changed and may be told. */
  onStatusChange: () => void;
  /** Set where there is a hub: what the way to it is like. */
  hub: (() => LinkFacts) | null;
  phase: StatusFacts["phase"];
  status(): Promise<AgentStatus>;
  /**
   * Decides what is in flight. New requests are refused from the call on. False if that took longer: what is not decided
   * then is in the journal, and the next start decides it.
   */
  drain(withinMs: number): Promise<boolean>;
  /** How each contract stands: which certificate it rests on, or why on none. */
  gates(): readonly GateState[];
  /**
   * Whether these files, below the agent's own, make a good config of its store. Rejects with HP_CONFIG. Certificates
   * that came with them are entered, so that what they are used for is counted from the first decision on.
   */
  checkConfig(hubFiles: readonly LayerFile[], certificatesFile: string): Promise<void>;
  /** Reads the config files at once. Rejects with HP_CONFIG where they are not put in force. */
  reloadConfig(): Promise<void>;
  close(): Promise<void>;
}

/** Errors: HP_LOCKED, HP_CONFIG, HP_JOURNAL (newer than this agent). What was opened is closed again then. */
export async function openCore(options: CoreOptions): Promise<AgentCore> {
  const { logger } = options;
  const opening = deferred<Core>();
  const problems = new ProblemBoard(logger, () => opening.value?.onStatusChange());
  const ledger = new CertificateLedger({ dir: options.dataDir, clock: systemClock, timers: systemTimers, logger });
  const file = options.certificatesFile ?? null;
  const certificates = new GateCertificates({ hubDir: options.hubDir, file, ledger, problems, clock: systemClock });
  const watch = await watchConfig({
    // The hub's layers lie below the agent's own of the same name: a local file says more, but for locked keys.
    layers: options.hubDir === null ? options.configFiles : [...hubLayerFiles(options.hubDir), ...options.configFiles],
    clock: systemClock,
    timers: systemTimers,
    hasher: nodeHasher,
    logger,
    certificates,
    // A change that comes while the agent starts waits for it.
    onChange: async (config) => (await opening.promise).adopt(config),
    onProblem: ({ code, message }) => problems.raise("config", { code, message }),
    onRecover: () => problems.clear("config"),
  });
  const undo: (() => Promise<void> | void)[] = [() => ledger.close(), () => watch.close()];
  try {
    const core = await openAround({ options, problems, watch, undo, certificates, ledger });
    opening.resolve(core);
    return core;
  } catch (cause) {
    for (const close of undo.reverse()) await close();
    throw cause;
  }
}

interface Opening {
  readonly options: CoreOptions;
  readonly problems: ProblemBoard;
  readonly watch: ConfigWatch;
  readonly certificates: GateCertificates;
  readonly ledger: CertificateLedger;
  /** What a failure closes again, last first. */
  readonly undo: (() => Promise<void> | void)[];
}

async function openAround({ options, problems, watch, undo, certificates, ledger }: Opening): Promise<Core> {
  const { logger, dataDir } = options;
  // The journal before anything writes: it holds the directory's lock, so a second agent ends here.
  const { journal, opened } = await openJournal({
    dir: dataDir,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger,
    retention: watch.current.retention,
  });
  undo.push(() => journal.close());
  await certificates.open();
  if (opened.kind === "recovered") {
    const message = `a damaged journal was set aside in ${opened.quarantined ?? "quarantine"}: ${opened.reason ?? ""}`;
    problems.raise("journal", { code: "HP_JOURNAL", message });
  }
  const events = new EventMemory({ clock: systemClock, load: (...query) => journal.events(...query) });
  const registryDir = options.models.registryDir ?? join(dataDir, "models");
  const models = openModels({
    ...options.models,
    registryDir,
    history: events,
    logger,
  });
  const host = withEvents(models, events);
  undo.push(() => host.close());
  const config = await journal.adoptConfig(watch.current);
  await host.apply(wantedModels(config));
  const core = new Core({ options, journal, host, events, problems, watch, config, certificates, ledger });
  // `holdpoint model activate` and `rollback` reach a running agent, with the network or without.
  undo.push(core.follow(openRegistry(registryDir)));
  undo.push(core.keepRemains());
  await core.resume();
  return core;
}

function deferred<T>(): { readonly promise: Promise<T>; value: T | null; resolve: (value: T) => void } {
  let settle: (value: T) => void = () => undefined;
  const made = {
    promise: new Promise<T>((resolve) => (settle = resolve)),
    value: null as T | null,
    resolve: (value: T): void => {
      made.value = value;
      settle(value);
    },
  };
  return made;
}

function remainsOf({ dataDir: dir, logger }: CoreOptions): TaskRemainsOptions {
  return { dir, clock: systemClock, timers: systemTimers, logger };
}

interface CoreParts {
  readonly options: CoreOptions;
  readonly journal: Journal;
  readonly host: ModelHost;
  readonly events: EventMemory;
  readonly problems: ProblemBoard;
  readonly watch: ConfigWatch;
  readonly config: EffectiveConfig;
  readonly certificates: GateCertificates;
  readonly ledger: CertificateLedger;
}

class Core implements AgentCore {
  readonly options: CoreOptions;
  readonly journal: Journal;
  readonly host: ModelHost;
  readonly pipeline: Pipeline;
  readonly engine: Engine<CaseOrigin>;
  readonly events: EventMemory;
  readonly problems: ProblemBoard;
  readonly broker: BrokerAddress | null;
  phase: StatusFacts["phase"] = "starting";
  onStatusChange: () => void = () => undefined;
  hub: AgentCore["hub"] = null;
  readonly #watch: ConfigWatch;
  readonly #cases: CaseCore;
  readonly #certificates: GateCertificates;
  readonly #ledger: CertificateLedger;
  #endRemains: () => Promise<void> = () => Promise.resolve();
  #stopFollowing: () => void = () => undefined;

  constructor(parts: CoreParts) {
    const { journal, host, options } = parts;
    this.options = options;
    this.journal = journal;
    this.host = host;
    this.events = parts.events;
    this.problems = parts.problems;
    this.#watch = parts.watch;
    this.#certificates = parts.certificates;
    this.#ledger = parts.ledger;
    // As the files say it now: the journal may give back an equal config of an earlier day, with another broker.
    this.broker = parts.watch.current.broker ?? null;
    this.#cases = new CaseCore({
      journal,
      host,
      config: parts.config,
      secret: agentSecret(options.dataDir, "audit"),
      use: parts.certificates,
      earlier: earlierTasks(remainsOf(options)),
      reviewer: options.reviewer,
      hasher: nodeHasher,
      clock: systemClock,
      timers: systemTimers,
      logger: options.logger,
    });
    this.pipeline = this.#cases.pipeline;
    this.engine = this.#cases.engine;
    const stored = ({ problem }: JournalStorage): void => {
      if (problem) this.problems.raise("storage", problem);
      else this.problems.clear("storage");
      this.onStatusChange();
    };
    journal.onStorage(stored);
    // A disk that is full from the start changes nothing when it stays so.
    stored(journal.storage());
  }

  resume(): Promise<void> {
    return this.#cases.resume();
  }

  /** From now on what decisions leave for the next ones outlives a restart. Returns the end. */
  keepRemains(): () => Promise<void> {
    this.#endRemains = keepRemains(remainsOf(this.options), () => this.pipeline.remains());
    return this.#endRemains;
  }

  /**
   * Applies the wanted models anew after an activation or a rollback, and while one that should serve does not: a file
   * that was missing for a while must not cost a restart. Returns the stop.
   */
  follow(registry: Pick<ModelRegistry, "watch">): () => void {
    const stopWatching = registry.watch(() => void this.#applyAnew());
    let cancel: Cancel = () => undefined;
    const heal = (delayMs: number): void => {
      cancel = systemTimers.after(delayMs, () => {
        if (this.#modelsAreWhole()) heal(healMsMin);
        else void this.#applyAnew().finally(() => heal(Math.min(healMsMax, delayMs * 2)));
      });
    };
    heal(healMsMin);
    this.#stopFollowing = () => {
      stopWatching();
      cancel();
    };
    return this.#stopFollowing;
  }

  #modelsAreWhole(): boolean {
    const lost = this.host.problems().some(({ code }) => code.startsWith("HP_MODEL"));
    return !lost && this.host.states().every(({ problem }) => problem === null);
  }

  async #applyAnew(): Promise<void> {
    await this.#cases.applyAnew();
    this.onStatusChange();
  }

  async adopt(config: EffectiveConfig): Promise<void> {
    await this.#cases.adopt(config);
    this.onStatusChange();
  }

  gates(): readonly GateState[] {
    return gateStates({
      config: this.pipeline.config(),
      models: this.host.states(),
      use: this.#certificates,
      hasher: nodeHasher,
    });
  }

  async status(): Promise<AgentStatus> {
    const { pipeline, host, engine, options } = this;
    const { revision, digest, storeId, tasks } = pipeline.config();
    const gates = this.gates();
    const unusable = Object.values(tasks).flatMap(({ task, modelProblem }) =>
      modelProblem ? [{ code: modelProblem.code, message: `${task}: ${modelProblem.message}` }] : [],
    );
    const facts: StatusFacts = {
      agent: options.name,
      store: storeId,
      phase: this.phase,
      problems: [...this.problems.list(), ...host.problems(), ...unusable, ...gateProblems(gates)],
      gates,
      models: host.states(),
      inFlight: engine.inFlight(),
      storage: this.journal.storage(),
      hub: this.hub?.() ?? null,
      config: { revision, digest },
    };
    return Promise.resolve(statusReport(facts, systemClock));
  }

  drain(withinMs: number): Promise<boolean> {
    return this.#cases.drain(withinMs);
  }

  async checkConfig(hubFiles: readonly LayerFile[], certificatesFile: string): Promise<void> {
    const texts = await readLayers([...hubFiles, ...this.options.configFiles]);
    const certificates = await this.#certificates.take(certificatesFile);
    const resolved = texts.ok ? resolveConfig(texts.layers, nodeHasher, certificates) : texts;
    if (!resolved.ok) throw resolved.error;
    const { storeId } = this.pipeline.config();
    if (resolved.value.config.storeId === storeId) return;
    throw new HoldpointError("HP_CONFIG", `the hub's config is of ${resolved.value.config.storeId}, not of ${storeId}`);
  }

  async reloadConfig(): Promise<void> {
    const reloaded = await this.#watch.reload();
    if (!reloaded.ok) throw reloaded.error;
  }

  async close(): Promise<void> {
    this.#stopFollowing();
    this.#watch.close();
    this.#cases.stopClocks();
    await this.host.close();
    await this.#endRemains();
    await this.#ledger.close();
    await this.journal.close();
  }
}
