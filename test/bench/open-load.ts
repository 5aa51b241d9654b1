import { type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { decodeMessage, newId, type Decision } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { type LoadTarget } from "./mqtt-load.ts";

/** One request on its way, times in milliseconds of `performance.now()`. */
export interface Sent {
  readonly sentMs: number;
  /** When its PUBACK came: from then on it must never be lost. */
  ackedMs: number | null;
  answeredMs: number | null;
  /** Revision 1. */
  decision: Pick<Decision, "verdict" | "reasons"> | null;
  /** How often the agent said HP_BUSY. */
  busy: number;
  /** Refused for good. */
  refused: string | null;
}

interface Lane {
  readonly client: mqtt.MqttClient;
  /** Without its last part. */
  readonly topic: string;
}

/**
 * Devices that do not wait: requests leave at a given rate, whether earlier ones are answered or not, as shoppers come
 * whether the agent is quick or not. A device that is told HP_BUSY sends again after the time it was told.
 */
export class OpenLoad {
  readonly requests = new Map<string, Sent>();
  /** When HP_BUSY was heard. */
  readonly busyMs: number[] = [];
  readonly #clients: readonly Lane[];
  readonly #write: (id: string) => Buffer;
  readonly #resend = new Set<NodeJS.Timeout>();
  #next = 0;

  private constructor(clients: readonly Lane[], write: (id: string) => Buffer) {
    this.#clients = clients;
    this.#write = write;
  }

  static async open(targets: readonly LoadTarget[], write: (id: string) => Buffer): Promise<OpenLoad> {
    const clients = await Promise.all(
      targets.map(async ({ mqttPort, device, secret }) => {
        const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
          ...{ username: device, password: secret, clientId: `${device}-0` },
          reconnectPeriod: 500,
        });
        (client.stream as unknown as Socket).setNoDelay(true);
        const topic = `holdpoint/v1/store_1/${device}`;
        await client.subscribeAsync([`${topic}/decision`, `${topic}/error`], { qos: 1 });
        return { client, topic };
      }),
    );
    const load = new OpenLoad(clients, write);
    for (const lane of clients) lane.client.on("message", (topic, payload) => load.#heard(lane, topic, payload));
    return load;
  }

  /** Sends at an even rate for so long; returns what was sent. */
  async run(perSecond: number, durationMs: number): Promise<readonly Sent[]> {
    const sent: Sent[] = [];
    const startMs = performance.now();
    for (let nowMs = startMs; nowMs < startMs + durationMs; nowMs = performance.now()) {
      const due = Math.floor(((nowMs - startMs) * perSecond) / 1000);
      while (sent.length < due) sent.push(this.#send());
      await sleep(4);
    }
    return sent;
  }

  /** Waits until every request is acknowledged and answered, at most so long. Returns how many are not. */
  async drained(patienceMs: number): Promise<number> {
    const untilMs = performance.now() + patienceMs;
    const open = (): number =>
      [...this.requests.values()].filter(
        ({ ackedMs, answeredMs, refused }) => refused === null && (ackedMs === null || answeredMs === null),
      ).length;
    while (open() > 0 && performance.now() < untilMs) await sleep(200);
    return open();
  }

  async close(): Promise<void> {
    for (const timer of this.#resend) clearTimeout(timer);
    await Promise.all(this.#clients.map(({ client }) => client.endAsync(true)));
  }

  #send(): Sent {
    const lane = this.#clients[this.#next % this.#clients.length];
    if (!lane) throw new Error("a device is needed");
    this.#next += 1;
    const id = newId(systemClock, systemRandom);
    const sent: Sent = {
      ...{ sentMs: performance.now(), ackedMs: null, answeredMs: null },
      ...{ decision: null, busy: 0, refused: null },
    };
    this.requests.set(id, sent);
    this.#publish(lane, id);
    return sent;
  }

  #publish({ client, topic }: Lane, id: string): void {
    client.publish(`${topic}/request`, this.#write(id), { qos: 1 }, (error) => {
      const sent = this.requests.get(id);
      // The PUBACK of a request that was refused for good says nothing about the journal.
      if (!error && sent?.refused === null) sent.ackedMs ??= performance.now();
    });
  }

  #heard(lane: Lane, topic: string, payload: Buffer): void {
    const decoded = decodeMessage(payload);
    if (!decoded.ok) throw decoded.error;
    if (topic.endsWith("/error")) {
      this.#refused(lane, decoded.value.value as { id: string | null; code: string; retryAfterMs?: number });
      return;
    }
    const { id, revision, verdict, reasons } = decoded.value.value as Decision;
    const sent = this.requests.get(id);
    if (!sent || revision !== 1 || sent.answeredMs !== null) return;
    sent.answeredMs = performance.now();
    sent.decision = { verdict, reasons };
  }

  #refused(
    lane: Lane,
    error: { readonly id: string | null; readonly code: string; readonly retryAfterMs?: number },
  ): void {
    const { id, code, retryAfterMs = 1000 } = error;
    const sent = id === null ? undefined : this.requests.get(id);
    if (code !== "HP_BUSY") {
      if (sent) sent.refused = code;
      return;
    }
    this.busyMs.push(performance.now());
    if (!sent || id === null) return;
    sent.busy += 1;
    const timer = setTimeout(() => {
      this.#resend.delete(timer);
      if (sent.answeredMs === null) this.#publish(lane, id);
    }, retryAfterMs);
    this.#resend.add(timer);
  }
}
