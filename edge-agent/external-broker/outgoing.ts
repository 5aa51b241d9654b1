import { deviceTopic, encodeMessage, isFinal, RecentMap, type Encoding, type Logger } from "../../protocol/index.ts";
import { type AgentService, type Revision } from "../service.ts";
import { type DecisionsElsewhere } from "./elsewhere.ts";

export interface OutgoingOptions {
  readonly service: Pick<AgentService, "storeId" | "undelivered" | "delivered">;
  readonly elsewhere: DecisionsElsewhere;
  readonly logger: Logger;
  /** Resolves with true at the broker's PUBACK. */
  readonly publish: (topic: string, payload: Uint8Array) => Promise<boolean>;
  /** The lease that a case is under. */
  readonly keyOf: (device: string, id: string) => Promise<string>;
  /** Whether this agent may speak for the lease now; where it may not, it is to try to. */
  readonly mayPublish: (key: string) => boolean;
  /** The broker has the final decision of the case. */
  readonly onClosed: (key: string, id: string) => void;
}

/** Decisions published and not acknowledged by the broker. At it the others wait in the journal. */
const windowMax = 256;
const rowsMax = 256;
/** Devices whose rows are read again in one tick; the others wait for the next. */
const devicesPerTickMax = 64;
/** Revisions that the broker took lately: their rows are about to go. */
const takenMax = 4_096;
/** Ids that share one `received` message. */
const idsMax = 256;

/** What the agent publishes to devices through an external broker. A delivery row goes with the broker's PUBACK. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #inFlight = new Set<string>();
  readonly #taken = new RecentMap<string, true>(takenMax);
  readonly #pumping = new Map<string, "running" | "again">();
  /** Devices with rows that found no room. */
  readonly #waiting = new Set<string>();
  /** Devices with rows that the broker did not take, or that could not be read: tried again at the next tick. */
  readonly #failed = new Set<string>();
  readonly #receipts = new Map<string, { readonly ids: string[]; readonly encoding: Encoding }>();

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** A revision that was just committed, or that a device asks for again. Its row waits where it cannot be sent now. */
  async send(revision: Revision, repeat = false): Promise<void> {
    if (revision.transport !== "mqtt") return;
    const { device, decision, encoding } = revision;
    const name = `${decision.id}/${decision.revision}`;
    if (this.#inFlight.has(name) || (!repeat && this.#taken.get(name))) return;
    if (this.#inFlight.size >= windowMax) {
      this.#waiting.add(device);
      return;
    }
    this.#inFlight.add(name);
    try {
      const { service, elsewhere, keyOf, mayPublish, onClosed } = this.#options;
      const key = await keyOf(device, decision.id);
      if (!repeat && elsewhere.covers(decision)) {
        service.delivered(device, decision.id, decision.revision);
        onClosed(key, decision.id);
        return;
      }
      // The fence: after a lost lease nothing of its devices leaves here.
      if (!mayPublish(key)) return;
      elsewhere.published(decision.id, decision.revision);
      if (await this.#publish(device, "decision", encodeMessage(decision, encoding))) {
        this.#taken.set(name, true);
        service.delivered(device, decision.id, decision.revision);
        if (isFinal(decision)) onClosed(key, decision.id);
      } else this.#failed.add(device);
    } finally {
      this.#inFlight.delete(name);
      this.#next();
    }
  }

  /** Another agent's final decision, byte by byte. */
  async repeat(device: string, bytes: Uint8Array): Promise<void> {
    await this.#publish(device, "decision", bytes);
  }

  /** An error's wire form. */
  error(device: string, payload: Uint8Array): void {
    void this.#publish(device, "error", payload);
  }

  /** The id is durable. Ids of one turn leave in one message. */
  received(device: string, id: string, encoding: Encoding): void {
    const waiting = this.#receipts.get(device);
    if (waiting) {
      waiting.ids.push(id);
      if (waiting.ids.length >= idsMax) this.#sendReceipt(device);
      return;
    }
    this.#receipts.set(device, { ids: [id], encoding });
    queueMicrotask(() => this.#sendReceipt(device));
  }

  /** Sends the device's rows, the oldest first. */
  async pump(device: string): Promise<void> {
    if (this.#pumping.has(device)) {
      this.#pumping.set(device, "again");
      return;
    }
    this.#pumping.set(device, "running");
    try {
      const rows = await this.#options.service.undelivered(device, rowsMax);
      await Promise.all(rows.map((row) => this.send(row)));
      if (rows.length === rowsMax) this.#waiting.add(device);
    } catch (cause) {
      this.#options.logger.warn("undelivered_not_read", { device, cause });
      this.#failed.add(device);
    }
    const again = this.#pumping.get(device) === "again";
    this.#pumping.delete(device);
    if (again) await this.pump(device);
  }

  /** To be called once a second: what found no room, or failed, is tried again, whether or not a lease changes. */
  tick(): void {
    for (const device of this.#failed) this.#waiting.add(device);
    this.#failed.clear();
    for (let device = 0; device < devicesPerTickMax; device += 1) this.#next();
  }

  #next(): void {
    const [device] = this.#waiting;
    if (device === undefined || this.#inFlight.size >= windowMax / 2) return;
    this.#waiting.delete(device);
    void this.pump(device);
  }

  #sendReceipt(device: string): void {
    const receipt = this.#receipts.get(device);
    if (!receipt) return;
    this.#receipts.delete(device);
    void this.#publish(device, "received", encodeMessage({ v: 1, ids: receipt.ids }, receipt.encoding));
  }

  #publish(device: string, channel: "decision" | "received" | "error", payload: Uint8Array): Promise<boolean> {
    return this.#options.publish(deviceTopic(this.#options.service.storeId, device, channel), payload);
  }
}
