import { type Socket } from "node:net";
import mqtt from "mqtt";
import { decodeMessage, encodeMessage, newId } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { quantile } from "./bench-row.ts";

export interface LoadTarget {
  readonly mqttPort: number;
  readonly device: string;
  readonly secret: string;
}

export interface LoadShape {
  readonly clients: number;
  readonly inFlight: number;
  readonly requests: number;
  readonly body: (id: string) => Readonly<Record<string, unknown>>;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Lane {
  readonly client: mqtt.MqttClient;
  readonly sentMs: Map<string, number>;
}

/** Keeps `inFlight` requests open on each of `clients` connections until `requests` are answered. */
export class MqttLoad {
  readonly #lanes: readonly Lane[];
  readonly #device: string;
  #onAnswer: (lane: Lane, id: string) => void = () => undefined;

  private constructor(lanes: readonly Lane[], device: string) {
    this.#lanes = lanes;
    this.#device = device;
    for (const lane of lanes) {
      lane.client.on("message", (_topic, payload) => {
        const decoded = decodeMessage(payload);
        if (decoded.ok) this.#onAnswer(lane, (decoded.value.value as { id: string }).id);
      });
    }
  }

  static async open(target: LoadTarget, clients: number): Promise<MqttLoad> {
    const { mqttPort, device, secret } = target;
    const lanes = await Promise.all(
      Array.from({ length: clients }, async (_, i): Promise<Lane> => {
        const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
          username: device,
          password: secret,
          clientId: `${device}-${i}`,
          reconnectPeriod: 0,
        });
        // MQTT.js leaves Nagle on; with it a lone PUBACK waits up to 40 ms, and the row would measure that.
        (client.stream as unknown as Socket).setNoDelay(true);
        await client.subscribeAsync(`holdpoint/v1/store_1/${device}/decision`, { qos: 1 });
        return { client, sentMs: new Map() };
      }),
    );
    return new MqttLoad(lanes, device);
  }

  run(shape: Omit<LoadShape, "clients">): Promise<LoadResult> {
    const topic = `holdpoint/v1/store_1/${this.#device}/request`;
    const latencies: number[] = [];
    const write = writerOf(shape.body);
    let sent = 0;
    const send = (lane: Lane): void => {
      if (sent >= shape.requests) return;
      sent += 1;
      const id = newId(systemClock, systemRandom);
      lane.sentMs.set(id, performance.now());
      lane.client.publish(topic, write(id), { qos: 1 });
    };
    return new Promise((resolve) => {
      const startMs = performance.now();
      this.#onAnswer = (lane, id) => {
        const at = lane.sentMs.get(id);
        // Every client of a device hears every decision; the one that asked counts it.
        if (at === undefined) return;
        lane.sentMs.delete(id);
        latencies.push(performance.now() - at);
        if (latencies.length === shape.requests) {
          const seconds = (performance.now() - startMs) / 1000;
          resolve({
            perSecond: shape.requests / seconds,
            p50Ms: quantile(latencies, 0.5),
            p99Ms: quantile(latencies, 0.99),
          });
        } else send(lane);
      };
      for (let i = 0; i < shape.inFlight; i += 1) for (const lane of this.#lanes) send(lane);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ client }) => client.endAsync(true)));
  }
}

/** Encodes once and writes each id into a copy: what the load costs is taken from the agent's cores. */
export function writerOf(body: LoadShape["body"]): (id: string) => Buffer {
  const placeholder = newId(systemClock, systemRandom);
  const template = Buffer.from(encodeMessage(body(placeholder), "msgpack"));
  const at = template.indexOf(placeholder);
  return (id) => {
    const payload = Buffer.from(template);
    payload.write(id, at, "latin1");
    return payload;
  };
}
