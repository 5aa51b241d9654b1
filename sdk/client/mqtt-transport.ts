import {
  decodeMessage,
  deviceTopic,
  HoldpointError,
  parseDecision,
  type AgentChannel,
  type DeviceChannel,
  type Logger,
} from "../../protocol/index.ts";
import { type OutboxItem, type OutboxKind } from "./outbox.ts";
import { type Transport, type TransportEvents, type TransportFactory } from "./transport.ts";
import { parseWireError } from "./wire-error.ts";

/** MQTT 3.1.1, QoS 1. Owner of the package `mqtt`, which is loaded only when a client really uses it. */
export interface MqttOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, without credentials. */
  readonly url: string;
  readonly store: string;
  readonly device: string;
  readonly secret: string;
  /** Keep the session at the broker: for an external one, which then holds decisions while the device is away. */
  readonly persistentSession: boolean;
  readonly tls: MqttTls | null;
  readonly logger: Logger;
}

/** PEM texts for `mqtts://` in Node. A browser has its own store of certificates. */
export interface MqttTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * What is used of MQTT.js. Not its own types: they bring Node's globals into every program that sees them, and these
 * files run in browsers. `test/contract/client-mqtt-types.test.ts` holds the two together.
 */
export interface MqttModule {
  readonly connect: (url: string, options: Readonly<Record<string, unknown>>) => MqttConnection;
}
interface MqttConnection {
  on(event: "connect" | "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error & { readonly code?: unknown }) => void): unknown;
  subscribe(
    topics: string[],
    options: { readonly qos: 1 },
    done: (error: Error | null | undefined, granted?: { readonly topic: string; readonly qos: number }[]) => void,
  ): unknown;
  publish(topic: string, payload: never, options: { readonly qos: 1 }, done: (error?: Error | null) => void): unknown;
  handleMessage(packet: MqttPublish, done: (error?: Error) => void): void;
  end(force: boolean, done: () => void): unknown;
  /** The socket, where there is one: a WebSocket has no such setting and needs none. */
  readonly stream: unknown;
}
interface MqttPublish {
  readonly topic: string;
  readonly payload: string | Uint8Array;
}

const deniedHint = "Give connect the store_id of the agent's store config, and the name that the secret was made for.";

const channels: Readonly<Record<OutboxKind, DeviceChannel>> = {
  request: "request",
  event: "event",
  outcome: "outcome",
};
const connectTimeoutMs = 10_000;
const keepaliveSeconds = 20;

export function mqttTransport(options: MqttOptions): TransportFactory {
  return (events, instance) => new MqttTransport(options, events, instance);
}

class MqttTransport implements Transport {
  readonly asksById = false;
  readonly windowMax = 64;
  readonly #options: MqttOptions;
  readonly #events: TransportEvents;
  readonly #clientId: string;
  /** Each attempt is a connection of its own: no state of MQTT.js outlives it. */
  #connection: MqttConnection | null = null;
  #unacknowledged = 0;
  #closed = false;

  constructor(options: MqttOptions, events: TransportEvents, instance: string) {
    this.#options = options;
    this.#events = events;
    this.#clientId = `${options.device}-${instance}`;
  }

