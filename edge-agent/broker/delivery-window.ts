import { type Revision } from "../service.ts";

/** What a delivery window asks of its connection and of the journal. */
export interface DeliveryPorts {
  /** Sends one revision. `packetId` 0 is QoS 0: nothing will come back for it. */
  send(revision: Revision, packetId: number, dup: boolean): void;
  /** Revisions that the device has not acknowledged, oldest first. */
  undelivered(limit: number): Promise<readonly Revision[]>;
  /** The device has acknowledged the revision. */
  delivered(id: string, revision: number): void;
  /** True while the peer does not take what was sent. */
  clogged(): boolean;
}

/** A revision under a packet id: the map from PUBACK to delivery row. */
export interface SentRevision {
  readonly id: string;
  readonly revision: number;
}

/**
 * The decisions of one connection. At most `windowMax` are sent and not acknowledged; the others stay in the journal
 * and are fetched, oldest first, when there is room, so memory does not grow with what a device has not taken.
 * A revision that is in flight, or was acknowledged a moment ago (the journal may still list it), is not sent again.
 */
export class DeliveryWindow {
  readonly #ports: DeliveryPorts;
  readonly #windowMax: number;
  readonly #inflight = new Map<number, SentRevision>();
  /** In flight or ready. */
  readonly #keys = new Set<string>();
  /** Acknowledged, and perhaps still listed by the journal: key → fetches begun by then. */
  readonly #acknowledged = new Map<string, number>();
  /** Goes forward only: a new look for the oldest key would walk over the holes that the keys before it left. */
  readonly #oldestAcknowledged = this.#acknowledged.keys();
  /** Sent in an earlier connection of the same session: sent again under the same packet id (MQTT-4.4.0-1). */
  readonly #resumed = new Map<string, number>();
  #nextPacketId = 1;
  #qos: 0 | 1 | null = null;
  /** Fetched, waiting for room: sent one for each acknowledgement, so that a slow peer is never left without a packet. */
  #ready: Revision[] = [];
  /** The journal may list rows that are neither in flight nor ready. */
  #more = false;
  #fetching = false;
  #fetches = 0;
  #missed = false;
  #closed = false;

  constructor(ports: DeliveryPorts, windowMax: number, resumed: ReadonlyMap<number, SentRevision>) {
    this.#ports = ports;
    this.#windowMax = windowMax;
    for (const [packetId, sent] of resumed) this.#resumed.set(keyOf(sent.id, sent.revision), packetId);
  }

