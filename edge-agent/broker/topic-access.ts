import { deviceTopic, namePattern, type AgentChannel, type DeviceChannel } from "../../protocol/index.ts";

/** Which topics a device may use: its own, and the agents' status to read. Pure; both guards of the broker ask here. */

/** What a subscription of a device can bring it. */
export type Feed = AgentChannel | "status";

const agentFeeds: readonly AgentChannel[] = ["decision", "received", "error"];

/**
 * What a filter brings, or null where the device may not subscribe to it. A device may name its own three topics, all
 * of them at once (`…/<device>/+`, `…/<device>/#`), and the status of one agent or of all (`…/agents/+/status`).
 */
export function feedsOf(filter: string, store: string, device: string): readonly Feed[] | null {
  const own = `holdpoint/v1/${store}/${device}/`;
  if (filter.startsWith(own)) {
    const channel = filter.slice(own.length);
    if (channel === "+" || channel === "#") return agentFeeds;
    const feed = agentFeeds.find((name) => name === channel);
    return feed === undefined ? null : [feed];
  }
  const agents = `holdpoint/v1/${store}/agents/`;
  if (!filter.startsWith(agents) || !filter.endsWith("/status")) return null;
  const agent = filter.slice(agents.length, -"/status".length);
  return agent === "+" || namePattern.test(agent) ? ["status"] : null;
}

/**
 * The channel that a device may publish on under this topic, or null. Compared and not taken apart: the names of store
 * and device were checked when they were given, and there is a topic to look at for every message.
 */
export function publishChannel(topic: string, store: string, device: string): DeviceChannel | null {
  return publishChannels.find((channel) => topic === deviceTopic(store, device, channel)) ?? null;
}

const publishChannels: readonly DeviceChannel[] = ["request", "event", "outcome"];

/** Whether a packet under this topic may be handed to the device: the second guard, after the subscription's. */
export function mayReceive(topic: string, store: string, device: string): boolean {
  return !topic.includes("+") && !topic.includes("#") && feedsOf(topic, store, device) !== null;
}

/** The topics of one device, UTF-8. */
export interface DeviceTopics {
  readonly decision: Uint8Array;
  readonly received: Uint8Array;
  readonly error: Uint8Array;
}

/** Each is made when it is first used, and then kept: most connections of a big store say nothing most of the time. */
export function deviceTopics(store: string, device: string): DeviceTopics {
  return new LazyTopics(store, device);
}

class LazyTopics implements DeviceTopics {
  readonly #store: string;
  readonly #device: string;
  #decision: Uint8Array | null = null;
  #received: Uint8Array | null = null;
  #error: Uint8Array | null = null;

  constructor(store: string, device: string) {
    this.#store = store;
    this.#device = device;
  }

  get decision(): Uint8Array {
    return (this.#decision ??= this.#encoded("decision"));
  }

  get received(): Uint8Array {
    return (this.#received ??= this.#encoded("received"));
  }

  get error(): Uint8Array {
    return (this.#error ??= this.#encoded("error"));
  }

  #encoded(channel: AgentChannel): Uint8Array {
    return new TextEncoder().encode(deviceTopic(this.#store, this.#device, channel));
  }
}

/**
 * Whether a client id may be used by the device: it begins with the device's name, and no other known device has a
 * longer name that it begins with. So a device can never take over the connection of another one (MQTT-3.1.4-2).
 */
export function mayUseClientId(clientId: string, device: string, isDevice: (name: string) => boolean): boolean {
  if (!clientId.startsWith(device) || clientId.length > clientIdCharsMax) return false;
  const longest = Math.min(clientId.length, deviceNameCharsMax);
  for (let end = device.length + 1; end <= longest; end += 1) {
    if (isDevice(clientId.slice(0, end))) return false;
  }
  return true;
}

const deviceNameCharsMax = 64;
const clientIdCharsMax = 256;
