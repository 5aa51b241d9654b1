import { createAgentService } from "../../edge-agent/agent-service.ts";
import { type Connection } from "../../edge-agent/broker/connection.node.ts";
import { AckOrder } from "../../edge-agent/broker/ack-order.ts";
import { brokerLimits } from "../../edge-agent/broker/broker-limits.ts";
import { DeliveryWindow } from "../../edge-agent/broker/delivery-window.ts";
import { Intake } from "../../edge-agent/broker/intake.node.ts";
import { Peers, type Peer } from "../../edge-agent/broker/peer.node.ts";
import { deviceTopics } from "../../edge-agent/broker/topic-access.ts";
import { CaseCore } from "../../edge-agent/case-core.ts";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";
import { type Journal, type JournalOpened } from "../../edge-agent/journal/journal.ts";
import { createReviewSource } from "../../edge-agent/review-source.ts";
import { createAgentReviewStore } from "../../edge-agent/review/agent-review-store.ts";
import {
  type AgentMetrics,
  type AgentService,
  type DeviceMessage,
  type Revision,
  type Submitted,
} from "../../edge-agent/service.ts";
import { type ReviewStore } from "../../cloud-sync/review/review-store.ts";
import { type EffectiveConfig } from "../../config/index.ts";
import {
  bodyDigest,
  deviceTopic,
  encodeMessage,
  HoldpointError,
  parseRequest,
  silentLogger,
  toHex,
  type Clock,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { wantedModels } from "../../sdk/index.ts";
import { type SimDisk } from "./agent-simulation-disk.ts";
import { simModels, type ModelWeather } from "./agent-simulation-models.ts";
import { type Oracle } from "./agent-simulation-oracle.ts";
import { type SimTime } from "./agent-simulation-time.ts";

/** What a mistaken agent does otherwise: the simulation must find each of them out. */
export interface Mistakes {
  readonly journal?: (journal: Journal) => Journal;
  readonly clock?: (clock: Clock) => Clock;
  readonly config?: (config: EffectiveConfig) => EffectiveConfig;
  /** A revision's row is cleared when it is sent, not when its PUBACK came. */
  readonly clearsWhenSent?: boolean;
}

export interface SimAgentOptions {
  readonly time: SimTime;
  readonly disk: SimDisk;
  readonly random: Random;
  readonly oracle: Oracle;
  readonly models: () => ModelWeather;
  /** The config file of the store as it is when the agent starts. */
  readonly config: EffectiveConfig;
  readonly reviewer: boolean;
  readonly mistakes: Mistakes;
}

/** One way from the agent to a device, as its connection sees it. */
export interface AgentSocket {
  readonly device: string;
  /** Bytes leave for the device. `packetId` 0: QoS 0. */
  publish(topic: string, payload: Uint8Array, packetId: number): void;
  puback(packetId: number): void;
  close(): void;
  readonly clogged: () => boolean;
}

export const storeId = "store_7";
const withheldCloseMs = 3_000;
const windowMax = 8;

/** Alive until it dies; then nothing of it runs any more, and nobody who waits for it is answered. */
export class SimProcess {
  alive = true;
  readonly died: Promise<null>;
  readonly isAlive = (): boolean => this.alive;
  #tell: () => void = () => undefined;

  constructor() {
    this.died = new Promise((resolve) => (this.#tell = () => resolve(null)));
  }

  readonly die = (): void => {
    this.alive = false;
    this.#tell();
  };
}

/** One life of the agent's process: everything of the real agent between its sockets and its disk. */
export class SimAgent {
  readonly opened: JournalOpened;
  readonly journal: Journal;
  readonly core: CaseCore;
  readonly service: AgentService;
  readonly timers: Timers;
  readonly process: SimProcess;
  room: ReviewStore | null = null;
  readonly #options: SimAgentOptions;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #peers = new Peers();
  readonly #intake: Intake;
  readonly #delivered = new Set<(id: string, revision: number) => void>();
  /** Every connection of this life; closing one again does nothing. */
  readonly #connected: AgentSocket[] = [];
  #sockets = 0;

  /** Null where the process died before it was ready. */
  static async open(options: SimAgentOptions): Promise<SimAgent | null> {
    const process = new SimProcess();
    return Promise.race([process.died, SimAgent.#open(options, process)]);
  }

  static async #open(options: SimAgentOptions, process: SimProcess): Promise<SimAgent> {
    const { time, disk, random, mistakes } = options;
    const timers = time.timersOf(process.isAlive);
    const clock = lifeClock(time, random);
    disk.instant = true;
    const { journal, opened } = await openJournal({
      ...{ dir: disk.dir, clock, timers, random, logger: silentLogger, retention: options.config.retention },
      limits: { reserveBytes: 65_536 },
      startThread: disk.threadsFor(process),
    });
    const kept = mistakes.journal?.(journal) ?? journal;
    const host = simModels(instantly(timers, disk), random, options.models);
    const config = await kept.adoptConfig(options.config);
    await host.apply(wantedModels(config));
    const core = new CaseCore({
      ...{ journal: kept, host, timers, hasher: nodeHasher, logger: silentLogger },
      config: mistakes.config?.(config) ?? config,
      clock: mistakes.clock?.(clock) ?? clock,
      secret: new Uint8Array(32).fill(7),
      reviewer: options.reviewer,
    });
    const agent = new SimAgent(options, { journal: kept, opened, core, process, timers, clock });
    await core.resume();
    if (options.reviewer) {
      const source = createReviewSource({
        ...{ storeId, journal: kept, engine: core.engine, pipeline: core.pipeline, host },
        onDelivered: (listener) => {
          agent.#delivered.add(listener);
          return () => agent.#delivered.delete(listener);
        },
      });
      agent.room = await createAgentReviewStore({
        ...{ source, clock, timers, logger: silentLogger },
        encodePng: () => Promise.resolve(new Uint8Array(0)),
        policy: { leaseMs: 6_000, undoWindowMs: 1_500, deadlineMarginMs: 500, commitRetryMsMax: 2_000 },
      });
    }
    disk.instant = false;
    agent.#tick();
    return agent;
  }

  private constructor(
    options: SimAgentOptions,
    parts: Pick<SimAgent, "journal" | "opened" | "core" | "process" | "timers"> & { readonly clock: Clock },
  ) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#startedMs = options.time.monotonicMs();
    this.journal = parts.journal;
    this.opened = parts.opened;
    this.core = parts.core;
    this.process = parts.process;
    this.timers = parts.timers;
    // Heard before the doors hear it: a revision exists when it is told, not when it has been sent.
    this.core.engine.onRevision((decision) => {
      if (this.process.alive) options.oracle.revised(decision);
    });
    const service = createAgentService({
      ...{ storeId, engine: parts.core.engine, journal: parts.journal, metrics, logger: silentLogger },
      status: () => Promise.reject(new HoldpointError("HP_CLOSED", "nobody asks")),
      onEvent: () => undefined,
      onDelivered: (id, revision) => {
        for (const listener of this.#delivered) listener(id, revision);
      },
    });
    this.service = { ...bound(service), submit: (message) => this.#submit(service, message) };
    this.#intake = new Intake({
      ...{ service: this.service, peers: this.#peers, metrics, logger: silentLogger },
      limits: { ...brokerLimits, withheldCloseMs, deliveryWindowMax: windowMax },
    });
    this.service.onRevision((revision) => this.#offer(revision));
  }

  isAlive(): boolean {
    return this.process.alive;
  }

  /** Monotonic time that this life has lasted. */
  get uptimeMs(): number {
    return this.#options.time.monotonicMs() - this.#startedMs;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  /** A device has connected and subscribed to everything of its own at QoS 1. */
  connect(socket: AgentSocket): SimPeer {
    this.#connected.push(socket);
    return new SimPeer(this, socket, this.#peers, this.#intake, {
      clientId: `${socket.device}-${(this.#sockets += 1)}`,
      clearsWhenSent: this.#options.mistakes.clearsWhenSent === true,
      oracle: this.#options.oracle,
    });
  }

  /** As the daemon ends: what is in flight is decided, the doors are closed, then the journal. */
  async stop(): Promise<void> {
    await this.core.drain(5_000);
    await this.room?.close();
    for (const socket of this.#connected.splice(0)) socket.close();
    this.core.stopClocks();
    await this.journal.close();
    this.process.die();
  }

  async #submit(service: AgentService, message: DeviceMessage): Promise<Submitted> {
    const { oracle } = this.#options;
    const parsed = parseRequest(message.bytes);
    if (!parsed.ok) throw parsed.error;
    const { id } = parsed.value;
    oracle.arrived(id);
    const submitted = await service.submit(message);
    if (!this.isAlive()) return submitted;
    if (submitted.kind === "durable") oracle.taken(id, toHex(bodyDigest(nodeHasher, parsed.value)));
    else oracle.refused(id, submitted.error.code);
    return submitted;
  }

  #offer(revision: Revision): void {
    if (revision.transport !== "mqtt" || !this.isAlive()) return;
    for (const peer of this.#peers.ofDevice(revision.device)) peer.window.offer(revision);
  }

  #tick(): void {
    this.timers.after(1_000, () => {
      for (const peer of this.#peers.all()) peer.window.pump();
      this.#tick();
    });
  }
}

interface SimPeerOptions {
  readonly clientId: string;
  readonly clearsWhenSent: boolean;
  readonly oracle: Oracle;
}

/** A device's connection as the broker keeps it; the intake and the window of deliveries are the broker's own. */
export class SimPeer {
  readonly #agent: SimAgent;
  readonly #socket: AgentSocket;
  readonly #peers: Peers;
  readonly #intake: Intake;
  readonly #peer: Peer;
  readonly #oracle: Oracle;
  #open = true;

  constructor(agent: SimAgent, socket: AgentSocket, peers: Peers, intake: Intake, options: SimPeerOptions) {
    this.#agent = agent;
    this.#socket = socket;
    this.#peers = peers;
    this.#intake = intake;
    this.#oracle = options.oracle;
    const { device } = socket;
    const { service } = agent;
    const topic = deviceTopic(storeId, device, "decision");
    const window = new DeliveryWindow(
      {
        send: ({ decision, encoding }, packetId) => {
          if (!this.#isOpen) return;
          socket.publish(topic, encodeMessage(decision, encoding), packetId);
          if (options.clearsWhenSent) service.delivered(device, decision.id, decision.revision);
        },
        undelivered: async (limit) =>
          (await service.undelivered(device, limit)).filter(({ transport }) => transport === "mqtt"),
        delivered: (id, revision) => service.delivered(device, id, revision),
        clogged: socket.clogged,
      },
      windowMax,
      new Map(),
    );
    this.#peer = {
      ...{ device, clientId: options.clientId, clean: true, topics: deviceTopics(storeId, device), window },
      connection: this.#connection(),
      filters: new Map([[deviceTopic(storeId, device, "decision").replace(/decision$/, "+"), 1]]),
    };
    peers.add(this.#peer);
    window.subscribed(1);
  }

  /** A PUBLISH of the device has arrived. */
  publish(topic: string, payload: Uint8Array, packetId: number): void {
    if (!this.#isOpen) return;
    this.#intake.take(this.#peer, { topic, payload, qos: 1, bytes: payload.byteLength }, () => {
      if (this.#isOpen) this.#socket.puback(packetId);
    });
  }

  /** A PUBACK of the device has arrived. */
  puback(packetId: number): void {
    if (!this.#isOpen) return;
    const sent = this.#peer.window.acknowledge(packetId);
    if (sent) this.#oracle.pubacked(sent.id, sent.revision);
  }

  flowing(): void {
    if (this.#isOpen) this.#peer.window.pump();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#peer.window.close();
    this.#peers.remove(this.#peer);
  }

  get #isOpen(): boolean {
    return this.#open && this.#agent.isAlive();
  }

  #connection(): Connection {
    const isClosed = (): boolean => !this.#isOpen;
    let closing = false;
    const part = {
      acks: new AckOrder(),
      get destroyed() {
        return isClosed();
      },
      leave: () => undefined,
      closeLater: () => {
        if (closing) return;
        closing = true;
        this.#agent.timers.after(withheldCloseMs, () => this.#socket.close());
      },
      sendPublish: (topic: Uint8Array, payload: Uint8Array, packetId = 0) => {
        if (this.#isOpen) this.#socket.publish(new TextDecoder().decode(topic), payload, packetId);
      },
    };
    return part as unknown as Connection;
  }
}

function bound(service: AgentService): AgentService {
  return {
    storeId: service.storeId,
    submit: (message) => service.submit(message),
    outcome: (message) => service.outcome(message),
    observe: (message) => service.observe(message),
    decision: (device, id) => service.decision(device, id),
    wait: (device, id, until, waitMs) => service.wait(device, id, until, waitMs),
    list: (query) => service.list(query),
    onRevision: (listener) => service.onRevision(listener),
    undelivered: (device, limit) => service.undelivered(device, limit),
    delivered: (device, id, revision) => service.delivered(device, id, revision),
    status: () => service.status(),
  };
}

/** A process's monotonic clock starts anywhere. */
function lifeClock(time: SimTime, random: Random): Clock {
  const offsetMs = Math.floor(random.uniform() * 1e7) - time.monotonicMs();
  return { wallMs: () => time.wallMs(), monotonicMs: () => time.monotonicMs() + offsetMs };
}

/** While an agent starts, its models are warm at once. */
function instantly(timers: Timers, disk: SimDisk): Timers {
  return {
    after: (delayMs, task) => {
      if (!disk.instant) return timers.after(delayMs, task);
      setImmediate(task);
      return () => undefined;
    },
  };
}

const metrics: AgentMetrics = {
  refused: () => undefined,
  decided: () => undefined,
  connections: () => undefined,
  acknowledged: () => undefined,
};
