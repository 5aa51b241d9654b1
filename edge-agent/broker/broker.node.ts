import { randomBytes } from "node:crypto";
import { type Socket } from "node:net";
import type { Aedes, AuthenticateError, Client, PublishPacket, Subscription } from "aedes";
import {
  encodeMessage,
  HoldpointError,
  namePattern,
  type Clock,
  type Logger,
  type Timers,
} from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type DeviceDirectory, type Revision } from "../service.ts";
import { brokerLimits, type BrokerLimits } from "./broker-limits.ts";
import { ByteBudget } from "./byte-budget.ts";
import { faultErrors, faultOf, type ConnectionFault } from "./connection-fault.ts";
import { Connection } from "./connection.node.ts";
import { DeliveryWindow } from "./delivery-window.ts";
import { Intake } from "./intake.node.ts";
import { closeListener, listenOn, tlsWrapper, type TlsFiles } from "./listener.node.ts";
import { feedQos, Peers, type Peer } from "./peer.node.ts";
import { SessionStore } from "./session-store.node.ts";
import { startStatus } from "./status.node.ts";
import { deviceTopics, feedsOf, mayReceive, mayUseClientId } from "./topic-access.ts";

export interface BrokerOptions {
  readonly service: AgentService;
  readonly devices: DeviceDirectory;
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** A second listener with TLS; 0 chooses a free port. */
  readonly tls?: TlsFiles & { readonly port: number };
  readonly limits?: Partial<BrokerLimits>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: AgentMetrics;
  readonly agentName: string;
}

export interface RunningBroker {
  readonly port: number;
  readonly tlsPort: number | null;
  /** Devices that are connected. */
  connections(): number;
  /** Publishes the retained status now, if it changed. */
  publishStatus(): Promise<void>;
  /** Stops listening, lets what is being made durable end for `graceMs`, then closes every connection. */
  close(graceMs?: number): Promise<void>;
}

/**
 * The embedded MQTT 3.1.1 broker: the door for devices (design 4.2). Owner of aedes.
 * Errors: HP_PORT when a port is taken, HP_RUNTIME_MISSING without aedes, HP_CONFIG for unreadable TLS files.
 */
export async function startBroker(options: BrokerOptions): Promise<RunningBroker> {
  const wrapTls = options.tls ? await tlsWrapper(options.tls) : null;
  const door = new MqttDoor(options, { ...brokerLimits, ...options.limits });
  await door.open();
  const accept = (socket: Socket): void => door.accept(socket);
  const { connectionsMax } = door.limits;
  const plain = await listenOn({ host: options.host, port: options.port, connectionsMax, accept }).catch(closing(door));
  const secure =
    options.tls && wrapTls
      ? await listenOn({
          host: options.host,
          port: options.tls.port,
          connectionsMax,
          accept: (socket) => accept(wrapTls(socket)),
        }).catch(async (cause: unknown) => {
          plain.server.close();
          return closing(door)(cause);
        })
      : null;
  const status = startStatus({
    ...options,
    intervalMs: door.limits.statusIntervalMs,
    publish: (topic, payload) => door.publishRetained(topic, payload),
    tick: () => door.tick(),
  });
  return {
    port: plain.port,
    tlsPort: secure?.port ?? null,
    connections: () => door.peers.size,
    publishStatus: () => status.publish(),
    close: async (graceMs = 1000) => {
      status.stop();
      const closed = [plain, ...(secure ? [secure] : [])].map(({ server }) => closeListener(server));
      await door.close(graceMs);
      await Promise.all(closed);
    },
  };
}

function closing(door: MqttDoor): (cause: unknown) => Promise<never> {
  return async (cause) => {
    await door.close(0);
    throw cause;
  };
}

