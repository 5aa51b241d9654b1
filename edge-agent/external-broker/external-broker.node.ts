import {
  agentStatusTopic,
  encodeMessage,
  type HoldpointError,
  type Cancel,
  type Clock,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { startStatus } from "../broker/status.node.ts";
import { type AgentMetrics, type AgentService } from "../service.ts";
import { type Problem } from "../status-report.ts";
import { DecisionsElsewhere } from "./elsewhere.ts";
import { Inbox } from "./inbox.ts";
import { LeaseBook } from "./lease-book.ts";
import { leasePolicy } from "./lease-machine.ts";
import { deviceOfKey, leasePrefix } from "./lease-message.ts";
import { MqttLink, type BrokerAccess, type LinkMessage } from "./mqtt-link.node.ts";
import { Outgoing } from "./outgoing.ts";

export interface ExternalBrokerOptions {
  readonly access: BrokerAccess;
  readonly agentName: string;
  readonly service: AgentService;
  readonly metrics: AgentMetrics;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Null when it is well again. */
  readonly onProblem: (problem: Problem | null) => void;
}

export interface RunningExternalBroker {
  readonly url: string;
  readonly connected: boolean;
  /** Leases that this agent holds: devices, and shares of entities. */
  leases(): readonly string[];
  /** Publishes the retained status now, if it changed. */
  publishStatus(): Promise<void>;
  /** Gives the leases back, lets what is under way reach the broker for `graceMs`, and says goodbye. */
  close(graceMs: number): Promise<void>;
}

const tickMs = 100;
const statusIntervalMs = 10_000;

/**
 * The agent as a client of an existing broker (docs/external-broker.md). Returns at once: the broker may be away for as
 * long as it likes, and the agent says so.
 *
 * Two connections: one for the devices, whose session the broker keeps, and one for the leases, whose messages must
 * neither wait behind the devices' nor come from a time when nobody was there.
 */
export function startExternalBroker(options: ExternalBrokerOptions): RunningExternalBroker {
  const door = new ExternalDoor(options);
  door.start();
  return {
    url: options.access.url,
    get connected() {
      return door.connected;
    },
    leases: () => door.leases.owned(),
    publishStatus: () => door.publishStatus(),
    close: (graceMs) => door.close(graceMs),
  };
}

class ExternalDoor {
  readonly leases: LeaseBook;
  readonly #options: ExternalBrokerOptions;
  readonly #devices: MqttLink;
  readonly #log: MqttLink;
  readonly #inbox: Inbox;
  readonly #outgoing: Outgoing;
  readonly #unsubscribe: () => void;
  #status: ReturnType<typeof startStatus> | null = null;
  #cancelTick: Cancel = () => undefined;
  #closing = false;
  /** Publishes that the broker has not acknowledged. */
  #open = 0;

  constructor(options: ExternalBrokerOptions) {
    this.#options = options;
    const { service, agentName, clock, random, logger } = options;
    const { storeId } = service;
    const elsewhere = new DecisionsElsewhere();
    this.#outgoing = new Outgoing({
      service,
      elsewhere,
      logger,
      publish: (topic, payload) => this.#publish(topic, payload),
      keyOf: (device, id) => this.#inbox.keyOf(device, id),
      onClosed: (key, id) => this.#inbox.closed(key, id),
      mayPublish: (key) => {
        if (this.leases.owns(key)) return true;
        this.leases.want(key);
        return false;
      },
    });
    this.leases = new LeaseBook({
      isBusy: (key) => this.#inbox.isBusy(key),
      agent: agentName,
      clock,
      random,
      policy: leasePolicy,
      publish: (key, payload, retain) => void this.#log.publish(leasePrefix(storeId) + key, payload, retain),
      onGained: (key) => this.#gained(key),
      onLost: (key) => this.#inbox.lost(key),
      onSilence: () => this.#silent(),
    });
    this.#inbox = new Inbox({ ...options, leases: this.leases, elsewhere, outgoing: this.#outgoing });
    const topics = ["request", "event", "outcome", "decision"].map((channel) => `holdpoint/v1/${storeId}/+/${channel}`);
    this.#devices = this.#link("devices", topics, (message, acknowledge) =>
      this.#inbox.take(message.topic, message.payload, acknowledge),
    );
    this.#log = this.#link("leases", [`${leasePrefix(storeId)}+`], ({ topic, payload, retained }, acknowledge) => {
      this.leases.heard(topic.slice(leasePrefix(storeId).length), payload, retained);
      acknowledge();
    });
    this.#unsubscribe = service.onRevision((revision) => void this.#outgoing.send(revision));
  }

  get connected(): boolean {
    return this.#devices.up && this.#log.up;
  }

  start(): void {
    this.#options.onProblem({ code: "HP_UNREACHABLE", message: "not connected to the broker yet" });
    this.#devices.start();
    this.#log.start();
    this.#tick();
  }

  publishStatus(): Promise<void> {
    return this.#status?.publish() ?? Promise.resolve();
  }

  async close(graceMs: number): Promise<void> {
    const { clock, timers } = this.#options;
    this.#closing = true;
    this.#inbox.close();
    const until = clock.monotonicMs() + graceMs;
    while (this.#open > 0 && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => void timers.after(10, resolve));
    }
    this.#unsubscribe();
    this.#cancelTick();
    this.#status?.stop();
    this.leases.releaseAll();
    await Promise.all([this.#devices.close(), this.#log.close()]);
  }

  #link(
    purpose: "devices" | "leases",
    filters: readonly string[],
    onMessage: (message: LinkMessage, acknowledge: () => void) => void,
  ): MqttLink {
    const { service, agentName } = this.#options;
    return new MqttLink({
      ...this.#options,
      clientId: `${agentName}-${service.storeId}-${purpose}`,
      clean: purpose === "leases",
      filters,
      will: purpose === "devices" ? () => this.#will() : null,
      onUp: () => this.#up(),
      onDown: (error) => this.#down(purpose, error),
      onMessage,
    });
  }

  #up(): void {
    if (!this.connected || this.#closing) return;
    this.#options.logger.info("broker_connected", { url: this.#options.access.url });
    this.#options.onProblem(null);
    this.leases.up();
    // The will of the last connection may stand there: said anew at once, and then as always.
    this.#status?.stop();
    this.#status = startStatus({
      ...this.#options,
      intervalMs: statusIntervalMs,
      publish: (topic, payload) => void this.#devices.publish(topic, payload, true),
      tick: () => this.#outgoing.tick(),
    });
  }

  #down(purpose: "devices" | "leases", error: HoldpointError): void {
    this.#options.logger.info("broker_lost", { code: error.code, message: error.message });
    // Leases are worth nothing without the devices' connection, and cannot be known without the log's.
    if (purpose === "leases") this.leases.broken();
    else this.leases.suspend();
    if (!this.#closing) this.#options.onProblem({ code: error.code, message: error.message });
  }

  #gained(key: string): void {
    if (this.#closing) return;
    if (this.connected) this.#options.onProblem(null);
    this.#inbox.gained(key);
    const device = deviceOfKey(key);
    for (const each of device === null ? this.#inbox.devices() : [device]) void this.#outgoing.pump(each);
  }

  #silent(): void {
    const message = "lease messages do not come back: may this agent read and write holdpoint/v1/+/agents/leases/+?";
    this.#options.onProblem({ code: "HP_FORBIDDEN", message });
  }

  async #publish(topic: string, payload: Uint8Array): Promise<boolean> {
    this.#open += 1;
    try {
      return await this.#devices.publish(topic, payload);
    } finally {
      this.#open -= 1;
    }
  }

  /** The broker says it for us when we die. */
  async #will(): Promise<{ readonly topic: string; readonly payload: Uint8Array }> {
    const { service, agentName } = this.#options;
    const status = { ...(await service.status()), state: "offline" as const, safeToPowerOff: false };
    return { topic: agentStatusTopic(service.storeId, agentName), payload: encodeMessage(status, "json") };
  }

  #tick(): void {
    this.#cancelTick = this.#options.timers.after(tickMs, () => {
      this.leases.tick();
      this.#inbox.tick();
      this.#tick();
    });
  }
}
