import { type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import {
  decodeMessage,
  encodeMessage,
  parseDecision,
  type Decision,
  type DecisionRequest,
} from "../../protocol/index.ts";
import { type AgentPlace, type AgentPorts } from "../support/agent-process.ts";
import { noteDecision, noteRefusal, type LoadLedger } from "./load-ledger.ts";

export interface LoadShape {
  /** Requests in flight over MQTT and over HTTP, of each device. */
  readonly mqttLanes: number;
  readonly httpLanes: number;
  /** What a lane waits for before its next request. */
  readonly until: "acknowledged" | "decided";
  readonly request: () => DecisionRequest;
  /** Told of each answer with the time since its request was sent, milliseconds. */
  readonly onDecided?: (decision: Decision, latencyMs: number) => void;
}

/** Every device of the place sends as fast as its lanes allow, until it is told to stop or the agent is gone. */
export class AgentLoad {
  readonly #place: AgentPlace;
  readonly #ports: AgentPorts;
  readonly #shape: LoadShape;
  readonly #ledger: LoadLedger;
  readonly #clients: mqtt.MqttClient[] = [];
  readonly #runs: Promise<void>[] = [];
  readonly #waiting = new Map<string, (decision: Decision) => void>();
  readonly #stop = new AbortController();

  constructor(place: AgentPlace, ports: AgentPorts, shape: LoadShape, ledger: LoadLedger) {
    this.#place = place;
    this.#ports = ports;
    this.#shape = shape;
    this.#ledger = ledger;
  }

  async start(): Promise<void> {
    const { mqttLanes, httpLanes } = this.#shape;
    for (const [device, secret] of Object.entries(this.#place.devices)) {
      if (mqttLanes > 0) await this.#startMqtt(device, secret, mqttLanes);
      for (let lane = 0; lane < httpLanes; lane += 1) this.#runs.push(this.#httpLane(secret));
    }
  }

  /** No new requests; those under way get `graceMs`. Returns whether all of them ended. */
  async end(graceMs = 2000): Promise<boolean> {
    this.#stop.abort();
    const ended = Promise.all(this.#runs).then(() => true);
    const all = await Promise.race([ended, sleep(graceMs, false, { ref: false })]);
    for (const client of this.#clients) client.end(true);
    return all;
  }

  async #startMqtt(device: string, secret: string, lanes: number): Promise<void> {
    const client = mqtt.connect(`mqtt://127.0.0.1:${this.#ports.mqttPort}`, {
      username: device,
      password: secret,
      clientId: `${device}-load`,
      reconnectPeriod: 0,
      clean: true,
    });
    client.on("error", () => undefined);
    client.on("message", (topic, payload) => this.#heard(topic, payload));
    this.#clients.push(client);
    const gone = new Promise<null>((resolve) => client.once("close", () => resolve(null)));
    await Promise.race([new Promise((resolve) => client.once("connect", resolve)), gone]);
    (client.stream as unknown as Socket).setNoDelay(true);
    await Promise.race([client.subscribeAsync(`holdpoint/v1/store_1/${device}/+`, { qos: 1 }), gone]);
    for (let lane = 0; lane < lanes; lane += 1) this.#runs.push(this.#mqttLane(client, device, gone));
  }

  #heard(topic: string, payload: Uint8Array): void {
    if (topic.endsWith("/error")) {
      const decoded = decodeMessage(payload);
      if (decoded.ok) noteRefusal(this.#ledger, (decoded.value.value as { code: string }).code);
      return;
    }
    if (!topic.endsWith("/decision")) return;
    const parsed = parseDecision(payload);
    if (!parsed.ok) throw parsed.error;
    noteDecision(this.#ledger, parsed.value);
    this.#waiting.get(parsed.value.id)?.(parsed.value);
    this.#waiting.delete(parsed.value.id);
  }

  async #mqttLane(client: mqtt.MqttClient, device: string, gone: Promise<null>): Promise<void> {
    const { until, request: next, onDecided } = this.#shape;
    while (!this.#stop.signal.aborted) {
      const request = next();
      const payload = Buffer.from(encodeMessage(request, "msgpack"));
      const startedMs = performance.now();
      const decided =
        until === "decided"
          ? new Promise<Decision>((resolve) => this.#waiting.set(request.id, resolve))
          : Promise.resolve(null);
      const sent = await Promise.race([
        new Promise<boolean>((resolve) =>
          client.publish(`holdpoint/v1/store_1/${device}/request`, payload, { qos: 1 }, (error) => resolve(!error)),
        ),
        gone,
      ]);
      if (sent !== true) return;
      this.#ledger.acknowledged.add(request.id);
      const decision = await Promise.race([decided, gone]);
      if (decision !== null) onDecided?.(decision, performance.now() - startedMs);
    }
  }

  async #httpLane(secret: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const request = this.#shape.request();
      const startedMs = performance.now();
      const heard = await this.#post(request, secret);
      if (heard === "gone") return;
      if (heard === "refused") await sleep(20);
      else if (heard !== null) this.#shape.onDecided?.(heard, performance.now() - startedMs);
    }
  }

  async #post(request: DecisionRequest, secret: string): Promise<Decision | "refused" | "gone" | null> {
    const wait = this.#shape.until === "decided" ? 10_000 : 0;
    let response: Response;
    let body: Uint8Array;
    try {
      response = await fetch(`${this.#ports.http}/v1/decisions?wait=${wait}`, {
        method: "POST",
        headers: { authorization: `Bearer ${secret}`, "content-type": "application/msgpack" },
        body: Buffer.from(encodeMessage(request, "msgpack")),
      });
      // The status line is the acknowledgement, whatever becomes of the body.
      if (response.status === 200 || response.status === 202) this.#ledger.acknowledged.add(request.id);
      body = new Uint8Array(await response.arrayBuffer());
    } catch {
      return "gone";
    }
    if (response.status === 202) return null;
    if (response.status !== 200) {
      const { code } = JSON.parse(Buffer.from(body).toString()) as { code?: string };
      noteRefusal(this.#ledger, code ?? `HTTP ${response.status}`);
      return "refused";
    }
    const parsed = parseDecision(body);
    if (!parsed.ok) throw parsed.error;
    noteDecision(this.#ledger, parsed.value);
    return parsed.value;
  }
}