/** aedes' hooks and events, put in words of the agent. */
class MqttDoor {
  readonly limits: BrokerLimits;
  readonly peers = new Peers();
  readonly #options: BrokerOptions;
  readonly #sessions: SessionStore;
  readonly #intake: Intake;
  readonly #largeFrames: ByteBudget;
  readonly #connections = new Set<Connection>();
  /** Connections without a whole CONNECT, the oldest first. */
  readonly #silent = new Set<Connection>();
  #aedes: Aedes | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(options: BrokerOptions, limits: BrokerLimits) {
    this.#options = options;
    this.limits = limits;
    this.#largeFrames = new ByteBudget(limits.largeFramesBytesMax);
    this.#intake = new Intake({ ...options, peers: this.peers, limits });
    this.#sessions = new SessionStore({
      sessionsMax: limits.sessionsMax,
      incomingMax: limits.inflightPerClientMax,
      isConnected: (clientId) => this.peers.byClientId(clientId) !== null,
      allowed: (clientId, filter) => {
        const device = this.peers.byClientId(clientId)?.device;
        return device !== undefined && feedsOf(filter, options.service.storeId, device) !== null;
      },
      acknowledged: (clientId, packetId) => this.peers.byClientId(clientId)?.window.acknowledge(packetId) ?? null,
    });
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
        // MQTT-3.1.2-14.
        if (packet.will !== undefined && (packet.will.qos as number) > 2) done(new Error("the will's QoS is 3"), false);
        else {
          this.#preConnect(client, packet);
          done(null, true);
        }
      },
      authenticate: (client, username, password, done) => {
        void this.#authenticate(client, username, password).then(
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
    this.#interceptPublish(aedes);
    aedes.on("clientReady", (client) => this.#ready(client));
    aedes.on("subscribe", (subscriptions, client) => this.#subscribed(client, subscriptions));
    aedes.on("unsubscribe", (filters, client) => this.#unsubscribed(client, filters));
    aedes.on("clientDisconnect", (client) => this.#gone(client));
    const failed = (client: Client, cause: Error): void => this.#failed(client, cause);
    aedes.on("clientError", failed);
    aedes.on("connectionError", failed);
    // A device that went away is nobody's fault: closed, and not counted as a refusal.
    aedes.on("keepaliveTimeout", (client) => connectionOf(client)?.destroy());
    aedes.addListener("error", (cause: unknown) => this.#options.logger.error("mqtt_broker_failed", { cause }));
    this.#unsubscribe = this.#options.service.onRevision((revision) => this.#offer(revision));
  }

  accept(socket: Socket): void {
    const aedes = this.#aedes;
    if (aedes === null || aedes.closed) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, {
      limits: this.limits,
      timers: this.#options.timers,
      largeFrames: this.#largeFrames,
      onConnect: (silent) => void this.#silent.delete(silent),
      onFault: (faulty, fault) => this.#faulted(faulty, fault),
    });
    this.#connections.add(connection);
    this.#silent.add(connection);
    connection.once("close", () => {
      this.#connections.delete(connection);
      this.#silent.delete(connection);
      this.#ended(connection);
    });
    const [oldest] = this.#silent;
    if (this.#silent.size > this.limits.silentConnectionsMax) oldest?.fail("crowded");
    aedes.handle(connection);
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

  /** Once a second: rows that wait are tried again; devices that were removed are shown out. */
  tick(): void {
    for (const peer of this.peers.all()) {
      if (this.#options.devices.has(peer.device)) peer.window.pump();
      else peer.connection.fail("revoked");
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
    for (const connection of this.#connections) connection.destroy();
  }

  /**
   * A device's message ends in the journal: nobody subscribes to it, so it is not handed on. aedes' own `$SYS` traffic
   * is for clusters; here it would only wake every connection.
   */
  #interceptPublish(aedes: Aedes): void {
    const publish = aedes.publish.bind(aedes);
    type Done = (error?: Error) => void;
    const intercepted = (packet: PublishPacket, clientOrDone?: Client | Done | null, done?: Done): void => {
      if (typeof clientOrDone !== "function") {
        done?.();
        return;
      }
      if (packet.topic.startsWith("$SYS/")) clientOrDone();
      else publish(packet, clientOrDone);
    };
    aedes.publish = intercepted;
  }

  #preConnect(client: Client, packet: { clientId?: string; clean?: boolean; username?: string; will?: unknown }): void {
    const connection = connectionOf(client);
    if (connection === null) return;
    // A will would be a message that no device sent. It is not kept; docs/protocol.md says so.
    delete packet.will;
    if ((packet.clientId ?? "") !== "") return;
    // MQTT-3.1.3-8: without a client id there is nothing to keep a session under.
    if (packet.clean === false) connection.identifierRefused = true;
    // MQTT-3.1.3-6: we choose one.
    packet.clientId = `${packet.username ?? ""}-${randomBytes(9).toString("base64url")}`;
  }

  async #authenticate(client: Client, username: string | undefined, password: Buffer | undefined): Promise<void> {
    const connection = connectionOf(client);
    if (connection === null || connection.identifierRefused) throw refusal(2, "identifier rejected");
    const secret = password?.toString("utf8") ?? "";
    const known =
      username !== undefined &&
      namePattern.test(username) &&
      secret.length <= secretCharsMax &&
      (await this.#verified(username, secret));
    if (!known) {
      this.#options.metrics.refused("mqtt", "HP_UNAUTHORIZED");
      throw refusal(4, "bad user name or password");
    }
    if (!mayUseClientId(client.id, username, (name) => this.#options.devices.has(name))) {
      this.#options.metrics.refused("mqtt", "HP_FORBIDDEN");
      throw refusal(2, "the client id must begin with the name of the device");
    }
    if (this.peers.countOf(username) >= this.limits.connectionsPerDeviceMax) {
      this.#options.metrics.refused("mqtt", "HP_BUSY");
      throw refusal(3, "too many connections of this device");
    }
    connection.device = username;
  }

  async #verified(username: string, secret: string): Promise<boolean> {
    try {
      return await this.#options.devices.verify(username, secret);
    } catch (cause) {
      this.#options.metrics.refused("mqtt", HoldpointError.from(cause, "HP_BUSY").code);
      throw refusal(3, "server unavailable");
    }
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

  #ready(client: Client): void {
    const connection = connectionOf(client);
    const device = connection?.device ?? null;
    if (connection === null || device === null || connection.destroyed) return;
    const { service } = this.#options;
    const topics = deviceTopics(service.storeId, device);
    const window = new DeliveryWindow(
      {
        send: (revision, packetId, dup) =>
          connection.sendPublish(topics.decision, encodeMessage(revision.decision, revision.encoding), packetId, dup),
        undelivered: async (limit) =>
          (await service.undelivered(device, limit)).filter(({ transport }) => transport === "mqtt"),
        delivered: (id, revision) => service.delivered(device, id, revision),
        clogged: () => connection.clogged,
      },
      this.limits.deliveryWindowMax,
      client.clean ? new Map() : this.#sessions.inflight(client.id),
    );
    const peer: Peer = {
      device,
      clientId: client.id,
      clean: client.clean,
      connection,
      topics,
      window,
      filters: new Map(),
    };
    connection.on("flowing", () => window.pump());
    connection.once("close", () => this.#gone(client));
    this.peers.add(peer);
    this.#options.metrics.connections("mqtt", this.peers.size);
    // A kept session's subscriptions were restored without a "subscribe" event.
    for (const { topic, qos } of restoredSubscriptions(client)) peer.filters.set(topic, qos);
    window.subscribed(feedQos(peer, service.storeId, "decision"));
    connection.open();
  }

  #subscribed(client: Client, subscriptions: readonly Subscription[]): void {
    const peer = this.#peerOf(client);
    if (peer === null) return;
    for (const { topic, qos } of subscriptions) if ((qos as number) !== 0x80) peer.filters.set(topic, qos);
    peer.window.subscribed(feedQos(peer, this.#options.service.storeId, "decision"));
  }

  #unsubscribed(client: Client, filters: readonly string[]): void {
    const peer = this.#peerOf(client);
    if (peer === null || peer.connection.destroyed) return;
    for (const filter of filters) peer.filters.delete(filter);
    peer.window.subscribed(feedQos(peer, this.#options.service.storeId, "decision"));
  }

  #gone(client: Client): void {
    const peer = this.#peerOf(client);
    if (peer === null || !this.peers.remove(peer)) return;
    peer.window.close();
    if (!peer.clean) this.#sessions.keepInflight(peer.clientId, peer.window.inflight());
    this.#options.metrics.connections("mqtt", this.peers.size);
  }

  /** The peer of this very connection, not of another one that took over its client id. */
  #peerOf(client: Client): Peer | null {
    const peer = this.peers.byClientId(client.id);
    return peer !== null && peer.connection === client.conn ? peer : null;
  }

  #offer(revision: Revision): void {
    if (revision.transport !== "mqtt") return;
    for (const peer of this.peers.ofDevice(revision.device)) peer.window.offer(revision);
  }

  #failed(client: Client, cause: Error): void {
    this.#options.logger.debug("mqtt_connection_failed", { client: client.id, message: cause.message });
    const connection = connectionOf(client);
    // MQTT-3.1.0-1, MQTT-3.1.0-2: the one fault for which aedes closes a connection without saying so to it.
    if (cause.message === "Invalid protocol" && connection !== null) this.#faulted(connection, "malformed");
  }

  /** What aedes destroyed with an error broke the protocol or a time limit; what the socket failed with did not. */
  #ended(connection: Connection): void {
    const cause: (Error & { errorCode?: number }) | null = connection.endedBy;
    if (cause === null) return;
    // An unacceptable version is answered by CONNACK 1; other return codes were counted where they were chosen.
    if (cause.errorCode === 1) this.#options.metrics.refused("mqtt", "HP_VERSION");
    if (cause.errorCode === undefined) this.#faulted(connection, faultOf(cause));
  }

  #faulted(connection: Connection, fault: ConnectionFault): void {
    const error = faultErrors[fault];
    if (error !== undefined) {
      // Who has not shown a secret is told nothing; a device hears it before its connection closes.
      if (connection.device === null) this.#options.metrics.refused("mqtt", error[0]);
      else this.#intake.refuse(connection.device, new HoldpointError(...error));
    }
    // Strangers must not fill the log; they are in the metrics.
    const level = connection.device === null ? "debug" : "warn";
    const { device, remote } = connection;
    this.#options.logger[level]("mqtt_connection_closed", { device, remote, fault });
  }
}

/** What of a PUBLISH breaks the protocol and the parser lets through, or null. */
function brokenBy(packet: PublishPacket & { readonly messageId?: number }): string | null {
  // MQTT-2.3.1-1.
  if (packet.qos > 0 && packet.messageId === 0) return "a PUBLISH without a packet id";
  // MQTT-1.5.3-1 and MQTT-1.5.3-2; the parser has made U+FFFD of what is not UTF-8.
  return packet.topic.includes("\0") || packet.topic.includes("\uFFFD") ? "a topic that is not UTF-8" : null;
}

const secretCharsMax = 512;

async function importAedes(): Promise<{ Aedes: typeof Aedes }> {
  try {
    return await import("aedes");
  } catch (cause) {
    const hint = "Install it beside holdpoint: npm install aedes@^1.2.0";
    throw new HoldpointError("HP_RUNTIME_MISSING", "the embedded broker needs the package aedes", { hint, cause });
  }
}

function connectionOf(client: Client): Connection | null {
  return client.conn instanceof Connection ? client.conn : null;
}

/** aedes keeps the subscriptions of a client by filter; its types do not say so. */
function restoredSubscriptions(client: Client): { topic: string; qos: number }[] {
  const { subscriptions } = client as unknown as { subscriptions: Readonly<Record<string, { qos: number }>> };
  return Object.entries(subscriptions).map(([topic, { qos }]) => ({ topic, qos }));
}

/** CONNACK return codes: 2 identifier, 3 unavailable, 4 user name or password (MQTT-3.2.2.3). */
function refusal(returnCode: 2 | 3 | 4, message: string): Error & { returnCode: number } {
  return Object.assign(new Error(message), { returnCode });
}
