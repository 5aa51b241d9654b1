import {
  encodeMessage,
  encodingOf,
  HoldpointError,
  parseDecision,
  parseDeviceTopic,
  parseObservedEvent,
  parseRequest,
  RecentMap,
  type Clock,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { type AgentMetrics, type AgentService, type DeviceMessage, type Submitted, type Taken } from "../service.ts";
import { type DecisionsElsewhere } from "./elsewhere.ts";
import { Holding, holdingPolicy } from "./holding.ts";
import { type LeaseBook } from "./lease-book.ts";
import { deviceKey, entityKey } from "./lease-message.ts";
import { type Outgoing } from "./outgoing.ts";

export interface InboxOptions {
  readonly service: AgentService;
  readonly leases: Pick<LeaseBook, "want" | "owns" | "isForeign" | "quiet">;
  readonly elsewhere: DecisionsElsewhere;
  readonly outgoing: Outgoing;
  readonly metrics: AgentMetrics;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

interface Routed {
  readonly channel: "request" | "event";
  readonly key: string;
  readonly id: string | null;
  readonly message: DeviceMessage;
  readonly acknowledge: () => void;
}

/** Leases of the cases asked lately; those of older ones are read from the journal. */
const keysMax = 16_384;
/** Devices heard of, whose rows are looked for when a lease comes. */
const devicesMax = 20_000;
/** A message that could not be made durable is tried again after about so long; the broker holds back what follows. */
const retryMs = 1_000;
/** Told to the device: longer than ours, because the message is tried again without it. */
const deviceRetryMs = 5_000;

/**
 * What an agent does with the messages of all devices behind an external broker: those under its own leases are made
 * durable and then acknowledged, those of others are acknowledged at once and kept for a while in memory.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #holding = new Holding(holdingPolicy);
  readonly #keys = new RecentMap<string, string>(keysMax);
  readonly #devices = new Set<string>();
  /** Ids of this life that wait for their final decision, by lease. */
  readonly #open = new Map<string, Set<string>>();
  #closed = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  take(topic: string, payload: Uint8Array, acknowledge: () => void): void {
    if (this.#closed) return;
    const parsed = parseDeviceTopic(topic);
    if (parsed?.store !== this.#options.service.storeId) {
      // A name that no device can have, let in by the broker's ACL. Nobody listens who could be told.
      this.#options.metrics.refused("mqtt", "HP_FORBIDDEN");
      acknowledge();
      return;
    }
    const { device, channel } = parsed;
    if (channel === "decision") {
      this.#heardDecision(payload);
      acknowledge();
      return;
    }
    const message: DeviceMessage = { device, bytes: payload, transport: "mqtt" };
    if (channel === "outcome") void this.#outcome(message, acknowledge);
    if (channel === "request" || channel === "event") {
      if (this.#devices.size < devicesMax) this.#devices.add(device);
      this.#route({ channel, message, acknowledge, ...this.#addressOf(channel, message) });
    }
  }

  /** The lease of this agent's case. */
  async keyOf(device: string, id: string): Promise<string> {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const input = (await this.#options.service.decision(device, id))?.request.input;
    // An evicted event has lost its entity; its device's lease is the next best.
    const key = input && "entity" in input && input.entity !== "" ? entityKey(input.entity) : deviceKey(device);
    this.#keys.set(id, key);
    return key;
  }

  /** The lease is ours: what waited is taken up. */
  gained(key: string): void {
    for (const held of this.#holding.take(key)) held.resume();
  }

  lost(key: string): void {
    this.#open.delete(key);
    if (this.#options.leases.isForeign(key)) this.#holding.letGo(key);
  }

  isBusy(key: string): boolean {
    return this.#open.has(key);
  }

  /** The case has its final decision, or was refused. */
  closed(key: string, id: string): void {
    const open = this.#open.get(key);
    if (!open?.delete(id) || open.size > 0) return;
    this.#open.delete(key);
    this.#options.leases.quiet(key);
  }

  devices(): Iterable<string> {
    return this.#devices;
  }

  tick(): void {
    this.#holding.expire(this.#options.clock.monotonicMs());
  }

  /** Nothing is taken up any more; what was not acknowledged stays at the broker. */
  close(): void {
    this.#closed = true;
  }

  #addressOf(channel: "request" | "event", { device, bytes }: DeviceMessage): { key: string; id: string | null } {
    const parsed = channel === "request" ? parseRequest(bytes) : parseObservedEvent(bytes);
    if (!parsed.ok) return { key: deviceKey(device), id: parsed.id };
    const { value } = parsed;
    const entity = "entity" in value ? value.entity : "entity" in value.input ? value.input.entity : null;
    const key = entity === null ? deviceKey(device) : entityKey(entity);
    if (channel === "request") this.#keys.set(value.id, key);
    return { key, id: value.id };
  }

  #route(routed: Routed): void {
    const { leases, clock } = this.#options;
    const { key, id, message, acknowledge } = routed;
    leases.want(key);
    if (leases.owns(key)) {
      void this.#process(routed);
      return;
    }
    this.#holding.add(key, {
      id,
      bytes: message.bytes.byteLength,
      heldAtMs: clock.monotonicMs(),
      letGo: acknowledge,
      resume: () => void this.#process(routed),
    });
    if (leases.isForeign(key)) this.#holding.letGo(key);
  }

  async #process(routed: Routed): Promise<void> {
    const { elsewhere, outgoing, leases, timers, random, service, logger } = this.#options;
    const { channel, id, key, message, acknowledge } = routed;
    const answered = id === null || channel === "event" ? null : elsewhere.get(id);
    if (answered?.bytes) {
      // The case is another agent's and closed. Whoever asks again has missed the answer.
      await outgoing.repeat(message.device, answered.bytes);
      acknowledge();
      return;
    }
    if (id !== null && channel === "request") {
      const open = this.#open.get(key);
      if (open) open.add(id);
      else this.#open.set(key, new Set([id]));
    }
    for (let attempt = 0; ; attempt += 1) {
      const taken = await this.#submit(channel, message, service, logger);
      if (taken.kind === "durable" || taken.error.retry !== "backoff") {
        this.#taken(message, taken);
        if (taken.kind === "refused" && id !== null) this.closed(key, id);
        acknowledge();
        return;
      }
      if (attempt === 0) this.#busy(message.device, taken);
      // Not acknowledged: the broker keeps its copy, and holds back what follows when its window is full.
      const waitMs = retryMs * (0.5 + random.uniform());
      await new Promise<void>((resolve) => void timers.after(waitMs, resolve));
      if (this.#closed || !leases.owns(key)) return;
    }
  }

  async #submit(
    channel: "request" | "event" | "outcome",
    message: DeviceMessage,
    service: AgentService,
    logger: Logger,
  ): Promise<Submitted | Taken> {
    try {
      if (channel === "request") return await service.submit(message);
      return channel === "event" ? await service.observe(message) : await service.outcome(message);
    } catch (cause) {
      logger.error("mqtt_message_failed", { device: message.device, channel, cause });
      const encoding = encodingOf(message.bytes) ?? "json";
      return { kind: "refused", id: null, error: HoldpointError.told(cause), encoding };
    }
  }

  #taken({ device, bytes }: DeviceMessage, taken: Submitted | Taken): void {
    const { metrics, outgoing } = this.#options;
    const encoding = encodingOf(bytes) ?? "json";
    if (taken.kind === "refused") {
      metrics.refused("mqtt", taken.error.code);
      outgoing.error(device, encodeMessage(taken.error.body(taken.id), taken.encoding));
      return;
    }
    metrics.acknowledged("mqtt");
    outgoing.received(device, taken.id, encoding);
    if ("known" in taken && taken.known && taken.decision !== null) {
      void outgoing.send({ device, decision: taken.decision, encoding, transport: "mqtt" }, true);
    }
  }

  #busy(device: string, { id, error, encoding }: Extract<Taken, { kind: "refused" }>): void {
    const { metrics, outgoing } = this.#options;
    metrics.refused("mqtt", error.code);
    const { message, hint, retryAfterMs = 0 } = error;
    const busy = new HoldpointError("HP_BUSY", message, {
      hint,
      retryAfterMs: Math.max(retryAfterMs, deviceRetryMs),
      cause: error,
    });
    outgoing.error(device, encodeMessage(busy.body(id), encoding));
  }

  /** An outcome goes to whoever has the case: every agent looks, and one that does not have it says nothing. */
  async #outcome(message: DeviceMessage, acknowledge: () => void): Promise<void> {
    const { service, leases, elsewhere, timers, logger } = this.#options;
    for (;;) {
      const taken = await this.#submit("outcome", message, service, logger);
      if (taken.kind === "durable" || taken.error.retry !== "backoff") {
        const key = deviceKey(message.device);
        const others = leases.isForeign(key) || (taken.id !== null && elsewhere.get(taken.id) !== null);
        if (taken.kind === "durable" || !others) this.#taken(message, taken);
        acknowledge();
        return;
      }
      await new Promise<void>((resolve) => void timers.after(retryMs, resolve));
      if (this.#closed) return;
    }
  }

  #heardDecision(payload: Uint8Array): void {
    const parsed = parseDecision(payload);
    if (parsed.ok && this.#options.elsewhere.heard(parsed.value, payload)) this.#holding.forget(parsed.value.id);
  }
}
