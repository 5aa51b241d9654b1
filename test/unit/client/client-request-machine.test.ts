import { describe, expect, it } from "vitest";
import { HoldpointError } from "../../../protocol/index.ts";
import { defaultPolicy } from "../../../sdk/client/client-policy.ts";
import {
  newRequest,
  transition,
  type Phase,
  type RequestEffect,
  type RequestEvent,
  type RequestState,
} from "../../../sdk/client/request-machine.ts";

const error = new HoldpointError("HP_UNKNOWN_TASK", "no such task");
const events = {
  stored: { kind: "stored" },
  store_failed: { kind: "store_failed" },
  room: { kind: "room" },
  due: { kind: "due" },
  acknowledged: { kind: "acknowledged" },
  link_lost: { kind: "lost", link: "down" },
  exchange_lost: { kind: "lost", link: "up" },
  busy: { kind: "busy", retryAfterMs: 500 },
  gone: { kind: "gone" },
  refused: { kind: "refused", error },
  pending: { kind: "decided", revision: 1, final: false },
  final: { kind: "decided", revision: 1, final: true },
} as const satisfies Record<string, RequestEvent>;
type EventName = keyof typeof events;

/** `phase effects`, or "-" where nothing changes. */
type Cell = string;
const same = "-";

/** The whole machine for a request that the agent may have seen. Every cell is filled: the type says so. */
const table: Record<Phase, Record<EventName, Cell>> = {
  storing: {
    stored: "queued",
    store_failed: "refused remove",
    room: same,
    due: same,
    acknowledged: same,
    link_lost: same,
    exchange_lost: same,
    busy: same,
    gone: same,
    refused: same,
    pending: same,
    final: same,
  },
  queued: {
    stored: same,
    store_failed: same,
    room: "sent send wake",
    due: same,
    acknowledged: "acknowledged wake",
    link_lost: same,
    exchange_lost: same,
    busy: "held wake",
    gone: same,
    refused: "refused reject remove",
    pending: "acknowledged hand_over wake",
    final: "final hand_over remove",
  },
  sent: {
    stored: same,
    store_failed: same,
    room: same,
    due: "queued",
    acknowledged: "acknowledged wake",
    link_lost: "queued",
    exchange_lost: "held wake",
    busy: "held wake",
    gone: same,
    refused: "refused reject remove",
    pending: "acknowledged hand_over wake",
    final: "final hand_over remove",
  },
  held: {
    stored: same,
    store_failed: same,
    room: same,
    due: "queued",
    acknowledged: "acknowledged wake",
    link_lost: same,
    exchange_lost: same,
    busy: "held wake",
    gone: same,
    refused: "refused reject remove",
    pending: "acknowledged hand_over wake",
    final: "final hand_over remove",
  },
  acknowledged: {
    stored: same,
    store_failed: same,
    room: same,
    due: "queued",
    acknowledged: same,
    link_lost: "acknowledged wake",
    exchange_lost: same,
    busy: same,
    gone: "queued",
    refused: "refused reject remove",
    pending: "acknowledged hand_over wake",
    final: "final hand_over remove",
  },
  final: {
    stored: same,
    store_failed: same,
    room: same,
    due: same,
    acknowledged: same,
    link_lost: same,
    exchange_lost: same,
    busy: same,
    gone: same,
    refused: same,
    pending: same,
    final: same,
  },
  refused: {
    stored: same,
    store_failed: same,
    room: same,
    due: same,
    acknowledged: same,
    link_lost: same,
    exchange_lost: same,
    busy: same,
    gone: same,
    refused: same,
    pending: same,
    final: same,
  },
};

const inputs = { random: 0.5, expectsDecision: true, policy: defaultPolicy.request };

function stateIn(phase: Phase, more: Partial<RequestState> = {}): RequestState {
  return { ...newRequest, phase, asked: phase !== "storing", attempts: 1, ...more };
}

function cellOf(state: RequestState, event: RequestEvent, overrides: Partial<typeof inputs> = {}): Cell {
  const step = transition(state, event, { ...inputs, ...overrides });
  const words = [step.state.phase, ...step.effects.map(({ kind }) => kind)];
  return step.state === state && step.effects.length === 0 ? same : words.join(" ");
}

describe("the request machine", () => {
  for (const [phase, row] of Object.entries(table)) {
    for (const [name, cell] of Object.entries(row)) {
      it(`${phase} on ${name}: ${cell === same ? "nothing changes" : cell}`, () => {
        expect(cellOf(stateIn(phase as Phase), events[name as EventName])).toBe(cell);
      });
    }
  }

  it("takes no answer for its own before it was asked: the id may have had another body in an earlier life", () => {
    for (const name of ["acknowledged", "busy", "gone", "refused", "pending", "final"] as const) {
      expect(cellOf(stateIn("queued", { asked: false }), events[name])).toBe(same);
    }
  });

  it("ends an outcome or an event with its acknowledgement", () => {
    expect(cellOf(stateIn("sent"), events.acknowledged, { expectsDecision: false })).toBe("final remove");
  });

  it("keeps a pending request although a repeat of it was refused", () => {
    const pending = stateIn("sent", { revision: 1 });
    expect(cellOf(pending, events.refused)).toBe("acknowledged wake");
  });

  it("hands a repeated revision over only once, and never goes back to an older one", () => {
    const pending = stateIn("acknowledged", { revision: 2 });
    expect(cellOf(pending, { kind: "decided", revision: 2, final: false })).toBe("acknowledged wake");
    expect(cellOf(pending, { kind: "decided", revision: 1, final: true })).toBe("acknowledged wake");
    expect(cellOf(pending, { kind: "decided", revision: 3, final: true })).toBe("final hand_over remove");
  });

  it("waits at least as long as a busy agent asks", () => {
    for (const random of [0, 0.25, 0.999]) {
      const { effects } = transition(stateIn("sent"), events.busy, { ...inputs, random });
      expect(wakeMs(effects)).toBeGreaterThanOrEqual(500);
    }
  });

  it("asks again for a decision ever more slowly, and soon after the link broke", () => {
    let state = stateIn("sent");
    const waits: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      const rested = transition({ ...state, phase: "sent" }, events.acknowledged, inputs);
      waits.push(wakeMs(rested.effects));
      state = transition(rested.state, events.due, inputs).state;
    }
    expect(waits).toEqual([7_500, 15_000, 30_000, 45_000, 45_000, 45_000]);
    const broken = transition({ ...state, phase: "acknowledged" }, events.link_lost, inputs);
    expect(wakeMs(broken.effects)).toBe(7_500);
  });
});

function wakeMs(effects: readonly RequestEffect[]): number {
  const wake = effects.find((effect) => effect.kind === "wake");
  if (!wake) throw new Error("no wake");
  return wake.afterMs;
}
