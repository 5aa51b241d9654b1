import type { Client, Subscription } from "aedes";
import { encodeMessage } from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type Revision } from "../service.ts";
import { connectionOf, restoredSubscriptions } from "./aedes.node.ts";
import { type BrokerLimits } from "./broker-limits.ts";
import { DeliveryWindow } from "./delivery-window.ts";
import { feedQos, type Peer, type Peers } from "./peer.node.ts";
import { type SessionStore } from "./session-store.node.ts";
import { deviceTopics } from "./topic-access.ts";

export interface PresenceOptions {
  readonly service: AgentService;
  readonly metrics: AgentMetrics;
  readonly peers: Peers;
  readonly sessions: SessionStore;
  readonly limits: BrokerLimits;
}

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
    const { limits, metrics, peers, service, sessions } = this.#options;
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
      limits.deliveryWindowMax,
      client.clean ? new Map() : sessions.inflight(client.id),
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
    connection.once("close", () => this.gone(client));
    peers.add(peer);
    metrics.connections("mqtt", peers.size);
    // A kept session's subscriptions were restored without a "subscribe" event.
    for (const { topic, qos } of restoredSubscriptions(client)) peer.filters.set(topic, qos);
    window.subscribed(feedQos(peer, service.storeId, "decision"));
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
    const { metrics, peers, sessions } = this.#options;
    const peer = this.#peerOf(client);
    if (peer === null || !peers.remove(peer)) return;
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
