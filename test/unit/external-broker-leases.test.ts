import { describe, expect, it, test } from "vitest";
import {
  isOwner,
  leasePolicy,
  leaseTransition,
  type LeaseEvent,
  type LeaseInputs,
  type LeaseState,
  type LeaseStep,
} from "../../edge-agent/external-broker/lease-machine.ts";
import { entityKey, type LeaseMessage } from "../../edge-agent/external-broker/lease-message.ts";

/** Time is 10,000; a lease holds 6,000, its holder stops 1,000 earlier. */
const inputs: LeaseInputs = { nowMs: 10_000, agent: "a", newId: "new", load: 0, yieldMs: 0, policy: leasePolicy };

const states = {
  free: { phase: "free", generation: 3 },
  asking: { phase: "asking", generation: 3, askId: "ask", askedAtMs: 9_000, claimAtMs: null },
  "asking, late": { phase: "asking", generation: 3, askId: "ask", askedAtMs: 7_000, claimAtMs: null },
  yielding: { phase: "asking", generation: 3, askId: "ask", askedAtMs: 9_000, claimAtMs: 10_100 },
  "yielding, due": { phase: "asking", generation: 3, askId: "ask", askedAtMs: 9_000, claimAtMs: 10_000 },
  claiming: { phase: "claiming", generation: 4, claimId: "claim", sentAtMs: 9_000 },
  "claiming, late": { phase: "claiming", generation: 4, claimId: "claim", sentAtMs: 4_000 },
  owned: { phase: "owned", generation: 4, untilMs: 12_000, renewAtMs: 11_000, renewal: null, asks: ["b-ask"] },
  "owned, due": { phase: "owned", generation: 4, untilMs: 12_000, renewAtMs: 10_000, renewal: null, asks: [] },
  renewing: {
    phase: "owned",
    generation: 4,
    untilMs: 12_000,
    renewAtMs: 10_000,
    renewal: { id: "renew", sentAtMs: 9_500 },
    asks: ["b-ask"],
  },
  "owned, over": { phase: "owned", generation: 4, untilMs: 10_000, renewAtMs: 9_000, renewal: null, asks: [] },
  foreign: { phase: "foreign", generation: 4, holder: "b", untilMs: 17_000 },
  "foreign, over": { phase: "foreign", generation: 4, holder: "b", untilMs: 10_000 },
} as const satisfies Record<string, LeaseState>;

const said = (agent: string, kind: LeaseMessage["kind"], id: string, after: string | null = null): LeaseEvent => {
  const holdsMs = kind === "claim" || kind === "renew" ? 6_000 : 0;
  return { kind: "heard", retained: false, message: { v: 1, kind, agent, id, generation: 4, after, load: 0, holdsMs } };
};
const retained = (event: LeaseEvent): LeaseEvent => (event.kind === "heard" ? { ...event, retained: true } : event);

const events = {
  want: { kind: "want" },
  due: { kind: "due" },
  release: { kind: "release" },
  broken: { kind: "broken" },
  "own ask": said("a", "ask", "ask"),
  "own claim": said("a", "claim", "claim", "ask"),
  "own renew": said("a", "renew", "renew"),
  "own release": said("a", "release", "gone"),
  "own renew, retained": retained(said("a", "renew", "of-an-earlier-life")),
  "b asks": said("b", "ask", "b-ask-2"),
  "b claims after its ask": said("b", "claim", "b-claim", "b-ask"),
  "b claims after nothing": said("b", "claim", "b-claim", "b-old-ask"),
  "b renews": said("b", "renew", "b-renew"),
  "b releases": said("b", "release", "b-release"),
  "b released, retained": retained(said("b", "release", "b-release")),
} as const satisfies Record<string, LeaseEvent>;

/** phase, generation, the time that matters, effects. */
function shown({ state, effects }: LeaseStep): string {
  const time =
    state.phase === "owned" || state.phase === "foreign"
      ? ` until ${state.untilMs}`
      : state.phase === "asking" && state.claimAtMs !== null
        ? ` claim at ${state.claimAtMs}`
        : "";
  const asks = state.phase === "owned" ? ` asks ${state.asks.length}` : "";
  const done = effects.map((effect) => (effect.kind === "publish" ? `+${effect.message.kind}` : `+${effect.kind}`));
  return [`${state.phase} ${state.generation}${time}${asks}`, ...done].join(" ");
}

