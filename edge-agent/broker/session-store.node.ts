/* eslint-disable @typescript-eslint/require-await -- aedes takes only a persistence whose methods are async */
import { Readable } from "node:stream";
import { type SentRevision } from "./delivery-window.ts";

/** The part of aedes' packets and clients that its persistence is called with. */
interface StoredPacket {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly messageId?: number | undefined;
}
interface ClientRef {
  readonly id: string;
}
interface SubscriptionRef {
  readonly topic: string;
  readonly qos: number;
}

export interface SessionStoreOptions {
  readonly sessionsMax: number;
  readonly incomingMax: number;
  /** Clients that are connected are not forgotten. */
  readonly isConnected: (clientId: string) => boolean;
  /** Only topics that the client may receive are remembered. */
  readonly allowed: (clientId: string, filter: string) => boolean;
  /** The PUBACK of a packet came: what it acknowledges, or null. */
  readonly acknowledged: (clientId: string, packetId: number) => SentRevision | null;
}

interface Session {
  readonly subscriptions: Map<string, number>;
  readonly incoming: Set<number>;
  inflight: ReadonlyMap<number, SentRevision>;
}

/**
 * What aedes calls its persistence, cut down to what this broker needs, and bounded:
 * - subscriptions of `clean=false` sessions, at most `sessionsMax` of them, in memory (a restart forgets them and
 *   CONNACK says so);
 * - packet ids of QoS 2 messages between PUBREC and PUBCOMP: their bytes are in the journal already;
 * - one retained message per topic, stored by the agent only;
 * - nothing is queued for who is away: decisions wait in the journal.
 * aedes reports a PUBACK by `outgoingClearMessageId`, for clean and for kept sessions alike, with the client and the
 * packet id; what that returns is what its "ack" event carries. That is the way from a PUBACK to a delivery row.
 */
export class SessionStore {
  readonly #options: SessionStoreOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #retained = new Map<string, StoredPacket>();

  constructor(options: SessionStoreOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** What was in flight when the session's last connection ended. */
  inflight(clientId: string): ReadonlyMap<number, SentRevision> {
    return this.#sessions.get(clientId)?.inflight ?? noneInflight;
  }

  keepInflight(clientId: string, inflight: ReadonlyMap<number, SentRevision>): void {
    const session = this.#sessions.get(clientId);
    if (session) session.inflight = inflight;
  }

  // From here on: the methods that aedes calls. It insists on promises.

  async setup(): Promise<void> {
    // Nothing to open.
  }

  async storeRetained(packet: StoredPacket): Promise<void> {
    if (packet.payload.byteLength === 0) this.#retained.delete(packet.topic);
    else this.#retained.set(packet.topic, packet);
  }

  createRetainedStreamCombi(filters: readonly string[]): Pick<Readable, "pipe"> {
    const matching = [...this.#retained.values()].filter(({ topic }) =>
      filters.some((filter) => matches(filter, topic)),
    );
    return matching.length === 0 ? new NoPackets() : Readable.from(matching);
  }

  async addSubscriptions(client: ClientRef, subscriptions: readonly SubscriptionRef[]): Promise<void> {
    const session = this.#session(client.id);
    for (const { topic, qos } of subscriptions) {
      if (this.#options.allowed(client.id, topic)) session.subscriptions.set(topic, qos);
    }
  }

  async removeSubscriptions(client: ClientRef, filters: readonly string[]): Promise<void> {
    for (const filter of filters) this.#sessions.get(client.id)?.subscriptions.delete(filter);
  }

  async subscriptionsByClient(client: ClientRef): Promise<SubscriptionRef[]> {
    const session = this.#sessions.get(client.id);
    if (session === undefined) return [];
    // The most recently used session is the last one in the map.
    this.#sessions.delete(client.id);
    this.#sessions.set(client.id, session);
    return [...session.subscriptions].map(([topic, qos]) => ({ topic, qos }));
  }

  async cleanSubscriptions(client: ClientRef): Promise<void> {
    this.#sessions.delete(client.id);
  }

  async subscriptionsByTopic(): Promise<never[]> {
    return [];
  }

  async outgoingEnqueue(): Promise<void> {
    // Deliveries do not come this way, and nothing else is owed to who is away.
  }

  async outgoingEnqueueCombi(): Promise<void> {
    // As above.
  }

  async outgoingUpdate(): Promise<void> {
    // As above.
  }

  outgoingStream(): Readable {
    return new NoPackets();
  }

  async outgoingClearMessageId(client: ClientRef, packet: StoredPacket): Promise<SentRevision | undefined> {
    if (packet.messageId === undefined) return undefined;
    return this.#options.acknowledged(client.id, packet.messageId) ?? undefined;
  }

  async incomingStorePacket(client: ClientRef, packet: StoredPacket): Promise<void> {
    const { incoming } = this.#session(client.id);
    if (incoming.size >= this.#options.incomingMax) throw new Error("too many QoS 2 messages without PUBREL");
    if (packet.messageId !== undefined) incoming.add(packet.messageId);
  }

  async incomingGetPacket(client: ClientRef, packet: StoredPacket): Promise<StoredPacket> {
    // aedes reads a rejection as "not known".
    if (this.#sessions.get(client.id)?.incoming.has(packet.messageId ?? 0) !== true) throw unknownPacket;
    return packet;
  }

  async incomingDelPacket(client: ClientRef, packet: StoredPacket): Promise<void> {
    if (this.#sessions.get(client.id)?.incoming.delete(packet.messageId ?? 0) !== true) throw unknownPacket;
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    this.#sessions.get(client.id)?.incoming.clear();
    this.#dropIfEmpty(client.id);
  }

  async putWill(): Promise<void> {
    // Wills of devices are taken off their CONNECT; see preConnect.
  }

  async getWill(): Promise<undefined> {
    return undefined;
  }

  async delWill(): Promise<undefined> {
    return undefined;
  }

  streamWill(): Readable {
    return new NoPackets();
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: 0, clientsCount: this.#sessions.size };
  }

  async destroy(): Promise<void> {
    this.#sessions.clear();
    this.#retained.clear();
  }

  #session(clientId: string): Session {
    const known = this.#sessions.get(clientId);
    if (known) return known;
    if (this.#sessions.size >= this.#options.sessionsMax) this.#forgetOldest();
    const session: Session = { subscriptions: new Map(), incoming: new Set(), inflight: noneInflight };
    this.#sessions.set(clientId, session);
    return session;
  }

  #forgetOldest(): void {
    for (const clientId of this.#sessions.keys()) {
      if (this.#options.isConnected(clientId)) continue;
      this.#sessions.delete(clientId);
      return;
    }
  }

  #dropIfEmpty(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session && session.subscriptions.size === 0 && session.incoming.size === 0) this.#sessions.delete(clientId);
  }
}

/** Every CONNECT asks for two streams that have nothing; `Readable.from` would make an iterator for each. */
class NoPackets extends Readable {
  override _read(): void {
    this.push(null);
  }
}

const noneInflight: ReadonlyMap<number, SentRevision> = new Map();
const unknownPacket = new Error("no such packet");

/** The retained topics have no wildcards; a filter may have `+` for a level. */
function matches(filter: string, topic: string): boolean {
  const wanted = filter.split("/");
  const given = topic.split("/");
  return wanted.length === given.length && wanted.every((level, i) => level === "+" || level === given[i]);
}
