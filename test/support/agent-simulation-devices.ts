import {
  decodeMessage,
  deviceTopic,
  encodeMessage,
  newId,
  parseDecision,
  type Decision,
  type DecisionRequest,
  type Encoding,
  type ErrorBody,
  type Outcome,
  type Random,
} from "../../protocol/index.ts";
import { storeId, type SimAgent, type SimPeer } from "./agent-simulation-agent.ts";
import { type Oracle } from "./agent-simulation-oracle.ts";
import { type SimTime } from "./agent-simulation-time.ts";

/** The network between devices and agent. Over MQTT a connection keeps its order unless `reorders`. */
export interface NetWeather {
  loss: number;
  duplication: number;
  delayMsMax: number;
  reorders: boolean;
  /** Mean time between cuts of a connection; Infinity: never. */
  cutEveryMs: number;
  /** Share of seconds for which a device takes nothing. */
  frozen: number;
}

export interface DeviceWorld {
  readonly time: SimTime;
  readonly random: Random;
  readonly oracle: Oracle;
  readonly net: NetWeather;
  /** The agent's process, while one runs and its doors are open. */
  readonly agent: () => SimAgent | null;
}

type Packet = () => void;

/** One connection: packets are under way in both directions, and whatever is under way is gone when it ends. */
class Wire {
  open = true;
  readonly #world: DeviceWorld;
  readonly #lastMs = { up: 0, down: 0 };

  constructor(world: DeviceWorld) {
    this.#world = world;
  }

  carry(way: "up" | "down", arrive: Packet): void {
    const { time, random, net } = this.#world;
    const copies = random.uniform() < net.loss ? 0 : random.uniform() < net.duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      let atMs = time.monotonicMs() + random.uniform() * net.delayMsMax;
      if (!net.reorders) atMs = this.#lastMs[way] = Math.max(atMs, this.#lastMs[way]);
      time.after(atMs - time.monotonicMs(), () => {
        if (this.open) arrive();
      });
    }
  }
}

interface Sent {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly topic: string;
  readonly kind: "request" | "impostor" | "outcome";
  readonly outcome: Outcome | null;
  /** Refused as busy: not before. */
  notBeforeMs: number;
}

const tasks = ["product_identification", "cart_verification"] as const;
/** Without a PUBACK for so long a device thinks that its connection is dead. */
const ackPatienceMs = 4_000;

function makeRequest({ random, time }: DeviceWorld): DecisionRequest {
  const task = tasks[Math.floor(random.uniform() * tasks.length)] ?? tasks[0];
  const deadlineMs = random.uniform() < 0.4 ? Math.round(50 + random.uniform() * 1_100) : null;
  return {
    v: 1,
    id: newId({ wallMs: () => 1_795_000_000_000 + time.monotonicMs(), monotonicMs: () => time.monotonicMs() }, random),
    task,
    at: 1_795_000_000_000 + Math.floor(time.monotonicMs()),
    input:
      random.uniform() < 0.5
        ? { kind: "features", values: { n: Math.floor(random.uniform() * 1e6) } }
        : { kind: "pixels", width: 4, height: 4, channels: 3, data: random.bytes(48) },
    context: { shelf: "C2" },
    ...(deadlineMs === null ? {} : { deadlineMs }),
  };
}

/** An MQTT device: sends until it is acknowledged, acknowledges what it gets, and connects again when it is cut off. */
export class MqttDevice {
  readonly name: string;
  readonly #world: DeviceWorld;
  readonly #encoding: Encoding;
  readonly #unacknowledged = new Map<number, Sent>();
  readonly #mine: string[] = [];
  /** Ids under which another body was sent as well. */
  readonly #impostors = new Set<string>();
  #packetId = 0;
  #wire: Wire | null = null;
  #peer: SimPeer | null = null;
  #frozen = false;
  #oldestSentMs = Infinity;

  constructor(name: string, encoding: Encoding, world: DeviceWorld) {
    this.name = name;
    this.#encoding = encoding;
    this.#world = world;
    this.#live();
  }

  get idle(): boolean {
    return this.#unacknowledged.size === 0;
  }

