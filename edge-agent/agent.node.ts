import { type LinkFacts } from "../cloud-sync/edge/link-report.ts";
import { type BrokerAddress } from "../config/index.ts";
import { type AgentStatus, type Logger } from "../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../protocol/platform/clock.node.ts";
import { type RunningHttpServer } from "../protocol/platform/http-server.node.ts";
import { nodeHasher } from "../protocol/platform/hash.node.ts";
import { createAgentService } from "./agent-service.ts";
import { startBroker, type BrokerOptions, type RunningBroker } from "./broker/broker.node.ts";
import { openCore, type AgentCore, type CoreOptions } from "./core.node.ts";
import { openDeviceDirectory } from "./devices/directory.node.ts";
import { startExternalBroker, type RunningExternalBroker } from "./external-broker/external-broker.node.ts";
import { startHttp, type HttpOptions } from "./http/http.node.ts";
import { checkHubOptions, hubDirectory, openHubLink, type HubLinkOptions, type HubLinkParts } from "./hub-link.node.ts";
import { agentSecret } from "./journal/agent-secret.node.ts";
import { createMetrics } from "./metrics.node.ts";
import { createReviewSource } from "./review-source.ts";
import { startReview, type ReviewListenerOptions, type RunningReview } from "./review/listener.node.ts";
import { type AgentService } from "./service.ts";

export interface Listener {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
}

export interface AgentOptions extends Omit<CoreOptions, "reviewer" | "hubDir"> {
  /** The embedded broker's listener; not opened where the config names an existing broker. */
  readonly mqtt: (Listener & Pick<BrokerOptions, "tls">) | null;
  readonly http: (Listener & Pick<HttpOptions, "localDevice" | "entityTask">) | null;
  /** The review page's own listener; null: nobody in the store can be asked. */
  readonly review: (Listener & Pick<ReviewListenerOptions, "onPairing" | "policy">) | null;
  /** The hub to which cases go that nobody in the store decides, and from which answers come. None unless given. */
  readonly hub?: HubLinkOptions;
  /** Name and version of this software, as the hub shows it. */
  readonly software?: string;
  readonly logger: Logger;
}

export interface RunningAgent {
  readonly storeId: string;
  readonly broker: RunningBroker | null;
  /** The existing broker that the config names, instead of `broker`. */
  readonly externalBroker: RunningExternalBroker | null;
  readonly http: RunningHttpServer | null;
  readonly review: RunningReview | null;
  readonly service: AgentService;
  /** The way to the hub; null where there is none. */
  readonly hub: (() => LinkFacts) | null;
  /** From the call of `startAgent` to open doors, milliseconds. */
  readonly startedInMs: number;
  status(): Promise<AgentStatus>;
  /** Refuses new work, decides what is in flight, tells the devices, and gives the directory free. */
  close(): Promise<void>;
}

/**
 * For the decisions in flight. A full disk takes none, however long one waits; what was acknowledged is in the journal and
 * is decided after the next start. With the rest of the closing it stays below the ten seconds that containers give.
 */
const drainMsMax = 5000;
/** After the last decision, time for the devices' acknowledgements. */
const farewellMs = 300;

/**
 * Starts an agent and resolves when its doors are open.
 *
 * Errors: HP_LOCKED (another agent has the directory), HP_CONFIG, HP_PORT, HP_JOURNAL (a journal of a newer version).
 *
 * @example
 * const agent = await startAgent({ dataDir: ".holdpoint", name: "box-1", configFiles, mqtt, http, review, models: {}, logger });
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const startedMs = systemClock.monotonicMs();
  const { hub, review, dataDir } = options;
  if (hub) checkHubOptions(hub);
  const hubDir = hub ? hubDirectory(dataDir) : null;
  const core = await openCore({ ...options, hubDir, reviewer: review !== null || hub !== undefined });
  const doors = new Doors(core, options);
  try {
    await doors.open();
  } catch (cause) {
    await doors.close(0);
    await core.close();
    throw cause;
  }
  core.phase = "running";
  doors.openHub();
  core.onStatusChange();
  const startedInMs = Math.round(systemClock.monotonicMs() - startedMs);
  const { storeId } = core.pipeline.config();
  options.logger.info("ready", { store: storeId, startedInMs, config: core.pipeline.config().revision });
  let closing: Promise<void> | null = null;
  return {
    storeId,
    broker: doors.broker,
    externalBroker: doors.externalBroker,
    http: doors.http,
    review: doors.review,
    service: doors.service,
    hub: core.hub,
    startedInMs,
    status: () => core.status(),
    close: () => (closing ??= closeAgent(core, doors)),
  };
}

/** Drains first: the devices hear their decisions, then the doors close. */
async function closeAgent(core: AgentCore, doors: Doors): Promise<void> {
  core.phase = "draining";
  core.onStatusChange();
  const inFlight = core.engine.inFlight();
  if (!(await core.drain(drainMsMax))) core.options.logger.warn("left_undecided", { inFlight, drainMsMax });
  core.phase = "offline";
  await (doors.broker ?? doors.externalBroker)?.publishStatus();
  await doors.close(farewellMs);
  await core.close();
  core.options.logger.info("closed");
}

