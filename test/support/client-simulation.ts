import { HoldpointError, parseRequest, silentLogger, type Decision, type Random } from "../../protocol/index.ts";
import { AgentClient } from "../../sdk/client/agent-client.ts";
import { defaultPolicy, type ClientPolicy } from "../../sdk/client/client-policy.ts";
import { type Outbox, type OutboxItem } from "../../sdk/client/outbox.ts";
import { type Transport, type TransportEvents } from "../../sdk/client/transport.ts";
import { makeDecision } from "./scripted-agent.ts";
import { seededRandom } from "./requests.ts";
import { VirtualTime } from "./virtual-time.ts";

/**
 * The real client on simulated time, over a network that loses, doubles, delays and reorders, to an agent that restarts,
 * is busy, forgets what it acknowledged, and lets people decide. The client's process dies too, and comes back on an
 * outbox that lost some removals. One seed is one run.
 */
export interface Faults {
  readonly loss: number;
  readonly duplication: number;
  readonly delayMaxMs: number;
  readonly busy: number;
  /** Share of acknowledged requests that the agent's side then forgets, as an external broker may. */
  readonly forgets: number;
  readonly cutEveryMs: number;
  readonly crashEveryMs: number;
}

export interface SimulationReport {
  readonly asked: number;
  /** Ids that were durable and never became final for the application. */
  readonly forgotten: readonly string[];
  /** `<life>/<id>/<revision>` that was shown more than once in one life, or after a later revision. */
  readonly doubled: readonly string[];
  /** Promises of `decide` that rejected, other than by a crash. */
  readonly rejected: readonly string[];
  /** Answers that were not the agent's for that id. */
  readonly wrong: readonly string[];
  readonly left: number;
  readonly inOutbox: number;
  readonly sendsMax: number;
}

interface SimCase {
  readonly id: string;
  readonly revisions: Decision[];
}

/** Keeps items as a disk does: a removal may come back after a crash. */
class SimDisk {
  readonly items = new Map<string, OutboxItem>();
  readonly #removed = new Map<string, OutboxItem>();
  readonly #random: Random;
  readonly #time: VirtualTime;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  open(isAlive: () => boolean): Outbox {
    const delayed = (act: () => void): Promise<void> =>
      new Promise((resolve) => {
        this.#time.after(this.#random.uniform() * 5, () => {
          // A dead process writes nothing and hears nothing.
          if (!isAlive()) return;
          act();
          resolve();
        });
      });
    return {
      list: () => Promise.resolve({ instance: "00000000", items: [...this.items.values()] }),
      put: (item) => delayed(() => this.items.set(item.key, item)),
      remove: (key) =>
        delayed(() => {
          const item = this.items.get(key);
          if (item !== undefined) this.#removed.set(key, item);
          this.items.delete(key);
        }),
      close: () => Promise.resolve(),
    };
  }

  crash(): void {
    for (const [key, item] of this.#removed) if (this.#random.uniform() < 0.3) this.items.set(key, item);
    this.#removed.clear();
  }
}

class SimAgent {
  readonly cases = new Map<string, SimCase>();
  readonly sends = new Map<string, number>();
  readonly undelivered = new Set<Decision>();
  deliver: (decision: Decision) => void = () => undefined;
  readonly #time: VirtualTime;
  readonly #random: Random;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  /** Makes it durable; the decision follows after a while, for some a person's long after that. */
  take(id: string): void {
    const known = this.cases.get(id);
    if (known) {
      const latest = known.revisions.at(-1);
      if (latest) this.deliver(latest);
      return;
    }
    const made: SimCase = { id, revisions: [] };
    this.cases.set(id, made);
    const pending = this.#random.uniform() < 0.4;
    this.#time.after(this.#random.uniform() * 3_000, () => this.#revise(made, pending ? "pending" : "final"));
  }

  #revise(made: SimCase, status: Decision["status"]): void {
    const decision = makeDecision({ id: made.id, task: "cart" }, made.revisions.length + 1, status);
    made.revisions.push(decision);
    this.undelivered.add(decision);
    this.deliver(decision);
    if (status === "pending") this.#time.after(this.#random.uniform() * 120_000, () => this.#revise(made, "final"));
  }
}

/** One connection after the other between the client's transport and the agent. */
class SimTransport implements Transport {
  readonly asksById = false;
  readonly windowMax = 5;
  #epoch = 0;
  #up = false;
  readonly #events: TransportEvents;
  readonly #world: SimWorld;

  constructor(events: TransportEvents, world: SimWorld) {
    this.#events = events;
    this.#world = world;
  }

  open(): void {
    const epoch = (this.#epoch += 1);
    this.#world.time.after(this.#world.delayMs(), () => {
      if (epoch !== this.#epoch) return;
      if (this.#world.happens(this.#world.faults.loss)) {
        this.#events.down(new HoldpointError("HP_UNREACHABLE", "lost"));
        return;
      }
      this.#up = true;
      this.#events.up();
      for (const decision of this.#world.agent.undelivered) this.#down(decision);
    });
  }

  cut(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#epoch += 1;
    this.#events.down(new HoldpointError("HP_UNREACHABLE", "cut"));
  }

  /** The process is gone: nothing arrives any more. */
  vanish(): void {
    this.#up = false;
    this.#epoch += 1;
  }

  decision(decision: Decision): void {
    if (this.#up) this.#down(decision);
  }

  send(item: OutboxItem): void {
    const { agent } = this.#world;
    agent.sends.set(item.id, (agent.sends.get(item.id) ?? 0) + 1);
    this.#travel(() => this.#arrived(item));
  }

  follow(): void {
    // As over MQTT.
  }

  unfollow(): void {
    // As over MQTT.
  }

  close(): Promise<void> {
    this.vanish();
    return Promise.resolve();
  }

  #arrived(item: OutboxItem): void {
    const { agent, faults } = this.#world;
    const answered = (event: () => void): void => this.#travel(event);
    if (this.#world.happens(faults.busy)) {
      answered(() =>
        this.#events.refused({ id: item.id }, new HoldpointError("HP_BUSY", "busy", { retryAfterMs: 200 })),
      );
      return;
    }
    const parsed = parseRequest(item.bytes);
    if (!parsed.ok) throw parsed.error;
    if (!this.#world.happens(faults.forgets)) agent.take(item.id);
    answered(() => this.#events.acknowledged(item.key));
  }

  #down(decision: Decision): void {
    this.#travel(() => {
      void this.#events.decision(decision).then(() => this.#world.agent.undelivered.delete(decision));
    });
  }