  /** What is sent and not acknowledged, for the session to remember. */
  inflight(): ReadonlyMap<number, SentRevision> {
    if (this.#resumed.size === 0) return this.#inflight;
    const all = new Map(this.#inflight);
    for (const [key, packetId] of this.#resumed) all.set(packetId, sentOf(key));
    return all;
  }

  /** The device has (or has no longer) a subscription to its decisions; rows that wait are sent. */
  subscribed(qos: 0 | 1 | null): void {
    this.#qos = qos;
    this.#more = true;
    if (qos !== null) {
      this.pump();
      return;
    }
    for (const { decision } of this.#ready) this.#keys.delete(keyOf(decision.id, decision.revision));
    this.#ready = [];
  }

  /** A revision was committed. */
  offer(revision: Revision): void {
    if (this.#qos === null || this.#closed) return;
    if (this.#fetching) this.#missed = true;
    if (!this.#behind && this.#hasRoom()) {
      if (this.#isNew(revision)) this.#send(revision);
      return;
    }
    this.#more = true;
    this.pump();
  }

  /** The device asked again for what was decided before: it gets the answer again, unless that is on its way. */
  answer(revision: Revision): void {
    if (this.#qos === null || this.#closed || this.#behind || !this.#hasRoom()) return;
    this.#acknowledged.delete(keyOf(revision.decision.id, revision.decision.revision));
    if (this.#isNew(revision)) this.#send(revision);
  }

  /** The PUBACK of a packet came. Null for a packet id that nothing was sent under. */
  acknowledge(packetId: number): SentRevision | null {
    const sent = this.#inflight.get(packetId) ?? this.#resumedUnder(packetId);
    if (sent === null) return null;
    const key = keyOf(sent.id, sent.revision);
    this.#inflight.delete(packetId);
    this.#resumed.delete(key);
    this.#keys.delete(key);
    this.#remember(key);
    this.#ports.delivered(sent.id, sent.revision);
    this.pump();
    return sent;
  }

  /** Sends rows that wait, if there is room for them, and fetches more. */
  pump(): void {
    if (this.#closed || this.#qos === null) return;
    let sent = 0;
    for (const row of this.#ready) {
      if (!this.#hasRoom()) break;
      this.#send(row);
      sent += 1;
    }
    this.#ready.splice(0, sent);
    const wanted = this.#more && !this.#fetching && !this.#ports.clogged();
    if (!wanted || this.#ready.length > this.#windowMax / 2 || this.#acknowledged.size > acknowledgedMax) return;
    this.#fetching = true;
    this.#missed = false;
    const fetch = (this.#fetches += 1);
    const limit = this.#windowMax + this.#keys.size + this.#acknowledged.size;
    this.#ports.undelivered(limit).then(
      (rows) => this.#fetched(rows, limit, fetch),
      () => {
        // The journal reports it; the next revision, acknowledgement or tick tries again.
        this.#fetching = false;
      },
    );
  }

  close(): void {
    this.#closed = true;
  }

  get #behind(): boolean {
    return this.#more || this.#ready.length > 0;
  }

  #fetched(rows: readonly Revision[], limit: number, fetch: number): void {
    this.#fetching = false;
    if (this.#closed || this.#qos === null) return;
    const listed = new Set(rows.map(({ decision }) => keyOf(decision.id, decision.revision)));
    this.#forget(listed, fetch);
    let added = 0;
    let all = rows.length < limit;
    for (const row of rows) {
      if (!this.#isNew(row)) continue;
      if (this.#ready.length >= this.#windowMax) {
        all = false;
        break;
      }
      this.#keys.add(keyOf(row.decision.id, row.decision.revision));
      this.#ready.push(row);
      added += 1;
    }
    if (all) for (const key of this.#resumed.keys()) if (!listed.has(key)) this.#resumed.delete(key);
    this.#more = !all || this.#missed;
    // Without progress the journal has not yet cleared what was acknowledged: the next tick asks again.
    if (added > 0 || this.#missed) this.pump();
  }

  /** Acknowledged keys that the journal no longer lists need not be remembered. */
  #forget(listed: ReadonlySet<string>, fetch: number): void {
    for (const [key, begun] of this.#acknowledged) {
      if (begun < fetch && !listed.has(key)) this.#acknowledged.delete(key);
    }
  }

  #hasRoom(): boolean {
    return this.#inflight.size < this.#windowMax && !this.#ports.clogged();
  }

  /** False where the revision is in flight, about to be, or acknowledged already. */
  #isNew({ decision }: Revision): boolean {
    const key = keyOf(decision.id, decision.revision);
    return !this.#keys.has(key) && !this.#acknowledged.has(key);
  }

  #send(revision: Revision): void {
    const { id, revision: number } = revision.decision;
    const key = keyOf(id, number);
    if (this.#qos === 0) {
      // The device asked for at most once, so the row is done when it is sent.
      this.#keys.delete(key);
      this.#remember(key);
      this.#ports.send(revision, 0, false);
      this.#ports.delivered(id, number);
      return;
    }
    const resumedId = this.#resumed.get(key);
    this.#resumed.delete(key);
    const packetId = resumedId ?? this.#freePacketId();
    this.#inflight.set(packetId, { id, revision: number });
    this.#keys.add(key);
    this.#ports.send(revision, packetId, resumedId !== undefined);
  }

  #resumedUnder(packetId: number): SentRevision | null {
    for (const [key, resumedId] of this.#resumed) if (resumedId === packetId) return sentOf(key);
    return null;
  }

  #freePacketId(): number {
    for (;;) {
      const packetId = this.#nextPacketId;
      this.#nextPacketId = packetId === 65_535 ? 1 : packetId + 1;
      if (!this.#inflight.has(packetId) && this.#resumedUnder(packetId) === null) return packetId;
    }
  }

  #remember(key: string): void {
    this.#acknowledged.set(key, this.#fetches);
    if (this.#behind || this.#acknowledged.size <= rememberedMax) return;
    const oldest = this.#oldestAcknowledged.next().value;
    if (oldest !== undefined) this.#acknowledged.delete(oldest);
  }
}

/** Kept after their PUBACK when nothing waits: more than are acknowledged during one group commit. */
const rememberedMax = 512;
/** While rows wait. At it nothing is fetched until the journal has cleared some of them. */
const acknowledgedMax = 4096;

/** Most cases have one revision, and its key is the id itself: nothing is joined. An id has no slash. */
function keyOf(id: string, revision: number): string {
  return revision === 1 ? id : `${id}/${revision}`;
}

function sentOf(key: string): SentRevision {
  const [id = "", revision = "1"] = key.split("/");
  return { id, revision: Number(revision) };
}