  ask(): void {
    const request = makeRequest(this.#world);
    const asked = { request, device: this.name, transport: "mqtt" as const };
    this.#world.oracle.asks(request.id, { ...asked, acknowledged: false, answered: false, outcome: null });
    this.#mine.push(request.id);
    this.#publish("request", "request", request.id, encodeMessage(request, this.#encoding));
  }

  /** Asks again for what is acknowledged already: the same body, or another one under the same id. */
  askAgain(other: boolean): void {
    const { oracle, random } = this.#world;
    const known = this.#mine.filter((id) => oracle.asked.get(id)?.acknowledged === true);
    const id = known[Math.floor(random.uniform() * known.length)];
    const asked = id === undefined ? undefined : oracle.asked.get(id);
    if (id === undefined || !asked) return;
    if (other) this.#impostors.add(id);
    const request = other ? { ...asked.request, context: { shelf: "D9" } } : asked.request;
    this.#publish(other ? "impostor" : "request", "request", id, encodeMessage(request, this.#encoding));
  }

  tellOutcome(): void {
    const { oracle, random, time } = this.#world;
    const id = this.#mine.find((one) => {
      const asked = oracle.asked.get(one);
      return asked?.answered === true && asked.outcome === null;
    });
    const asked = id === undefined ? undefined : oracle.asked.get(id);
    if (id === undefined || !asked) return;
    const at = 1_795_000_000_000 + Math.floor(time.monotonicMs());
    const outcome: Outcome = { id, correct: random.uniform() < 0.9, source: "pos", at };
    asked.outcome = outcome;
    this.#publish("outcome", "outcome", id, encodeMessage(outcome, this.#encoding), outcome);
  }

  cut(): void {
    if (this.#wire) this.#wire.open = false;
    this.#peer?.close();
    this.#wire = null;
    this.#peer = null;
  }

  #publish(
    kind: Sent["kind"],
    channel: "request" | "outcome",
    id: string,
    bytes: Uint8Array,
    outcome: Outcome | null = null,
  ): void {
    this.#packetId = (this.#packetId % 65_535) + 1;
    const topic = deviceTopic(storeId, this.name, channel);
    const sent: Sent = { id, bytes, topic, kind, outcome, notBeforeMs: 0 };
    this.#unacknowledged.set(this.#packetId, sent);
    this.#send(this.#packetId, sent);
  }

  #send(packetId: number, sent: Sent): void {
    const { time } = this.#world;
    const peer = this.#peer;
    if (!peer || sent.notBeforeMs > time.monotonicMs()) return;
    this.#oldestSentMs = Math.min(this.#oldestSentMs, time.monotonicMs());
    this.#wire?.carry("up", () => peer.publish(sent.topic, sent.bytes, packetId));
  }

  #live(): void {
    const { time, random, net } = this.#world;
    const stepMs = 250;
    const step = (): void => {
      const isUp = this.#wire !== null && this.#world.agent()?.isAlive() === true;
      if (!isUp) this.#reconnect();
      else if (random.uniform() < stepMs / net.cutEveryMs) this.cut();
      else if (!this.idle && time.monotonicMs() - this.#oldestSentMs > ackPatienceMs) this.cut();
      if (this.#frozen !== random.uniform() < net.frozen) {
        this.#frozen = !this.#frozen;
        if (!this.#frozen) this.#peer?.flowing();
      }
      time.after(stepMs * (0.5 + random.uniform()), step);
    };
    step();
  }

  #reconnect(): void {
    this.cut();
    const agent = this.#world.agent();
    if (!agent?.isAlive()) return;
    const wire = new Wire(this.#world);
    this.#wire = wire;
    this.#oldestSentMs = this.#world.time.monotonicMs();
    const peer: SimPeer = agent.connect({
      device: this.name,
      publish: (topic, payload, packetId) => {
        wire.carry("down", () => this.#got(wire, peer, topic, payload, packetId));
      },
      puback: (packetId) => {
        this.#leaves(packetId);
        wire.carry("down", () => this.#acknowledged(packetId));
      },
      close: () => {
        if (this.#wire === wire) this.cut();
      },
      clogged: () => this.#frozen,
    });
    this.#peer = peer;
    for (const [packetId, sent] of this.#unacknowledged) this.#send(packetId, sent);
  }

  /** The agent's promise holds from here on, whether the PUBACK arrives or not. */
  #leaves(packetId: number): void {
    const sent = this.#unacknowledged.get(packetId);
    if (sent?.kind === "request") this.#world.oracle.acknowledged(sent.id);
    if (sent?.outcome) this.#world.oracle.outcomeTaken(sent.outcome);
  }

  #acknowledged(packetId: number): void {
    this.#unacknowledged.delete(packetId);
    this.#oldestSentMs = this.#world.time.monotonicMs();
  }

  #got(wire: Wire, peer: SimPeer, topic: string, payload: Uint8Array, packetId: number): void {
    const { oracle } = this.#world;
    if (topic.endsWith("/decision")) {
      const parsed = parseDecision(payload);
      if (!parsed.ok) oracle.violated(`${this.name} was sent what is no decision: ${parsed.error.message}`);
      else oracle.arrivedAtDevice(this.name, parsed.value);
      wire.carry("up", () => peer.puback(packetId));
      return;
    }
    if (topic.endsWith("/error")) this.#refused(payload);
  }

  #refused(payload: Uint8Array): void {
    const { oracle, time } = this.#world;
    const decoded = decodeMessage(payload);
    if (!decoded.ok) return;
    const { id, code, retryAfterMs } = decoded.value.value as ErrorBody;
    if (id === null) return;
    if (code === "HP_BUSY") {
      for (const sent of this.#unacknowledged.values()) {
        if (sent.id === id) sent.notBeforeMs = time.monotonicMs() + (retryAfterMs ?? 1_000);
      }
    } else if (code !== "HP_CONFLICT" || !this.#impostors.has(id)) {
      oracle.violated(`${id}: refused for good with ${code}`);
    }
  }
}

