import { createConnection, Socket } from "node:net";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { silentLogger, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { type BrokerLimits } from "../../edge-agent/broker/broker-limits.ts";
import { startBroker, type BrokerOptions, type RunningBroker } from "../../edge-agent/broker/broker.node.ts";
import { type DeviceDirectory } from "../../edge-agent/service.ts";
import { DoorMetrics, DoorService } from "./door-service.ts";

/** A broker with two devices, and everything that a test has to clean up. */
export interface Door {
  readonly broker: RunningBroker;
  readonly service: DoorService;
  readonly metrics: DoorMetrics;
  connect(device?: string, options?: IClientOptions): Promise<MqttClient>;
  raw(): Promise<Socket>;
  close(): Promise<void>;
}

export const knownDevices: DeviceDirectory = {
  verify: (device, secret) => Promise.resolve(secret === `${device}.secret` && knownDevices.has(device)),
  has: (device) => device === "camera-1" || device === "till-1",
};

export async function openDoor(limits: Partial<BrokerLimits> = {}, more: Partial<BrokerOptions> = {}): Promise<Door> {
  const service = new DoorService();
  const metrics = new DoorMetrics();
  const broker = await startBroker({
    service,
    devices: knownDevices,
    host: "127.0.0.1",
    port: 0,
    limits,
    logger: silentLogger,
    clock: systemClock,
    timers: systemTimers,
    metrics,
    agentName: "agent-1",
    ...more,
  });
  const clients: MqttClient[] = [];
  const sockets: Socket[] = [];
  return {
    broker,
    service,
    metrics,
    connect: async (device = "camera-1", options = {}) => {
      const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
        clientId: `${device}-${clients.length}`,
        username: device,
        password: `${device}.secret`,
        reconnectPeriod: 0,
        ...options,
      });
      client.on("error", () => undefined);
      // MQTT.js leaves Nagle's algorithm on: then every PUBACK of it delays its next PUBLISH by 40 ms.
      if (client.stream instanceof Socket) client.stream.setNoDelay(true);
      clients.push(client);
      return client;
    },
    raw: () =>
      new Promise((resolve, reject) => {
        const socket = createConnection(broker.port, "127.0.0.1", () => resolve(socket));
        socket.once("error", reject);
        socket.on("error", () => undefined);
        sockets.push(socket);
      }),
    close: async () => {
      for (const client of clients) client.end(true);
      for (const socket of sockets) socket.destroy();
      await broker.close(100);
    },
  };
}

export const topic = (channel: string, device = "camera-1"): string => `holdpoint/v1/store-1/${device}/${channel}`;

export function requestOf(n: number, over: Partial<DecisionRequest> = {}): DecisionRequest {
  const id = `01930000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
  return { v: 1, id, task: "product_identification", at: 1, input: { kind: "features", values: { a: n } }, ...over };
}

export const jsonOf = (value: unknown): string => JSON.stringify(value);

/** Messages that a client gets, as they come. */
export function inbox(
  client: MqttClient,
): { readonly topic: string; readonly payload: Buffer; readonly dup: boolean }[] {
  const messages: { topic: string; payload: Buffer; dup: boolean }[] = [];
  client.on("message", (from, payload, packet) => void messages.push({ topic: from, payload, dup: packet.dup }));
  return messages;
}

/** Waits until the condition holds; fails after `withinMs`. */
export async function until(condition: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The bytes of a CONNECT, for clients that do not behave. */
export function connectBytes(
  clientId: string,
  device: string,
  clean = true,
  over: { keepalive?: number } = {},
): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
  };
  const keepalive = over.keepalive ?? 0;
  const head = Buffer.from([4, 0xc0 | (clean ? 2 : 0), keepalive >> 8, keepalive & 0xff]);
  const body = Buffer.concat([text("MQTT"), head, text(clientId), text(device), text(`${device}.secret`)]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}
