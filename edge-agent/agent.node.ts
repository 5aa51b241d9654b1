import { join } from "node:path";
import { diffNeedsModels, type EffectiveConfig } from "../config/index.ts";
import { watchConfig, type ConfigLayerFile, type ConfigWatch } from "../config/watcher.node.ts";
import { type ModelHost } from "../models/index.ts";
import { nodeModels, type NodeModelsOptions } from "../models/index.node.ts";
import { HoldpointError, isFinal, type AgentStatus, type Decision, type Logger } from "../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../protocol/platform/clock.node.ts";
import { nodeHasher } from "../protocol/platform/hash.node.ts";
import { createPipeline, Engine, wantedModels, type Pipeline } from "../sdk/index.ts";
import { createAgentService, type CaseOrigin } from "./agent-service.ts";
import { startBroker, type BrokerTls, type RunningBroker } from "./broker/broker.node.ts";
import { openDevices } from "./devices/devices.node.ts";
import { startAgentHttp, type RunningAgentHttp } from "./http/http.node.ts";
import { type Journal } from "./journal/journal.ts";
import { agentSecret, openJournal } from "./journal/journal.node.ts";
import { createAgentMetrics, type PrometheusMetrics } from "./metrics.node.ts";
import { ProblemBoard } from "./problem-board.ts";
import { ReviewClocks } from "./review-clocks.ts";
import { createReviewSource } from "./review-source.ts";
import { startReview, type RunningReview } from "./review/listener.node.ts";
import { type AgentService } from "./service.ts";
import { statusReport, type StatusFacts } from "./status-report.ts";

export interface Listener {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
}

export interface AgentOptions {
  /** Journal, models, devices and secrets of this agent. Only one agent may use it. */
  readonly dataDir: string;
  /** Name of the agent on its status topic. */
  readonly name: string;
  /** Config layers, lowest first; later ones win. */
  readonly configFiles: readonly ConfigLayerFile[];
  readonly mqtt: (Listener & { readonly tls?: BrokerTls }) | null;
  readonly http: Listener | null;
  /** The review page's own listener; null: nobody in the store can be asked. */
  readonly review: Listener | null;
  readonly models: Omit<NodeModelsOptions, "registryDir" | "logger"> & { readonly registryDir?: string };
  readonly logger: Logger;
}

export interface RunningAgent {
  readonly storeId: string;
  readonly mqttPort: number | null;
  readonly http: RunningAgentHttp | null;
  readonly review: RunningReview | null;
  readonly service: AgentService;
  /** From the call of `startAgent` to ready, milliseconds. */
  readonly startedInMs: number;
  status(): Promise<AgentStatus>;
  /** Refuses new work, decides what is in flight, tells the devices, and gives the directory free. */
  close(): Promise<void>;
}

/** Cases in flight above which devices are told HP_BUSY: some seconds of work, and a bound on memory. */
const inFlightMax = 8192;
const waitersMax = 65_536;
/** Cases that wait for a person and whose clocks are kept in memory. */
const pendingMax = 1_000_000;
/** After the last decision, time for the devices' acknowledgements. */
const farewellMs = 300;

/** Everything that the parts of a running agent share while it is put together. */
interface Core {
  readonly options: AgentOptions;
  readonly journal: Journal;
  readonly host: ModelHost;
  readonly pipeline: Pipeline;
  readonly engine: Engine<CaseOrigin>;
  readonly problems: ProblemBoard;
  readonly clocks: ReviewClocks;
  readonly metrics: PrometheusMetrics;
  readonly delivered: Set<(id: string, revision: number) => void>;
  phase: StatusFacts["phase"];
  statusChanged: () => void;
}

/**
 * Starts an agent and resolves when its doors are open.
 *
 * Errors: HP_LOCKED (another agent has the directory), HP_CONFIG, HP_PORT, HP_JOURNAL (a journal of a newer version).
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const startedMs = systemClock.monotonicMs();
  const core = await openCore(options);
  const closers: (() => Promise<void>)[] = [];
  try {
    const doors = await openDoors(core, closers);
    core.phase = "running";
    core.statusChanged();
    const startedInMs = Math.round(systemClock.monotonicMs() - startedMs);
    options.logger.info("ready", { store: core.pipeline.config().storeId, startedInMs });
    return {
      ...doors,
      storeId: core.pipeline.config().storeId,
      startedInMs,
      status: () => statusOf(core),
      close: () => closeAgent(core, closers),
    };
  } catch (cause) {
    await closeAgent(core, closers);
    throw cause;
  }
}

async function openCore(options: AgentOptions): Promise<Core & { readonly watch: ConfigWatch }> {
  const { dataDir, logger } = options;
  let statusChanged = (): void => undefined;
  const problems = new ProblemBoard(logger, () => statusChanged());
  const secret = await agentSecret(dataDir, systemRandom);
  // The journal first: it holds the directory's lock, so a second agent ends here and touches nothing.
  const { journal, opened } = await openJournal({
    dir: join(dataDir, "journal"),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    hasher: nodeHasher,
    secret,
    logger,
  });
  if (opened.kind === "recovered") {
    const message = `a damaged journal was set aside in ${opened.quarantined ?? "quarantine"}: ${opened.reason ?? ""}`;
    problems.raise("journal", { code: "HP_JOURNAL", message });
  }
  try {
    const changes = new ConfigChanges();
    const watch = await watchConfig({
      layers: options.configFiles,
      hasher: nodeHasher,
      clock: systemClock,
      timers: systemTimers,
      logger,
      onChange: (config) => changes.push(config),
      onProblem: (error) => problems.raise("config", { code: error.code, message: error.message }),
    });
    const config = await journal.adoptConfig(watch.current());
    const host = nodeModels({
      ...options.models,
      registryDir: options.models.registryDir ?? join(dataDir, "models"),
      events: { recent: (entity, sinceMs) => journal.events(entity, sinceMs) },
      logger,
    })("child");
    await host.apply(wantedModels(config));
    const pipeline = createPipeline({
      config,
      host,
      secret,
      hasher: nodeHasher,
      clock: systemClock,
      timers: systemTimers,
    });
    const core = { ...assemble(options, { journal, host, pipeline, problems }), watch };
    statusChanged = () => core.statusChanged();
    changes.follow((next) => adoptConfig(core, next));
    await resume(core);
    return core;
  } catch (cause) {
    await journal.close();
    throw cause;
  }
}
