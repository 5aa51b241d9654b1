import { namePattern, reservedDeviceNames } from "./ids.ts";

/** MQTT topics (3.1.1): `holdpoint/v1/<store>/<device>/<channel>`. */

const prefix = "holdpoint/v1";

const deviceChannels = ["request", "event", "outcome"] as const;
/** What a device publishes. */
export type DeviceChannel = (typeof deviceChannels)[number];
const agentChannels = ["decision", "received", "error"] as const;
/** What an agent publishes to a device. */
export type AgentChannel = (typeof agentChannels)[number];

export interface DeviceTopic {
  readonly store: string;
  readonly device: string;
  readonly channel: DeviceChannel | AgentChannel;
}

export function deviceTopic(store: string, device: string, channel: DeviceChannel | AgentChannel): string {
  return `${prefix}/${store}/${device}/${channel}`;
}

export function agentStatusTopic(store: string, agent: string): string {
  return `${prefix}/${store}/agents/${agent}/status`;
}

const channels: ReadonlySet<string> = new Set([...deviceChannels, ...agentChannels]);

/** Parses a device's topic; null for anything else, the agents' own topics included. */
export function parseDeviceTopic(topic: string): DeviceTopic | null {
  const parts = topic.split("/");
  const [holdpoint, version, store, device, channel] = parts;
  if (parts.length !== 5 || `${holdpoint ?? ""}/${version ?? ""}` !== prefix) return null;
  if (store === undefined || device === undefined || channel === undefined) return null;
  if (!namePattern.test(store) || !namePattern.test(device) || !channels.has(channel)) return null;
  if (reservedDeviceNames.has(device)) return null;
  return { store, device, channel: channel as DeviceTopic["channel"] };
}
