import {
  HoldpointError,
  namePattern,
  reservedDeviceNames,
  silentLogger,
  type Clock,
  type Encoding,
  type Logger,
  type Random,
  type Timers,
} from "../../protocol/index.ts";
import { ambientClock, ambientRandom, ambientTimers } from "../ambient.ts";
import { AgentClient } from "./agent-client.ts";
import { defaultPolicy, type ClientPolicy } from "./client-policy.ts";
import { type Client } from "./client-port.ts";
import { httpTransport } from "./http-transport.ts";
import { memoryOutbox } from "./memory-outbox.ts";
import { mqttTransport, type MqttTls } from "./mqtt-transport.ts";
import { type Outbox } from "./outbox.ts";
import { type TransportFactory } from "./transport.ts";

export interface ConnectOptions {
  /**
   * Where the agent is: `mqtt://`, `mqtts://`, `ws://`, `wss://`, `http://` or `https://`. The store may be the path of
   * an MQTT url: `mqtt://127.0.0.1:1883/store_123`.
   */
  readonly url: string;
  /** Name of this device, and its secret from `holdpoint device add`. */
  readonly device: string;
  readonly secret: string;
  /** Name of the store; topics need it, HTTP does not. */
  readonly store?: string;
  /** Where unanswered requests wait: in memory, or `fileOutbox({ path })` of `holdpoint/node` to survive the process. */
  readonly outbox?: Outbox;
  /** How requests are encoded; MessagePack, where it is absent. */
  readonly encoding?: Encoding;
  /** What `decide` does when its patience ends without an answer: reject with HP_TIMEOUT (default), or wait on. */
  readonly onTimeout?: "reject" | "wait";
  /** Keep the MQTT session while the device is away: for an external broker. Default false. */
  readonly persistentSession?: boolean;
  /** PEM texts for `mqtts://`, in Node. */
  readonly tls?: MqttTls;
  readonly policy?: Partial<ClientPolicy>;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * Connects to an agent. Returns at once: what is asked before the link is up waits in the outbox.
 * Throws HP_USAGE for options that no client can be made of.
 *
 * ```ts
 * const client = connect({ url: "mqtt://127.0.0.1:1883/store_123", device: "camera-1", secret });
 * const decision = await client.decide("product_identification", { kind: "image", encoding: "jpeg", data });
 * ```
 */
export function connect(options: ConnectOptions): Client {
  const { device, secret, random = ambientRandom } = options;
  if (!namePattern.test(device) || reservedDeviceNames.has(device)) {
    throw usage(`"${device}" is no name of a device`);
  }
  if (secret === "") throw usage("the secret is empty");
  return new AgentClient({
    ports: {
      outbox: options.outbox ?? memoryOutbox(random),
      transport: transportOf(options),
      clock: options.clock ?? ambientClock,
      timers: options.timers ?? ambientTimers,
      random,
      logger: options.logger ?? silentLogger,
    },
    policy: { ...defaultPolicy, ...options.policy },
    encoding: options.encoding ?? "msgpack",
    onTimeout: options.onTimeout ?? "reject",
  });
}

function transportOf(options: ConnectOptions): TransportFactory {
  const { device, secret, logger = silentLogger, timers = ambientTimers } = options;
  const url = parseUrl(options.url);
  switch (url.protocol) {
    case "http:":
    case "https:":
      return httpTransport({
        // An agent may sit behind a path of a proxy.
        url: `${url.origin}${url.pathname.replace(/\/+$/, "")}`,
        device,
        secret,
        fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
        timers,
        logger,
      });
    case "mqtt:":
    case "mqtts:":
    case "ws:":
    case "wss:": {
      const { address, store } = mqttAddress(url, options.store);
      const persistentSession = options.persistentSession ?? false;
      return mqttTransport({
        url: address,
        store,
        device,
        secret,
        persistentSession,
        tls: options.tls ?? null,
        logger,
      });
    }
    default:
      throw usage(`${url.protocol}// is not known; mqtt, mqtts, ws, wss, http and https are`);
  }
}

/** The path of `mqtt://host/store` names the store; the path of `ws://host/path` is the broker's. */
function mqttAddress(url: URL, store: string | undefined): { readonly address: string; readonly store: string } {
  const isWebSocket = url.protocol === "ws:" || url.protocol === "wss:";
  const fromPath = isWebSocket ? "" : url.pathname.replace(/^\//, "");
  const name = store ?? fromPath;
  if (name === "") throw usage('topics need the store\'s name: give `store`, or "mqtt://host:1883/store_123"');
  if (fromPath !== "" && fromPath !== name) throw usage(`the url names the store ${fromPath}, the options ${name}`);
  if (!namePattern.test(name)) throw usage(`"${name}" is no name of a store`);
  return { address: `${url.protocol}//${url.host}${isWebSocket ? url.pathname : ""}`, store: name };
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new HoldpointError("HP_USAGE", `"${text}" is no url`, {
      hint: 'For example "mqtt://127.0.0.1:1883/store_123".',
      cause,
    });
  }
  if (url.username !== "" || url.password !== "") throw usage("give the secret as an option, not in the url");
  return url;
}

function usage(message: string): HoldpointError {
  return new HoldpointError("HP_USAGE", message, { hint: "See docs/clients.md." });
}
