import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeaseBook } from "../../edge-agent/external-broker/lease-book.ts";
import { leasePolicy, type LeasePolicy } from "../../edge-agent/external-broker/lease-machine.ts";
import { fakeClock, seededRandom } from "../support/requests.ts";

/** One broker: one order of messages for all, each subscriber's at a pace of its own; the last retained one is kept. */
class SimulatedBroker {
  readonly retained = new Map<string, Uint8Array>();
  readonly inboxes = new Map<string, Timed[]>();
  calm = false;

  publish(nowMs: number, { key, payload, retain }: Sent, delayMs: () => number): void {
    if (retain) this.retained.set(key, payload);
    for (const inbox of this.inboxes.values()) push(inbox, nowMs + delayMs(), { key, payload, retain: false });
  }
}
interface Sent {
  readonly key: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
}
interface Timed {
  readonly atMs: number;
  readonly sent: Sent;
}

/** TCP: what was sent first arrives first. */
function push(queue: Timed[], atMs: number, sent: Sent): void {
  queue.push({ atMs: Math.max(atMs, queue.at(-1)?.atMs ?? 0), sent });
}

const keys = ["device.camera-1", "device.camera-2", "entities.7"];

class SimulatedAgent {
  readonly #name: string;
  readonly #broker: SimulatedBroker;
  readonly #clock: ReturnType<typeof fakeClock>;
  readonly #random: ReturnType<typeof seededRandom>;
  readonly #outbox: Timed[] = [];
  readonly #policy: LeasePolicy;
  book: LeaseBook;

  constructor(
    name: string,
    world: {
      broker: SimulatedBroker;
      clock: ReturnType<typeof fakeClock>;
      random: ReturnType<typeof seededRandom>;
      policy: LeasePolicy;
    },
  ) {
    this.#name = name;
    this.#broker = world.broker;
    this.#clock = world.clock;
    this.#random = world.random;
    this.#policy = world.policy;
    this.book = this.#newBook();
  }

  get connected(): boolean {
    return this.#broker.inboxes.has(this.#name);
  }

  connect(): void {
    // The broker ends an older connection of the name: nothing that was on its way there arrives any more.
    this.#outbox.length = 0;
    const inbox: Timed[] = [];
    this.#broker.inboxes.set(this.#name, inbox);
    this.book.up();
    for (const [key, payload] of this.#broker.retained) {
      push(inbox, this.#nowMs() + this.#delayMs(), { key, payload, retain: true });
    }
    for (const key of keys) this.book.want(key);
  }

  /** What is on its way to the broker may still arrive. */
  disconnect(): void {
    this.#broker.inboxes.delete(this.#name);
    this.book.broken();
  }

  kill(): void {
    this.#broker.inboxes.delete(this.#name);
    this.book = this.#newBook();
  }

  step(): void {
    for (const { sent } of due(this.#outbox, this.#nowMs())) {
      this.#broker.publish(this.#nowMs(), sent, () => this.#delayMs());
    }
    for (const { sent } of due(this.#broker.inboxes.get(this.#name) ?? [], this.#nowMs())) {
      this.book.heard(sent.key, sent.payload, sent.retain);
    }
    this.book.tick();
  }

  #newBook(): LeaseBook {
    return new LeaseBook({
      agent: this.#name,
      clock: this.#clock,
      random: this.#random,
      policy: this.#policy,
      publish: (key, payload, retain) => {
        if (this.connected) push(this.#outbox, this.#nowMs() + this.#delayMs(), { key, payload, retain });
      },
      onGained: () => undefined,
      onLost: () => undefined,
      isBusy: () => this.#random.uniform() < 0.5,
      onSilence: () => undefined,
    });
  }

  #nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** Mostly milliseconds, now and then seconds: longer than a lease holds. */
  #delayMs(): number {
    const draw = this.#random.uniform();
    if (this.#broker.calm) return draw * 30;
    if (this.#policy.confirmMs < this.#policy.holdsMs) return draw < 0.95 ? draw * 30 : draw * 400;
    return draw < 0.93 ? draw * 30 : draw < 0.99 ? draw * 1_500 : draw * 9_000;
  }
}

function due(queue: Timed[], nowMs: number): readonly Timed[] {
  const later = queue.findIndex(({ atMs }) => atMs > nowMs);
  return queue.splice(0, later < 0 ? queue.length : later);
}

const fullWait: LeasePolicy = { ...leasePolicy, confirmMs: leasePolicy.holdsMs };

describe("three agents over one broker that delays, loses connections and sees agents die", () => {
  it.each([
    ["with delays of any length, where agents that come back wait for the whole time", fullWait],
    ["with delays below half a second, as agents are set", leasePolicy],
  ])("never have two owners of a lease, and have one soon after the trouble is over, %s", (_, policy) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const random = seededRandom(seed);
        const clock = fakeClock();
        const broker = new SimulatedBroker();
        const agents = ["a", "b", "c"].map((name) => new SimulatedAgent(name, { broker, clock, random, policy }));
        const owners = (key: string): number => agents.filter(({ book }) => book.owns(key)).length;
        const run = (steps: number, trouble: boolean): void => {
          for (let step = 0; step < steps; step += 1) {
            broker.calm = !trouble;
            clock.advance(20);
            for (const agent of agents) {
              const draw = random.uniform();
              if (!agent.connected && (!trouble || draw < 0.01)) agent.connect();
              else if (trouble && agent.connected && draw < 0.001) agent.disconnect();
              else if (trouble && agent.connected && draw < 0.0015) agent.kill();
              agent.step();
            }
            for (const key of keys) expect(owners(key), `seed ${seed}, step ${step}, ${key}`).toBeLessThanOrEqual(1);
          }
        };
        run(2_000, true);
        // The last slow messages arrive, the last leases run out; then one may just change hands at any moment.
        run(2_000, false);
        const served = new Set<string>();
        for (let step = 0; step < 50; step += 1) {
          run(1, false);
          for (const key of keys) if (owners(key) === 1) served.add(key);
        }
        expect(served.size, `seed ${seed}`).toBe(keys.length);
      }),
      { numRuns: Number(process.env["LEASE_RUNS"] ?? 20) },
    );
  });
});
