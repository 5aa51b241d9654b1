import { readFile } from "node:fs/promises";
import { type IClientOptions, type MqttClient } from "mqtt";
import {
  HoldpointError,
  type Cancel,
  type Clock,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { linkTransition, newLink, type LinkEvent, type LinkPolicy } from "../../sdk/client/index.ts";
import { AckOrder } from "../broker/ack-order.ts";

/** Where an external broker is, and who this agent is there. */
export interface BrokerAccess {
  readonly url: string;
  readonly username: string;
  /** Read at every connect, so that a secret can be changed in place. Null: no password is sent. */
  readonly passwordFile: string | null;
  /** PEM of the authority that signed the broker's certificate; null: the system's. */
  readonly caFile: string | null;
}

export interface MqttLinkOptions {
  readonly access: BrokerAccess;
  readonly clientId: string;
  /** False: the broker keeps what comes while this agent is away. */
  readonly clean: boolean;
  readonly filters: readonly string[];
  /** Published by the broker, retained, when this connection ends without a goodbye. */
  readonly will: (() => Promise<{ readonly topic: string; readonly payload: Uint8Array }>) | null;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  /** Subscribed: from now on nothing is missed. Messages of a kept session may come before. */
  readonly onUp: () => void;
  readonly onDown: (error: HoldpointError) => void;
  /** `acknowledge` sends the PUBACK, in the order of arrival whatever the order of the calls [MQTT-4.6.0-2]. */
  readonly onMessage: (message: LinkMessage, acknowledge: () => void) => void;
}

export interface LinkMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}

const reconnect: LinkPolicy = { reconnect: { baseMs: 250, capMs: 15_000 }, stableMs: 5_000 };
const connectTimeoutMs = 10_000;
const keepaliveSeconds = 10;
const goodbyeMs = 1_000;

/** One connection to an external broker, opened again with full jitter for as long as it takes. Owner of MQTT.js here. */
export class MqttLink {
  readonly #options: MqttLinkOptions;
  #link = newLink;
  #upAtMs = 0;
  #cancel: Cancel = () => undefined;
  #connection: MqttClient | null = null;
  readonly #unacknowledged = new Set<(acknowledged: boolean) => void>();

  constructor(options: MqttLinkOptions) {
    this.#options = options;
  }

  get up(): boolean {
    return this.#link.phase === "up";
  }

  start(): void {
    this.#on({ kind: "start" });
  }

