import { type Socket } from "node:net";
import type { Aedes, AuthenticateError, Client, PublishPacket, Subscription } from "aedes";
import { HoldpointError, type Clock, type Logger, type Timers } from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type DeviceDirectory } from "../service.ts";
import { Admission } from "./admission.node.ts";
import { brokenBy, connectionOf, importAedes, interceptPublish } from "./aedes.node.ts";
import { type BrokerLimits } from "./broker-limits.ts";
import { Connections } from "./connections.node.ts";
import { Intake } from "./intake.node.ts";
import { Peers } from "./peer.node.ts";
import { Presence } from "./presence.node.ts";
import { SessionStore } from "./session-store.node.ts";
import { feedsOf, mayReceive } from "./topic-access.ts";

export interface MqttDoorOptions {
  readonly service: AgentService;
  readonly devices: DeviceDirectory;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: AgentMetrics;
}

/** aedes' hooks and events, each handed to the part of the broker whose matter it is. */
export class MqttDoor {
  readonly limits: BrokerLimits;
  readonly peers = new Peers();
  readonly #options: MqttDoorOptions;
  readonly #sessions: SessionStore;
  readonly #intake: Intake;
  readonly #connections: Connections;
  readonly #admission: Admission;
  readonly #presence: Presence;
  #aedes: Aedes | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(options: MqttDoorOptions, limits: BrokerLimits) {
    const { peers } = this;
    const { connectionsPerDeviceMax } = limits;
    this.#options = options;
    this.limits = limits;
    this.#intake = new Intake({ ...options, peers, limits });
    this.#connections = new Connections({
      ...options,
      limits,
      tell: (device, error) => this.#intake.refuse(device, error),
    });
    this.#admission = new Admission({ ...options, peers, connectionsPerDeviceMax });
    this.#sessions = new SessionStore({
      sessionsMax: limits.sessionsMax,
      incomingMax: limits.inflightPerClientMax,
      isConnected: (clientId) => peers.byClientId(clientId) !== null,
      allowed: (clientId, filter) => {
        const device = peers.byClientId(clientId)?.device;
        return device !== undefined && feedsOf(filter, options.service.storeId, device) !== null;
      },
      acknowledged: (clientId, packetId) => peers.byClientId(clientId)?.window.acknowledge(packetId) ?? null,
    });
    this.#presence = new Presence({ ...options, peers, limits, sessions: this.#sessions });
  }

  async open(): Promise<void> {
    const { Aedes } = await importAedes();
    const aedes = await Aedes.createBroker({
      connectTimeout: this.limits.connectTimeoutMs,
      drainTimeout: this.limits.drainTimeoutMs,
      maxInflightInbound: this.limits.inflightPerClientMax,
      maxTopicLevels: 16,
      maxClientsIdLength: 256,
      persistence: this.#sessions,
      preConnect: (client, packet, done) => {
        const refused = this.#admission.preConnect(client, packet);
        done(refused, refused === null);
      },
      authenticate: (client, username, password, done) => {
        void this.#admission.authenticate(client, username, password).then(
          () => done(null, true),
          (refusal: unknown) => done(refusal as AuthenticateError, false),
        );
      },
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.#mayRead(client, subscription) ? subscription : null),
      // The second guard: a kept session can hold a filter that was refused (aedes stores the whole packet's).
      authorizeForward: (client, packet) => {
        const device = connectionOf(client)?.device ?? null;
        return device !== null && mayReceive(packet.topic, this.#options.service.storeId, device) ? packet : null;
      },
    });
    this.#aedes = aedes;
    interceptPublish(aedes);
    this.#listen(aedes);
    this.#unsubscribe = this.#options.service.onRevision((revision) => this.#presence.offer(revision));
  }

  accept(socket: Socket): void {
    const aedes = this.#aedes;
    if (aedes === null || aedes.closed) socket.destroy();
    else aedes.handle(this.#connections.accept(socket));
  }

  /** Publishes for whoever subscribed, and keeps it for whoever will. */
  publishRetained(topic: string, payload: Uint8Array): void {
    const packet = {
      cmd: "publish" as const,
      topic,
      payload: Buffer.from(payload),
      qos: 0 as const,
      retain: true,
      dup: false,
    };
    if (this.#aedes?.closed === false) this.#aedes.publish(packet, () => undefined);
  }

  /** Once a second: rows that wait are tried again; devices that were removed, or are frozen, are shown out. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const peer of this.peers.all()) {
      if (!this.#options.devices.has(peer.device)) peer.connection.fail("revoked");
      else if (peer.connection.isFrozen(nowMs)) peer.connection.fail("frozen");
      else peer.window.pump();
    }
  }

  async close(graceMs: number): Promise<void> {
    const { clock, timers } = this.#options;
    const until = clock.monotonicMs() + graceMs;
    while (this.#intake.open > 0 && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => void timers.after(10, resolve));
    }
    this.#unsubscribe();
    await new Promise<void>((resolve) => (this.#aedes ? this.#aedes.close(resolve) : resolve()));
    this.#connections.destroyAll();
  }

  #listen(aedes: Aedes): void {
    aedes.on("clientReady", (client) => this.#presence.ready(client));
    aedes.on("subscribe", (subscriptions, client) => this.#presence.subscribed(client, subscriptions));
    aedes.on("unsubscribe", (filters, client) => this.#presence.unsubscribed(client, filters));
    aedes.on("clientDisconnect", (client) => this.#presence.gone(client));
    const failed = (client: Client, cause: Error): void => this.#failed(client, cause);
    aedes.on("clientError", failed);
    aedes.on("connectionError", failed);
    // A device that went away is nobody's fault: closed, and not counted as a refusal.
    aedes.on("keepaliveTimeout", (client) => connectionOf(client)?.destroy());
    aedes.addListener("error", (cause: unknown) => this.#options.logger.error("mqtt_broker_failed", { cause }));
  }

  #authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const peer = client && this.peers.byClientId(client.id);
    if (peer?.connection !== client?.conn || !peer) {
      done(new Error("not connected"));
      return;
    }
    const { topic, qos } = packet;
    const broken = brokenBy(packet);
    if (broken !== null) {
      done(new Error(broken));
      return;
    }
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    this.#intake.take(peer, { topic, payload, qos, bytes: packet.length ?? payload.byteLength }, () => done(null));
  }

  #mayRead(client: Client, subscription: Subscription): boolean {
    const device = connectionOf(client)?.device ?? null;
    if (device === null) return false;
    if (feedsOf(subscription.topic, this.#options.service.storeId, device) !== null) return true;
    // SUBACK has one bit for it (0x80); the error topic has the words.
    const message = `${device} may not subscribe to ${subscription.topic.slice(0, 200)}`;
    this.#intake.refuse(device, new HoldpointError("HP_FORBIDDEN", message));
    return false;
  }

  #failed(client: Client, cause: Error): void {
    this.#options.logger.debug("mqtt_connection_failed", { client: client.id, message: cause.message });
    const connection = connectionOf(client);
    // MQTT-3.1.0-1, MQTT-3.1.0-2: the one fault for which aedes closes a connection without saying so to it.
    if (cause.message === "Invalid protocol" && connection !== null) this.#connections.faulted(connection, "malformed");
  }
}