describe("the lease machine", () => {
  /** Every state against every event. No cell may be missing. */
  const table: Readonly<Record<keyof typeof states, Readonly<Record<keyof typeof events, string>>>> = {
    free: {
      want: "asking 3 +ask",
      due: "free 3",
      release: "free 3",
      broken: "free 3",
      "own ask": "free 3",
      "own claim": "foreign 4 until 16000",
      "own renew": "foreign 4 until 16000",
      "own release": "free 3",
      "own renew, retained": "foreign 4 until 12000",
      "b asks": "free 3",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "free 4",
      "b released, retained": "foreign 4 until 12000",
    },
    asking: {
      want: "asking 3",
      due: "asking 3",
      release: "free 3",
      broken: "free 3",
      "own ask": "claiming 4 +claim",
      "own claim": "foreign 4 until 16000",
      "own renew": "foreign 4 until 16000",
      "own release": "asking 3",
      "own renew, retained": "foreign 4 until 12000",
      "b asks": "asking 3",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "asking 4",
      "b released, retained": "foreign 4 until 12000",
    },
    "asking, late": {
      want: "asking 3",
      due: "free 3 +unanswered",
      release: "free 3",
      broken: "free 3",
      "own ask": "claiming 4 +claim",
      "own claim": "foreign 4 until 16000",
      "own renew": "foreign 4 until 16000",
      "own release": "asking 3",
      "own renew, retained": "foreign 4 until 12000",
      "b asks": "asking 3",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "asking 4",
      "b released, retained": "foreign 4 until 12000",
    },
    yielding: {
      want: "asking 3 claim at 10100",
      due: "asking 3 claim at 10100",
      release: "free 3",
      broken: "free 3",
      "own ask": "asking 3 claim at 10100",
      "own claim": "foreign 4 until 16000",
      "own renew": "foreign 4 until 16000",
      "own release": "asking 3 claim at 10100",
      "own renew, retained": "foreign 4 until 12000",
      "b asks": "asking 3 claim at 10100",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "asking 4 claim at 10100",
      "b released, retained": "foreign 4 until 12000",
    },
    "yielding, due": {
      want: "asking 3 claim at 10000",
      due: "claiming 4 +claim",
      release: "free 3",
      broken: "free 3",
      "own ask": "asking 3 claim at 10000",
      "own claim": "foreign 4 until 16000",
      "own renew": "foreign 4 until 16000",
      "own release": "asking 3 claim at 10000",
      "own renew, retained": "foreign 4 until 12000",
      "b asks": "asking 3 claim at 10000",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "asking 4 claim at 10000",
      "b released, retained": "foreign 4 until 12000",
    },
    claiming: {
      want: "claiming 4",
      due: "claiming 4",
      release: "claiming 4",
      broken: "free 4",
      "own ask": "claiming 4",
      "own claim": "owned 4 until 14000 asks 0 +gained",
      "own renew": "claiming 4",
      "own release": "claiming 4",
      "own renew, retained": "claiming 4",
      "b asks": "claiming 4",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "claiming 4",
      "b released, retained": "claiming 4",
    },
    "claiming, late": {
      want: "claiming 4",
      due: "free 4 +unanswered",
      release: "claiming 4",
      broken: "free 4",
      "own ask": "claiming 4",
      "own claim": "foreign 4 until 16000",
      "own renew": "claiming 4",
      "own release": "claiming 4",
      "own renew, retained": "claiming 4",
      "b asks": "claiming 4",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "claiming 4",
      "b released, retained": "claiming 4",
    },
    owned: {
      want: "owned 4 until 12000 asks 1",
      due: "owned 4 until 12000 asks 1",
      release: "free 4 +lost +release",
      broken: "free 4 +lost",
      "own ask": "owned 4 until 12000 asks 1",
      "own claim": "owned 4 until 12000 asks 1",
      "own renew": "owned 4 until 12000 asks 1",
      "own release": "owned 4 until 12000 asks 1",
      "own renew, retained": "owned 4 until 12000 asks 1",
      "b asks": "owned 4 until 12000 asks 2",
      "b claims after its ask": "foreign 4 until 16000 +lost",
      "b claims after nothing": "owned 4 until 12000 asks 1",
      "b renews": "owned 4 until 12000 asks 1",
      "b releases": "owned 4 until 12000 asks 1",
      "b released, retained": "owned 4 until 12000 asks 1",
    },
    "owned, due": {
      want: "owned 4 until 12000 asks 0",
      due: "owned 4 until 12000 asks 0 +renew",
      release: "free 4 +lost +release",
      broken: "free 4 +lost",
      "own ask": "owned 4 until 12000 asks 0",
      "own claim": "owned 4 until 12000 asks 0",
      "own renew": "owned 4 until 12000 asks 0",
      "own release": "owned 4 until 12000 asks 0",
      "own renew, retained": "owned 4 until 12000 asks 0",
      "b asks": "owned 4 until 12000 asks 1",
      "b claims after its ask": "owned 4 until 12000 asks 0",
      "b claims after nothing": "owned 4 until 12000 asks 0",
      "b renews": "owned 4 until 12000 asks 0",
      "b releases": "owned 4 until 12000 asks 0",
      "b released, retained": "owned 4 until 12000 asks 0",
    },
    renewing: {
      want: "owned 4 until 12000 asks 1",
      due: "owned 4 until 12000 asks 1",
      release: "free 4 +lost +release",
      broken: "free 4 +lost",
      "own ask": "owned 4 until 12000 asks 1",
      "own claim": "owned 4 until 12000 asks 1",
      "own renew": "owned 4 until 14500 asks 0",
      "own release": "owned 4 until 12000 asks 1",
      "own renew, retained": "owned 4 until 12000 asks 1",
      "b asks": "owned 4 until 12000 asks 2",
      "b claims after its ask": "foreign 4 until 16000 +lost",
      "b claims after nothing": "owned 4 until 12000 asks 1",
      "b renews": "owned 4 until 12000 asks 1",
      "b releases": "owned 4 until 12000 asks 1",
      "b released, retained": "owned 4 until 12000 asks 1",
    },
    "owned, over": {
      want: "owned 4 until 10000 asks 0",
      due: "free 4 +lost",
      release: "free 4 +lost",
      broken: "free 4 +lost",
      "own ask": "owned 4 until 10000 asks 0",
      "own claim": "owned 4 until 10000 asks 0",
      "own renew": "owned 4 until 10000 asks 0",
      "own release": "owned 4 until 10000 asks 0",
      "own renew, retained": "owned 4 until 10000 asks 0",
      "b asks": "owned 4 until 10000 asks 1",
      "b claims after its ask": "owned 4 until 10000 asks 0",
      "b claims after nothing": "owned 4 until 10000 asks 0",
      "b renews": "owned 4 until 10000 asks 0",
      "b releases": "owned 4 until 10000 asks 0",
      "b released, retained": "owned 4 until 10000 asks 0",
    },
    foreign: {
      want: "foreign 4 until 17000",
      due: "foreign 4 until 17000",
      release: "foreign 4 until 17000",
      broken: "free 4",
      "own ask": "foreign 4 until 17000",
      "own claim": "foreign 4 until 17000",
      "own renew": "foreign 4 until 17000",
      "own release": "foreign 4 until 17000",
      "own renew, retained": "foreign 4 until 17000",
      "b asks": "foreign 4 until 17000",
      "b claims after its ask": "foreign 4 until 17000",
      "b claims after nothing": "foreign 4 until 17000",
      "b renews": "foreign 4 until 17000",
      "b releases": "free 4",
      "b released, retained": "foreign 4 until 17000",
    },
    "foreign, over": {
      want: "asking 4 +ask",
      due: "free 4",
      release: "foreign 4 until 10000",
      broken: "free 4",
      "own ask": "foreign 4 until 10000",
      "own claim": "foreign 4 until 10000",
      "own renew": "foreign 4 until 10000",
      "own release": "foreign 4 until 10000",
      "own renew, retained": "foreign 4 until 10000",
      "b asks": "foreign 4 until 10000",
      "b claims after its ask": "foreign 4 until 16000",
      "b claims after nothing": "foreign 4 until 16000",
      "b renews": "foreign 4 until 16000",
      "b releases": "free 4",
      "b released, retained": "foreign 4 until 10000",
    },
  };

  it("has no cell that is not written down", () => {
    const actual = Object.fromEntries(
      Object.entries(states).map(([from, state]) => [
        from,
        Object.fromEntries(
          Object.entries(events).map(([name, event]) => [name, shown(leaseTransition(state, event, inputs))]),
        ),
      ]),
    );
    expect(actual).toEqual(table);
  });
});

test("a lease over its time is nobody's, whatever its phase says", () => {
  expect(isOwner(states.owned, 11_999)).toBe(true);
  expect(isOwner(states.owned, 12_000)).toBe(false);
  expect(isOwner(states.foreign, 0)).toBe(false);
});

test("every agent puts an entity into the same share", () => {
  expect(entityKey("customer-7")).toBe(entityKey("customer-7"));
  const shares = new Set(Array.from({ length: 2_000 }, (_, index) => entityKey(`customer-${index}`)));
  expect(shares.size).toBe(64);
});
