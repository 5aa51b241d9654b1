import { type Journal } from "../../edge-agent/journal/journal.ts";
import { type Clock } from "../../protocol/index.ts";
import { type Mistakes } from "./agent-simulation-agent.ts";

/**
 * Agents with one mistake each, of the kind that a change of the hot path could bring in. Some seed must catch each of
 * them: a simulation that nothing fails proves nothing. The mistakes stand before the agent's ports, so that they
 * outlive whatever is rebuilt behind them.
 */
export type Mistake =
  | "acknowledges before the commit"
  | "decides before the commit"
  | "forgets a delivery row"
  | "clears a delivery row when it is sent"
  | "lets a second review win"
  | "takes another body under a known id"
  | "forgets what was not decided"
  | "forgets the clocks of what waits for people"
  | "measures patience by the wall clock"
  | "escalates without a budget"
  | "numbers configs anew"
  | "drops an outcome";

export const mistakes: Readonly<Record<Mistake, Mistakes>> = {
  "acknowledges before the commit": {
    journal: overriding((journal) => ({
      admit: (admission) => {
        journal.admit({ ...admission, decision: () => null }).catch(() => undefined);
        return Promise.resolve({ kind: "admitted" });
      },
    })),
  },
  "decides before the commit": {
    journal: overriding((journal) => ({
      decide: (record) => {
        journal.decide(record).catch(() => undefined);
        return Promise.resolve();
      },
    })),
  },
  "forgets a delivery row": {
    journal: overriding((journal) => ({
      undelivered: async (device, limit) => (await journal.undelivered(device, limit)).filter(isMostOfThem),
    })),
  },
  "clears a delivery row when it is sent": { clearsWhenSent: true },
  "lets a second review win": {
    journal: overriding((journal) => ({
      review: async (review) => {
        const reviewed = await journal.review(review);
        return reviewed.kind === "label" ? { kind: "final", decision: review.revision } : reviewed;
      },
    })),
  },
  "takes another body under a known id": {
    journal: overriding((journal) => ({
      admit: (admission) => journal.admit({ ...admission, bodyDigest: new Uint8Array(32) }),
    })),
  },
  "forgets what was not decided": {
    journal: overriding(() => ({ undecided: () => Promise.resolve([]) })),
  },
  "forgets the clocks of what waits for people": {
    journal: overriding(() => ({ pending: () => Promise.resolve([]) })),
  },
  "measures patience by the wall clock": {
    clock: (clock: Clock) => ({ wallMs: () => clock.wallMs(), monotonicMs: () => clock.wallMs() }),
  },
  "escalates without a budget": {
    config: (config) => ({
      ...config,
      tasks: Object.fromEntries(
        Object.entries(config.tasks).map(([task, policy]) => [task, { ...policy, escalationsPerHour: null }]),
      ),
    }),
  },
  "numbers configs anew": {
    journal: overriding((journal) => ({
      adoptConfig: async (config) => ({ ...(await journal.adoptConfig(config)), revision: 1 }),
    })),
  },
  "drops an outcome": {
    journal: overriding(() => ({ outcome: () => Promise.resolve("recorded") })),
  },
};

/** The journal with some of its methods replaced; the others stay bound to it. */
function overriding(replace: (journal: Journal) => Partial<Journal>): (journal: Journal) => Journal {
  return (journal) => {
    const replaced = replace(journal);
    return new Proxy(journal, {
      get: (target, key) => {
        const own: unknown = Reflect.get(replaced, key);
        if (own !== undefined) return own;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  };
}

/** Seven of eight, the same ones whenever they are asked for. */
function isMostOfThem({ decision }: { readonly decision: { readonly id: string } }): boolean {
  return Number.parseInt(decision.id.slice(-1), 16) % 8 > 0;
}
