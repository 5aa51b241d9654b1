import type { Client, Subscription } from "aedes";
import { encodeMessage } from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type Revision } from "../service.ts";
import { connectionOf, restoredSubscriptions } from "./aedes.node.ts";
import { type BrokerLimits } from "./broker-limits.ts";
import { type Connection, type ConnectionOwner } from "./connection.node.ts";
import { DeliveryWindow, type DeliveryPorts, type SentRevision } from "./delivery-window.ts";
import { feedQos, type Peer, type Peers } from "./peer.node.ts";
import { type SessionStore } from "./session-store.node.ts";
import { deviceTopics, type DeviceTopics } from "./topic-access.ts";

export interface PresenceOptions {
  readonly service: AgentService;
  readonly metrics: AgentMetrics;
  readonly peers: Peers;
  readonly sessions: SessionStore;
  readonly limits: BrokerLimits;
}

/** A device that is connected: its connection's owner, and the ports of its window, as one object and no closures. */
class ConnectedPeer implements Peer, DeliveryPorts, ConnectionOwner {
  readonly device: string;
  readonly clientId: string;
  readonly clean: boolean;
  readonly connection: Connection;
  readonly topics: DeviceTopics;
  readonly window: DeliveryWindow;
  readonly filters = new Map<string, number>();
  readonly #service: AgentService;
  readonly #presence: Presence;
  /** Sent and not acknowledged. */
  #owed = 0;

  constructor(client: Client, connection: Connection, device: string, options: PresenceOptions, presence: Presence) {
    const { limits, service, sessions } = options;
    this.device = device;
    this.clientId = client.id;
    this.clean = client.clean;
    this.connection = connection;
    this.topics = deviceTopics(service.storeId, device);
    this.#service = service;
    this.#presence = presence;
    const resumed = client.clean ? nothingInflight : sessions.inflight(client.id);
    this.window = new DeliveryWindow(this, limits.deliveryWindowMax, resumed);
  }

  send(revision: Revision, packetId: number, dup: boolean): void {
    this.#owed += 1;
    const payload = encodeMessage(revision.decision, revision.encoding);
    this.connection.sendPublish(this.topics.decision, payload, packetId, dup);
  }

  async undelivered(limit: number): Promise<readonly Revision[]> {
    const rows = await this.#service.undelivered(this.device, limit);
    return rows.filter(({ transport }) => transport === "mqtt");
  }

  delivered(id: string, revision: number): void {
    // What was sent on an earlier connection can be acknowledged on this one.
    this.#owed = Math.max(0, this.#owed - 1);
    this.#service.delivered(this.device, id, revision);
  }

  clogged(): boolean {
    return this.connection.clogged;
  }

  get awaitsDevice(): boolean {
    return this.#owed > 0;
  }

  flowing(): void {
    this.window.pump();
  }

  closed(): void {
    this.#presence.left(this);
  }
}

const nothingInflight: ReadonlyMap<number, SentRevision> = new Map();

/** A device's stay, from CONNACK to the end of its connection: what it has subscribed to and what it is sent. */
export class Presence {
  readonly #options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  ready(client: Client): void {
    const connection = connectionOf(client);
    const device = connection?.device ?? null;
    if (connection === null || device === null || connection.destroyed) return;
    const { metrics, peers, service } = this.#options;
    const peer = new ConnectedPeer(client, connection, device, this.#options, this);
    connection.owner = peer;
    peers.add(peer);
    metrics.connections("mqtt", peers.size);
    // A kept session's subscriptions were restored without a "subscribe" event.
    for (const { topic, qos } of restoredSubscriptions(client)) peer.filters.set(topic, qos);
    peer.window.subscribed(feedQos(peer, service.storeId, "decision"));
    connection.open();
  }

  subscribed(client: Client, subscriptions: readonly Subscription[]): void {
    const peer = this.#peerOf(client);
    if (peer === null) return;
    for (const { topic, qos } of subscriptions) if ((qos as number) !== 0x80) peer.filters.set(topic, qos);
    peer.window.subscribed(feedQos(peer, this.#options.service.storeId, "decision"));
  }

  unsubscribed(client: Client, filters: readonly string[]): void {
    const peer = this.#peerOf(client);
    if (peer === null || peer.connection.destroyed) return;
    for (const filter of filters) peer.filters.delete(filter);
    peer.window.subscribed(feedQos(peer, this.#options.service.storeId, "decision"));
  }

  gone(client: Client): void {
    const peer = this.#peerOf(client);
    if (peer !== null) this.left(peer);
  }

  /** Its connection has ended. */
  left(peer: Peer): void {
    const { metrics, peers, sessions } = this.#options;
    if (!peers.remove(peer)) return;
    peer.window.close();
    if (!peer.clean) sessions.keepInflight(peer.clientId, peer.window.inflight());
    metrics.connections("mqtt", peers.size);
  }

  /** A revision was committed. */
  offer(revision: Revision): void {
    if (revision.transport !== "mqtt") return;
    for (const peer of this.#options.peers.ofDevice(revision.device)) peer.window.offer(revision);
  }

  /** The peer of this very connection, not of another one that took over its client id. */
  #peerOf(client: Client): Peer | null {
    const peer = this.#options.peers.byClientId(client.id);
    return peer !== null && peer.connection === client.conn ? peer : null;
  }
}
