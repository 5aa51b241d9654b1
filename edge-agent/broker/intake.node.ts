import { encodeMessage, encodingOf, HoldpointError, type Encoding, type Logger } from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type DeviceMessage, type Submitted, type Taken } from "../service.ts";
import { type BrokerLimits } from "./broker-limits.ts";
import { feedQos, type Peer, type Peers } from "./peer.node.ts";
import { publishChannel } from "./topic-access.ts";

/** A PUBLISH of a device, as aedes has parsed it. */
export interface IncomingPublish {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  /** Bytes of the packet without its fixed header. */
  readonly bytes: number;
}

export interface IntakeOptions {
  readonly service: AgentService;
  readonly peers: Peers;
  readonly limits: BrokerLimits;
  readonly metrics: AgentMetrics;
  readonly logger: Logger;
}

/**
 * What happens to a message between its arrival and its acknowledgement. `acknowledge` is called when the message is
 * durable, or refused for good (then the device has been told before); where the refusal is transient it is never
 * called, and the connection is closed later, so that the client delivers again.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #receipts = new Map<string, Receipt>();
  #open = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Messages being made durable. */
  get open(): number {
    return this.#open;
  }

  take(peer: Peer, publish: IncomingPublish, acknowledge: () => void): void {
    const { connection } = peer;
    this.#open += 1;
    const turn = connection.acks.take(() => {
      // A connection that is gone delivers again; aedes must not write to it.
      if (!connection.destroyed) acknowledge();
      connection.leave(publish.bytes);
    });
    void this.#process(peer, publish).then(({ withheld }) => {
      this.#open -= 1;
      if (withheld && publish.qos > 0) {
        turn.withhold();
        connection.closeLater();
        return;
      }
      turn.done();
    });
  }

  /** Counts a refusal that belongs to no request, and tells it to the device where it listens. */
  refuse(device: string, error: HoldpointError, encoding: Encoding = "json"): void {
    this.#options.metrics.refused("mqtt", error.code);
    this.#report(device, error, null, encoding);
  }

  async #process(peer: Peer, publish: IncomingPublish): Promise<{ withheld: boolean }> {
    const { service, logger } = this.#options;
    const channel = publishChannel(publish.topic, service.storeId, peer.device);
    const encoding = encodingOf(publish.payload) ?? "json";
    if (channel === null) {
      const error = new HoldpointError(
        "HP_FORBIDDEN",
        `${peer.device} may not publish on ${publish.topic.slice(0, 200)}`,
      );
      this.refuse(peer.device, error, encoding);
      return { withheld: false };
    }
    const message: DeviceMessage = { device: peer.device, bytes: publish.payload, transport: "mqtt" };
    try {
      if (channel === "request") return this.#requested(peer, await service.submit(message), encoding, publish.qos);
      const taken = channel === "event" ? await service.observe(message) : await service.outcome(message);
      return this.#taken(peer, taken, encoding, publish.qos);
    } catch (cause) {
      // The service says that it never throws; if it does, nothing is known to be durable.
      logger.error("mqtt_message_failed", { device: peer.device, channel, cause });
      return this.#refused(peer, null, HoldpointError.told(cause), encoding);
    }
  }

  #requested(peer: Peer, submitted: Submitted, encoding: Encoding, qos: number): { withheld: boolean } {
    const outcome = this.#taken(peer, submitted, encoding, qos);
    if (submitted.kind === "durable" && submitted.known && submitted.decision !== null) {
      peer.window.answer({ device: peer.device, decision: submitted.decision, encoding, transport: "mqtt" });
    }
    return outcome;
  }

  #taken(peer: Peer, taken: Submitted | Taken, encoding: Encoding, qos: number): { withheld: boolean } {
    if (taken.kind === "refused") return this.#refused(peer, taken.id, taken.error, taken.encoding);
    if (qos > 0) this.#options.metrics.acknowledged("mqtt");
    this.#received(peer.device, taken.id, encoding);
    return { withheld: false };
  }

  #refused(peer: Peer, id: string | null, error: HoldpointError, encoding: Encoding): { withheld: boolean } {
    this.#options.metrics.refused("mqtt", error.code);
    const transient = error.retry === "backoff";
    this.#report(peer.device, transient ? this.#busy(error) : error, id, encoding);
    return { withheld: transient };
  }

  /** Whatever is short for the moment, the device is told one thing: busy, and when to try again. */
  #busy(error: HoldpointError): HoldpointError {
    const { message, hint, retryAfterMs = this.#options.limits.retryAfterMs } = error;
    return new HoldpointError("HP_BUSY", message, { hint, retryAfterMs, cause: error });
  }

  #report(device: string, error: HoldpointError, id: string | null, encoding: Encoding): void {
    const { peers, service } = this.#options;
    let payload: Uint8Array | null = null;
    for (const peer of peers.ofDevice(device)) {
      if (feedQos(peer, service.storeId, "error") === null) continue;
      payload ??= encodeMessage(error.body(id), encoding);
      peer.connection.sendPublish(peer.topics.error, payload);
    }
  }

  /** Ids that became durable in one commit leave in one message. */
  #received(device: string, id: string, encoding: Encoding): void {
    const { peers, service } = this.#options;
    const waiting = this.#receipts.get(device);
    if (waiting) {
      waiting.ids.push(id);
      return;
    }
    let wanted = false;
    for (const peer of peers.ofDevice(device)) wanted ||= feedQos(peer, service.storeId, "received") !== null;
    if (!wanted) return;
    this.#receipts.set(device, { ids: [id], encoding });
    queueMicrotask(() => process.nextTick(() => this.#sendReceipt(device)));
  }

  #sendReceipt(device: string): void {
    const { peers, service } = this.#options;
    const receipt = this.#receipts.get(device);
    this.#receipts.delete(device);
    if (!receipt) return;
    const payload = encodeMessage({ v: 1, ids: receipt.ids }, receipt.encoding);
    for (const peer of peers.ofDevice(device)) {
      if (feedQos(peer, service.storeId, "received") === null) continue;
      peer.connection.sendPublish(peer.topics.received, payload);
    }
  }
}

interface Receipt {
  readonly ids: string[];
  readonly encoding: Encoding;
}