/** Of every task whose people have a stated capacity. */
function reviewStates(pipeline: AgentCore["pipeline"]) {
  return Object.keys(pipeline.config().tasks).flatMap((task) => {
    const state = pipeline.reviewState(task);
    return state ? [{ task, ...state }] : [];
  });
}

/** What listens: opened in order, closed in reverse. */
class Doors {
  readonly service: AgentService;
  broker: RunningBroker | null = null;
  externalBroker: RunningExternalBroker | null = null;
  http: RunningHttpServer | null = null;
  review: RunningReview | null = null;
  readonly #core: AgentCore;
  readonly #options: AgentOptions;
  readonly #metrics: ReturnType<typeof createMetrics>;
  readonly #deliveredListeners = new Set<(id: string, revision: number) => void>();
  readonly #closers: ((graceMs: number) => Promise<void> | void)[] = [];

  constructor(core: AgentCore, options: AgentOptions) {
    this.#core = core;
    this.#options = options;
    this.#metrics = createMetrics({
      status: () => core.status(),
      counts: () => core.journal.counts(),
      gates: () => ({ contracts: core.gates(), reviews: reviewStates(core.pipeline) }),
      hub: () => {
        const facts = core.hub?.();
        if (!facts) return null;
        const { feedFreshAtMs: freshMs } = facts;
        return { ...facts, feedLagS: freshMs === null ? null : (systemClock.monotonicMs() - freshMs) / 1000 };
      },
    });
    this.service = createAgentService({
      storeId: core.pipeline.config().storeId,
      engine: core.engine,
      journal: core.journal,
      metrics: this.#metrics,
      logger: options.logger,
      status: () => core.status(),
      onEvent: (event) => core.events.add(event),
      onDelivered: (id, revision) => {
        for (const listener of this.#deliveredListeners) listener(id, revision);
      },
    });
  }

  async open(): Promise<void> {
    const { mqtt, http, review, logger, dataDir, name } = this.#options;
    const shared = { clock: systemClock, timers: systemTimers, logger };
    this.#closers.push(() => this.#metrics.close());
    const devices = await openDeviceDirectory({ ...shared, dir: dataDir });
    this.#closers.push(() => devices.close());
    const doors = { ...shared, service: this.service, devices, metrics: this.#metrics };
    if (this.#core.broker) this.#openExternal(this.#core.broker);
    else if (mqtt) {
      const broker = await startBroker({ ...doors, ...mqtt, agentName: name });
      this.broker = broker;
      this.#closers.push((graceMs) => broker.close(graceMs));
      this.#core.onStatusChange = () => void broker.publishStatus();
    }
    if (http) {
      const server = await startHttp({
        ...doors,
        ...http,
        random: systemRandom,
        hasher: nodeHasher,
        metricsText: () => this.#metrics.text(),
      });
      this.http = server;
      this.#closers.push((graceMs) => server.close(graceMs));
    }
    if (review) {
      const page = await this.#openReview(review);
      this.review = page;
      this.#closers.push(() => page.close());
    }
  }

  /** Last, when the status is the running agent's. The network is never waited for. */
  openHub(): void {
    const { hub, software = "holdpoint" } = this.#options;
    if (!hub) return;
    const core = this.#core;
    const tell = core.onStatusChange;
    const onOutcome: HubLinkParts["onOutcome"] = (call, outcome) => this.#metrics.exchanged(call, outcome);
    const link = openHubLink({ core, hub, software, onOutcome, onChange: tell });
    core.hub = () => link.facts();
    this.#closers.push(() => link.close());
    // The hub is told as well, but not of its own way: each row that is sent would be worth a report.
    core.onStatusChange = () => {
      tell();
      link.soon();
    };
  }

  async close(graceMs: number): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close(graceMs);
  }

  #openExternal(address: BrokerAddress): void {
    const { logger, name } = this.#options;
    const { problems } = this.#core;
    const { url, username, passwordFile, caFile } = address;
    const broker = startExternalBroker({
      access: { url, username: username ?? name, passwordFile, caFile },
      agentName: name,
      service: this.service,
      metrics: this.#metrics,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      logger,
      onProblem: (problem) => (problem ? problems.raise("broker", problem) : problems.clear("broker")),
    });
    this.externalBroker = broker;
    this.#closers.push((graceMs) => broker.close(graceMs));
    this.#core.onStatusChange = () => void broker.publishStatus();
  }

  #openReview(review: NonNullable<AgentOptions["review"]>): Promise<RunningReview> {
    const { logger, dataDir } = this.#options;
    const { journal, engine, pipeline, host } = this.#core;
    const { storeId } = pipeline.config();
    const source = createReviewSource({
      storeId,
      journal,
      engine,
      pipeline,
      host,
      onDelivered: (listener) => {
        this.#deliveredListeners.add(listener);
        return () => this.#deliveredListeners.delete(listener);
      },
    });
    return startReview({
      ...review,
      source,
      storeName: storeId,
      secret: agentSecret(dataDir, "review"),
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      hasher: nodeHasher,
      logger,
      onRefused: (error) => this.#metrics.refused("http", error.code),
    });
  }
}