  /** QoS 1. Resolves with true at the broker's PUBACK, with false where the connection ended before. */
  publish(topic: string, payload: Uint8Array, retain = false): Promise<boolean> {
    const connection = this.#connection;
    if (connection === null || !this.up) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (acknowledged: boolean): void => {
        this.#unacknowledged.delete(settle);
        resolve(acknowledged);
      };
      this.#unacknowledged.add(settle);
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
      connection.publish(topic, bytes, { qos: 1, retain }, (error) => settle(!error));
    });
  }

  /** Says goodbye, so that the will is not published. */
  async close(): Promise<void> {
    this.#cancel();
    const connection = this.#connection;
    this.#on({ kind: "close" });
    this.#connection = null;
    if (connection === null) return;
    // MQTT.js says goodbye when everything is acknowledged.
    await new Promise<void>((resolve) => {
      const cancel = this.#options.timers.after(goodbyeMs, () => connection.end(true, () => resolve()));
      connection.end(false, () => {
        cancel();
        resolve();
      });
    });
    for (const settle of [...this.#unacknowledged]) settle(false);
  }

  #on(event: LinkEvent): void {
    const { clock, random, timers } = this.#options;
    const before = this.#link.phase;
    const { state, effects } = linkTransition(this.#link, event, {
      random: random.uniform(),
      upForMs: before === "up" ? clock.monotonicMs() - this.#upAtMs : 0,
      policy: reconnect,
    });
    this.#link = state;
    if (state.phase === "up" && before !== "up") this.#upAtMs = clock.monotonicMs();
    for (const effect of effects) {
      if (effect.kind === "open") void this.#open();
      if (effect.kind === "wake") this.#cancel = timers.after(effect.afterMs, () => this.#on({ kind: "due" }));
    }
  }

  async #open(): Promise<void> {
    try {
      const options = await this.#connectOptions();
      const { default: mqtt } = await import("mqtt");
      if (this.#link.phase !== "opening") return;
      const connection = mqtt.connect(this.#options.access.url, options);
      this.#connection = connection;
      this.#watch(connection);
    } catch (cause) {
      this.#down(HoldpointError.from(cause, "HP_UNREACHABLE"));
    }
  }

  async #connectOptions(): Promise<IClientOptions> {
    const { access, clientId, clean, will } = this.#options;
    const last = await will?.();
    return {
      clientId,
      clean,
      protocolVersion: 4,
      username: access.username,
      ...(access.passwordFile === null ? {} : { password: (await fileText(access.passwordFile)).trimEnd() }),
      ...(access.caFile === null ? {} : { ca: await fileText(access.caFile) }),
      ...(last ? { will: { topic: last.topic, payload: Buffer.from(last.payload), qos: 1, retain: true } } : {}),
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      // Each attempt is a connection of its own: no state of MQTT.js outlives it, and the waits have jitter.
      reconnectPeriod: 0,
      resubscribe: false,
    };
  }

  #watch(connection: MqttClient): void {
    const { filters, clientId } = this.#options;
    let ended = false;
    const end = (error: HoldpointError): void => {
      if (ended) return;
      ended = true;
      connection.end(true);
      if (connection !== this.#connection) return;
      this.#connection = null;
      this.#down(error);
    };
    connection.on("error", (cause) => end(connectionError(cause)));
    connection.on("close", () => end(new HoldpointError("HP_UNREACHABLE", "the broker closed the connection")));
    this.#takeMessages(connection, () => !ended && connection === this.#connection);
    connection.on("connect", () => {
      // With Nagle's algorithm a PUBACK would hold the next PUBLISH back by 40 ms.
      (connection.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
      connection.subscribe([...filters], { qos: 1 }, (error, granted) => {
        const denied = granted?.find(({ qos }) => qos > 2);
        if (error) end(new HoldpointError("HP_UNREACHABLE", `no subscription: ${error.message}`, { cause: error }));
        else if (denied)
          end(new HoldpointError("HP_FORBIDDEN", `the broker denies ${clientId} to read ${denied.topic}`));
        else if (!ended && connection === this.#connection) {
          this.#on({ kind: "opened" });
          this.#options.onUp();
        }
      });
    });
  }

  /**
   * MQTT.js acknowledges a message when `handleMessage` calls back, and reads the next one only then: one commit a
   * message. So a message is told to it as QoS 0, and its PUBACK written here, when the commit has returned; many
   * messages share one.
   */
  #takeMessages(connection: MqttClient, alive: () => boolean): void {
    const order = new AckOrder();
    const packetIds = new WeakMap<object, number>();
    connection.on("packetreceive", (packet) => {
      if (packet.cmd !== "publish" || packet.qos !== 1 || packet.messageId === undefined) return;
      packetIds.set(packet, packet.messageId);
      packet.qos = 0;
    });
    connection.on("message", (topic, payload, packet) => {
      const packetId = packetIds.get(packet);
      const turn = order.take(() => {
        // A connection that is gone is sent the message again.
        if (packetId === undefined || !alive()) return;
        connection.stream.write(Buffer.from([0x40, 2, packetId >> 8, packetId & 0xff]));
      });
      if (packetId === undefined) turn.done();
      this.#options.onMessage({ topic, payload, retained: packet.retain }, () => turn.done());
    });
  }

  #down(error: HoldpointError): void {
    // MQTT.js forgets whom it owes an answer.
    for (const settle of [...this.#unacknowledged]) settle(false);
    if (this.#link.phase === "closed") return;
    this.#on({ kind: "down" });
    this.#options.onDown(error);
  }
}

async function fileText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new HoldpointError("HP_CONFIG", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** CONNACK return codes [MQTT-3.2.2.3]: 4 bad user name or password, 5 not authorised. */
function connectionError(cause: Error & { readonly code?: unknown }): HoldpointError {
  if (cause.code === 4 || cause.code === 5) {
    const hint = "Compare broker.username and broker.password_file with the broker's password file.";
    return new HoldpointError("HP_UNAUTHORIZED", "the broker refuses this agent's user name or password", {
      hint,
      cause,
    });
  }
  return new HoldpointError("HP_UNREACHABLE", `no connection to the broker: ${cause.message}`, { cause });
}
