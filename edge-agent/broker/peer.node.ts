import { type Connection } from "./connection.node.ts";
import { type DeliveryWindow } from "./delivery-window.ts";
import { feedsOf, type DeviceTopics, type Feed } from "./topic-access.ts";

/** A device's connection after CONNACK. */
export interface Peer {
  readonly device: string;
  readonly clientId: string;
  /** A clean session ends with its connection. */
  readonly clean: boolean;
  readonly connection: Connection;
  readonly topics: DeviceTopics;
  readonly window: DeliveryWindow;
  /** Filter → QoS, as granted. */
  readonly filters: Map<string, number>;
}

/** QoS at which the peer gets a feed, or null where it has not subscribed to it. Decisions are sent at 1 at most. */
export function feedQos(peer: Peer, store: string, feed: Feed): 0 | 1 | null {
  let best: 0 | 1 | null = null;
  for (const [filter, qos] of peer.filters) {
    if (feedsOf(filter, store, peer.device)?.includes(feed) !== true) continue;
    best = qos > 0 || best === 1 ? 1 : 0;
  }
  return best;
}

/** Who is connected, by client id and by device. */
export class Peers {
  readonly #byClientId = new Map<string, Peer>();
  readonly #byDevice = new Map<string, Set<Peer>>();

  get size(): number {
    return this.#byClientId.size;
  }

  add(peer: Peer): void {
    this.#byClientId.set(peer.clientId, peer);
    const peers = this.#byDevice.get(peer.device);
    if (peers) peers.add(peer);
    else this.#byDevice.set(peer.device, new Set([peer]));
  }

  /** False where the peer was gone already. */
  remove(peer: Peer): boolean {
    if (this.#byClientId.get(peer.clientId) === peer) this.#byClientId.delete(peer.clientId);
    const peers = this.#byDevice.get(peer.device);
    const removed = peers?.delete(peer) === true;
    if (peers?.size === 0) this.#byDevice.delete(peer.device);
    return removed;
  }

  byClientId(clientId: string): Peer | null {
    return this.#byClientId.get(clientId) ?? null;
  }

  ofDevice(device: string): Iterable<Peer> {
    return this.#byDevice.get(device) ?? [];
  }

  countOf(device: string): number {
    return this.#byDevice.get(device)?.size ?? 0;
  }

  all(): Iterable<Peer> {
    return this.#byClientId.values();
  }
}