  /** Through the network of this connection: lost, doubled, late, out of order. */
  #travel(arrive: () => void): void {
    const { time, faults } = this.#world;
    const epoch = this.#epoch;
    const copies = this.#world.happens(faults.loss) ? 0 : this.#world.happens(faults.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      time.after(this.#world.delayMs(), () => {
        if (this.#up && epoch === this.#epoch) arrive();
      });
    }
  }
}

interface SimWorld {
  readonly time: VirtualTime;
  readonly agent: SimAgent;
  faults: Faults;
  readonly happens: (share: number) => boolean;
  readonly delayMs: () => number;
}

const calm: Faults = {
  loss: 0,
  duplication: 0,
  delayMaxMs: 20,
  busy: 0,
  forgets: 0,
  cutEveryMs: Infinity,
  crashEveryMs: Infinity,
};

export async function simulate(
  seed: number,
  faults: Faults,
  policy: Partial<ClientPolicy> = {},
): Promise<SimulationReport> {
  const random = seededRandom(seed);
  const time = new VirtualTime();
  const agent = new SimAgent(time, random);
  const happens = (share: number): boolean => random.uniform() < share;
  const world: SimWorld = { time, agent, faults, happens, delayMs: () => random.uniform() * world.faults.delayMaxMs };
  const disk = new SimDisk(time, random);
  const durable = new Set<string>();
  const finals = new Set<string>();
  const doubled: string[] = [];
  const rejected: string[] = [];
  const wrong: string[] = [];
  let life = 0;

  const start = (): { readonly client: AgentClient; readonly transport: () => SimTransport; alive: boolean } => {
    life += 1;
    const thisLife = life;
    const shown = new Map<string, number>();
    let transport: SimTransport | null = null;
    const process = { alive: true };
    const client = new AgentClient({
      ports: {
        outbox: disk.open(() => process.alive),
        transport: (events) => (transport = new SimTransport(events, world)),
        clock: time,
        timers: { after: (delayMs, task) => time.after(delayMs, () => (process.alive ? task() : undefined)) },
        random,
        logger: silentLogger,
      },
      policy: { ...defaultPolicy, ...policy },
      encoding: "msgpack",
      onTimeout: "wait",
    });
    client.on("revision", (decision) => {
      if (!process.alive) return;
      if (decision.revision <= (shown.get(decision.id) ?? 0)) {
        doubled.push(`${thisLife}/${decision.id}/${decision.revision}`);
      }
      shown.set(decision.id, decision.revision);
      if (decision.status === "final") finals.add(decision.id);
    });
    const running = Object.assign(process, {
      client,
      transport: (): SimTransport => {
        if (transport === null) throw new Error("the client has not started");
        return transport;
      },
    });
    agent.deliver = (decision) => {
      if (running.alive) transport?.decision(decision);
    };
    return running;
  };

  let device = start();
  await time.run(0);
  let nextCut = faults.cutEveryMs;
  let nextCrash = faults.crashEveryMs;
  for (let n = 0; n < 40; n += 1) {
    const running = device;
    const id = `0193a5f0-0000-7000-8000-${String(n).padStart(12, "0")}`;
    const input = { kind: "features", values: { n } } as const;
    running.client.submit("cart", input, { id }).then(
      () => durable.add(id),
      () => rejected.push(`submit ${id}`),
    );
    running.client.decide("cart", input, { id }).then(
      (decision) => {
        const known = agent.cases.get(id)?.revisions.some((revision) => revision === decision);
        if (decision.id !== id || known !== true) wrong.push(id);
      },
      (error: unknown) => {
        if (running.alive) rejected.push(`decide ${id} ${String(error)}`);
      },
    );
    await time.run(random.uniform() * 1_500);
    if (time.monotonicMs() > nextCut) {
      device.transport().cut();
      nextCut += random.uniform() * 2 * faults.cutEveryMs;
    }
    if (time.monotonicMs() > nextCrash) {
      device.alive = false;
      device.transport().vanish();
      disk.crash();
      device = start();
      await time.run(0);
      nextCrash += random.uniform() * 2 * faults.crashEveryMs;
    }
  }
  world.faults = calm;
  const done = (): boolean => device.client.status().outstanding === 0 && [...durable].every((id) => finals.has(id));
  await time.run(3_600_000, done);
  await time.run(1_000);
  const report: SimulationReport = {
    asked: durable.size,
    forgotten: [...durable].filter((id) => !finals.has(id)),
    doubled,
    rejected,
    wrong,
    left: device.client.status().outstanding,
    inOutbox: disk.items.size,
    sendsMax: Math.max(...agent.sends.values()),
  };
  await device.client.close();
  return report;
}