  open(): void {
    this.#connect().catch((cause: unknown) => {
      this.#events.down(HoldpointError.from(cause, "HP_UNREACHABLE"));
    });
  }

  send(item: OutboxItem): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#unacknowledged += 1;
    // MQTT.js takes any Uint8Array, whatever its types say.
    connection.publish(this.#topic(channels[item.kind]), item.bytes as never, { qos: 1 }, (error) => {
      this.#unacknowledged -= 1;
      if (connection !== this.#connection) return;
      // An error here is a closing connection; `down` tells.
      if (error === undefined || error === null) this.#events.acknowledged(item.key);
    });
  }

  follow(): void {
    // The agent sends every revision by itself, and on subscribing those that were not acknowledged.
  }

  unfollow(): void {
    // See `follow`.
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    // Without force MQTT.js waits for every PUBACK, and a busy agent withholds them.
    const force = this.#unacknowledged > 0;
    await new Promise<void>((resolve) => connection.end(force, resolve));
  }

  async #connect(): Promise<void> {
    const { connect } = await loadMqtt();
    if (this.#closed) return;
    this.#unacknowledged = 0;
    const { url, device, secret, persistentSession, tls } = this.#options;
    const connection = connect(url, {
      clientId: this.#clientId,
      username: device,
      password: secret,
      clean: !persistentSession,
      protocolVersion: 4,
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      // Reconnecting is the link machine's: with jitter, and without MQTT.js sending old packets again by itself.
      reconnectPeriod: 0,
      resubscribe: false,
      ...tls,
    });
    this.#connection = connection;
    this.#watch(connection);
  }

  #watch(connection: MqttConnection): void {
    let failure: HoldpointError | null = null;
    let down = false;
    const end = (error: HoldpointError): void => {
      if (down) return;
      down = true;
      connection.end(true, () => undefined);
      if (connection !== this.#connection) return;
      this.#connection = null;
      this.#events.down(error);
    };
    connection.on("error", (cause) => {
      failure ??= connectionError(cause);
      end(failure);
    });
    connection.on("close", () => {
      end(failure ?? new HoldpointError("HP_UNREACHABLE", "the agent closed the connection"));
    });
    // Instead of the `message` event: the PUBACK waits for the callback, so nothing is acknowledged that was not taken.
    connection.handleMessage = (packet, done) => {
      this.#receive(packet).then(
        () => done(),
        (cause: unknown) => {
          this.#options.logger.error("message_failed", { topic: packet.topic, cause });
          done();
        },
      );
    };
    connection.on("connect", () => {
      // MQTT.js leaves Nagle's algorithm on: the PUBACK for a decision would hold the next request back by 40 ms.
      (connection.stream as { readonly setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
      const topics = (["decision", "received", "error"] as const).map((channel) => this.#topic(channel));
      connection.subscribe(topics, { qos: 1 }, (error, granted) => {
        // MQTT.js makes an error of SUBACK 0x80 that says "unspecified"; what it means is known here.
        const denied =
          granted?.some(({ qos }) => qos > 2) === true || error?.message.startsWith("Subscribe error") === true;
        if (denied) end(new HoldpointError("HP_FORBIDDEN", this.#deniedMessage(), { hint: deniedHint }));
        else if (error !== null && error !== undefined) end(connectionError(error));
        else if (!down && connection === this.#connection) this.#events.up();
      });
    });
  }

  #deniedMessage(): string {
    const { store, device } = this.#options;
    return `the agent refuses the topics of device ${device} in store ${store}`;
  }

  async #receive({ topic, payload }: MqttPublish): Promise<void> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    if (topic === this.#topic("decision")) {
      const parsed = parseDecision(bytes);
      // An unreadable decision is acknowledged: the agent would send the same one for ever.
      if (parsed.ok) await this.#events.decision(parsed.value);
      else this.#options.logger.error("decision_unreadable", { id: parsed.id, message: parsed.error.message });
    } else if (topic === this.#topic("received")) {
      for (const id of receivedIds(bytes)) this.#events.acknowledged(`request/${id}`);
    } else if (topic === this.#topic("error")) {
      const wire = parseWireError(bytes);
      if (wire === null) this.#options.logger.error("error_unreadable", { bytes: bytes.byteLength });
      else this.#events.refused({ id: wire.id }, wire.error);
    }
  }

  #topic(channel: DeviceChannel | AgentChannel): string {
    return deviceTopic(this.#options.store, this.#options.device, channel);
  }
}

/** `{ "ids": […] }` on the `received` topic. */
function receivedIds(bytes: Uint8Array): readonly string[] {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok || typeof decoded.value.value !== "object" || decoded.value.value === null) return [];
  const { ids } = decoded.value.value as { readonly ids?: unknown };
  return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
}

/** CONNACK return codes [MQTT-3.2.2.3]: 4 bad user name or password, 5 not authorised. */
function connectionError(cause: Error & { readonly code?: unknown }): HoldpointError {
  const { code } = cause;
  if (code === 4 || code === 5)
    return new HoldpointError("HP_UNAUTHORIZED", "the agent refuses this device or secret", { cause });
  return new HoldpointError("HP_UNREACHABLE", `no connection to the agent: ${cause.message}`, { cause });
}

async function loadMqtt(): Promise<MqttModule> {
  try {
    // `as string` keeps the types of MQTT.js out (see `MqttModule`); a bundler sees the plain name.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion
    const loaded = (await import("mqtt" as string)) as MqttModule & { readonly default?: MqttModule };
    return loaded.default ?? loaded;
  } catch (cause) {
    throw new HoldpointError("HP_RUNTIME_MISSING", "the package mqtt is not installed", {
      hint: "Install it: npm install mqtt",
      cause,
    });
  }
}