/** An HTTP device: asks, waits, polls. Every call may be lost on its way there or on its way back. */
export class HttpDevice {
  readonly name: string;
  readonly #world: DeviceWorld;
  readonly #open = new Map<string, Uint8Array>();
  readonly #polling = new Set<string>();

  constructor(name: string, world: DeviceWorld) {
    this.name = name;
    this.#world = world;
    const step = (): void => {
      for (const [id, bytes] of this.#open) this.#post(id, bytes);
      for (const id of this.#polling) this.#get(id);
      world.time.after(1_000 + world.random.uniform() * 1_500, step);
    };
    step();
  }

  get idle(): boolean {
    return this.#open.size === 0 && this.#polling.size === 0;
  }

  ask(): void {
    const request = makeRequest(this.#world);
    const asked = { request, device: this.name, transport: "http" as const };
    this.#world.oracle.asks(request.id, { ...asked, acknowledged: false, answered: false, outcome: null });
    const bytes = encodeMessage(request, "json");
    this.#open.set(request.id, bytes);
    this.#post(request.id, bytes);
  }

  #call(work: (agent: SimAgent) => Promise<() => void>): void {
    const { net, random } = this.#world;
    const wire = new Wire(this.#world);
    wire.carry("up", () => {
      const agent = this.#world.agent();
      if (!agent?.isAlive()) return;
      void work(agent).then(
        (answer) => {
          // A response of a process that is gone never left it.
          if (agent.isAlive() && random.uniform() >= net.loss) wire.carry("down", answer);
        },
        (cause: unknown) => {
          if (agent.isAlive()) this.#world.oracle.note(`${this.name} failed ${String(cause)}`);
        },
      );
    });
  }

  #post(id: string, bytes: Uint8Array): void {
    const { oracle, random } = this.#world;
    const waitMs = random.uniform() < 0.5 ? 1_500 : 0;
    this.#call(async (agent) => {
      const submitted = await agent.service.submit({ device: this.name, bytes, transport: "http" });
      if (!agent.isAlive()) return () => undefined;
      if (submitted.kind === "refused") {
        if (submitted.error.retry !== "backoff") oracle.violated(`${id}: refused with ${submitted.error.code}`);
        return () => undefined;
      }
      // 202 is written before the wait ends in a decision or not.
      oracle.acknowledged(id);
      const waited = waitMs > 0 ? await agent.service.wait(this.name, id, "decided", waitMs) : null;
      return () => {
        this.#open.delete(id);
        this.#polling.add(id);
        this.#answer(submitted.decision ?? waited);
      };
    });
  }

  #get(id: string): void {
    this.#call(async (agent) => {
      const final = await agent.service.wait(this.name, id, "final", 800);
      const known = final ?? (await agent.service.decision(this.name, id))?.decision ?? null;
      return () => this.#answer(known);
    });
  }

  #answer(decision: Decision | null): void {
    if (!decision) return;
    this.#world.oracle.arrivedAtDevice(this.name, decision);
    if (decision.status === "final") this.#polling.delete(decision.id);
  }
}
