import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backOffMs, defaultBackOff } from "../../cloud-sync/edge/back-off.ts";
import { feed, type FeedEvent, type FeedPhase, type FeedState } from "../../cloud-sync/edge/feed-machine.ts";
import {
  defaultForwarderPace,
  forward,
  startForwarder,
  type ForwarderEvent,
  type ForwarderPhase,
  type ForwarderState,
  type OwedPicture,
} from "../../cloud-sync/edge/forwarder-machine.ts";

const inputs = { uniform: 0.5, pace: defaultForwarderPace };
const owed = (seq: number): OwedPicture => ({ seq, id: `c${seq}`, sha256: "a", offset: 0, isAgain: false });

const events: Readonly<Record<ForwarderEvent["kind"], ForwarderEvent>> = {
  start: { kind: "start" },
  written: { kind: "written" },
  rang: { kind: "rang" },
  nothing: { kind: "nothing" },
  taken: { kind: "taken", watermark: 9, wanted: [], lastSeq: 9 },
  part: { kind: "part", offset: 5, isComplete: false },
  spoiled: { kind: "spoiled" },
  dropped: { kind: "dropped" },
  failed: { kind: "failed", retryAfterMs: null, isTooLarge: false, isSlow: false },
  stop: { kind: "stop" },
};

/** Phase after, then what is done. "-": nothing changes. */
const forwarderTable: Readonly<Record<ForwarderPhase, Readonly<Record<ForwarderEvent["kind"], string>>>> = {
  idle: row({ start: "resting rest" }),
  drained: row({ written: "sending send" }),
  resting: row({ rang: "sending send" }),
  sending: row({ nothing: "uploading upload", taken: "sending send", failed: "resting rest" }),
  uploading: row({
    part: "sending send",
    spoiled: "sending send",
    dropped: "sending mark send",
    failed: "resting rest",
  }),
  stopped: row({}),
};

function row(told: Partial<Record<ForwarderEvent["kind"], string>>): Readonly<Record<ForwarderEvent["kind"], string>> {
  const none = Object.fromEntries(Object.keys(events).map((kind) => [kind, "-"]));
  return { ...none, stop: "stopped", ...told } as Readonly<Record<ForwarderEvent["kind"], string>>;
}

function sendingState(more: Partial<ForwarderState> = {}): ForwarderState {
  return { ...startForwarder(), phase: "sending", ...more };
}

describe("the forwarder's machine", () => {
  for (const [phase, cells] of Object.entries(forwarderTable)) {
    test(`${phase}: every event has its answer`, () => {
      for (const [kind, told] of Object.entries(cells)) {
        const before = sendingState({ phase: phase as ForwarderPhase, watermark: 8, marked: 7, owed: [owed(8)] });
        const { state, effects } = forward(before, events[kind as ForwarderEvent["kind"]], inputs);
        const seen = [state.phase, ...effects.map((effect) => effect.kind)].join(" ");
        expect(`${kind}: ${state === before ? "-" : seen}`).toBe(`${kind}: ${told}`);
      }
    });
  }

  test("the journal forgets rows only up to the first whose picture is owed", () => {
    const wanted = [owed(4), owed(7)];
    const first = forward(sendingState(), { kind: "taken", watermark: 9, wanted, lastSeq: 9 }, inputs);
    expect(first.effects).toEqual([
      { kind: "mark", watermark: 3 },
      expect.objectContaining({ kind: "send", after: 9 }),
    ]);
    const look = forward(first.state, { kind: "nothing" }, inputs);
    const done = forward(look.state, { kind: "part", offset: 10, isComplete: true }, inputs);
    expect(done.effects[0]).toEqual({ kind: "mark", watermark: 6 });
  });

  test("a hub that takes no step on is asked again later, from where it says it is", () => {
    const { state, effects } = forward(
      sendingState({ watermark: 90, marked: 90 }),
      { kind: "taken", watermark: 50, wanted: [], lastSeq: 95 },
      inputs,
    );
    expect(state).toMatchObject({ phase: "resting", watermark: 50, marked: 90, failures: 1 });
    expect(effects).toEqual([{ kind: "rest", delayMs: 1000 }]);
  });

  test("a hub that has more than the journal wrote is an alarm, and nothing is marked", () => {
    const { state, effects } = forward(sendingState(), { kind: "taken", watermark: 7, wanted: [], lastSeq: 3 }, inputs);
    expect(state).toMatchObject({ isBehind: true, watermark: 0, marked: 0, phase: "resting" });
    expect(effects.map(({ kind }) => kind)).toEqual(["alarm", "rest"]);
  });

  test("a call that is too large is halved down to a bound, and then it waits", () => {
    let state = sendingState();
    const sizes: number[] = [];
    for (
      let step = forward(state, tooLarge, inputs);
      step.state.phase === "sending";
      step = forward(state, tooLarge, inputs)
    ) {
      state = step.state;
      sizes.push(state.callBytesMax);
    }
    expect(sizes).toEqual([1_750_000, 875_000, 437_500, 218_750, 109_375]);
  });
  const tooLarge: ForwarderEvent = { kind: "failed", retryAfterMs: null, isTooLarge: true, isSlow: false };

  test("on a slow line a call becomes smaller with each timeout, and larger again as calls get through", () => {
    const slow: ForwarderEvent = { kind: "failed", retryAfterMs: null, isTooLarge: false, isSlow: true };
    let state = sendingState();
    const sizes: number[] = [];
    for (let failure = 0; failure < 8; failure += 1) {
      const step = forward(state, slow, inputs);
      expect(step.state).toMatchObject({ phase: "resting", failures: failure + 1 });
      sizes.push(step.state.callBytesMax);
      state = { ...step.state, phase: "sending" };
    }
    expect(sizes).toEqual([1_750_000, 875_000, 437_500, 218_750, 109_375, 65_536, 65_536, 65_536]);
    const through = forward({ ...state, failures: 1 }, { kind: "taken", watermark: 5, wanted: [], lastSeq: 9 }, inputs);
    expect(through.effects.at(-1)).toEqual({ kind: "send", after: 5, callBytesMax: 131_072 });
    expect(forward(through.state, { kind: "nothing" }, inputs).state.callBytesMax).toBe(3_500_000);
  });

  test("what a proxy was too small for stays so, however well the line goes", () => {
    const { state } = forward(sendingState(), tooLarge, inputs);
    const taken = forward(state, { kind: "taken", watermark: 5, wanted: [], lastSeq: 9 }, inputs);
    expect(taken.state.callBytesMax).toBe(1_750_000);
    expect(forward(taken.state, { kind: "nothing" }, inputs).state.callBytesMax).toBe(1_750_000);
  });

  test("after an outage a backlog waits a random time; without one, or without a backlog, nothing does", () => {
    const after = (failures: number, lastSeq: number) =>
      forward(sendingState({ failures }), { kind: "taken", watermark: 9, wanted: [], lastSeq }, inputs).effects.at(-1);
    expect(after(5, 500)).toEqual({ kind: "rest", delayMs: 7500 });
    expect(after(4, 500)).toMatchObject({ kind: "send" });
    expect(after(5, 9)).toMatchObject({ kind: "send" });
  });

  test("whatever happens, marks only go up, and never past the hub's word or an owed picture", () => {
    const event = fc.oneof(
      fc.constantFrom<ForwarderEvent>(...Object.values(events).filter(({ kind }) => kind !== "stop")),
      fc.record({ step: fc.nat(5), wants: fc.boolean() }).map(({ step, wants }) => ({
        kind: "taken" as const,
        watermark: step,
        wanted: wants ? [owed(step)] : [],
        lastSeq: 99,
      })),
    );
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 60 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (happened, uniform) => {
          let state = startForwarder();
          for (const [at, each] of happened.entries()) {
            const shifted = each.kind === "taken" ? { ...each, watermark: each.watermark + at } : each;
            const { state: next, effects } = forward(state, shifted, { ...inputs, uniform });
            for (const effect of effects) {
              if (effect.kind !== "mark") continue;
              expect(effect.watermark).toBeGreaterThan(state.marked);
              expect(effect.watermark).toBeLessThanOrEqual(next.watermark);
              for (const { seq } of next.owed) expect(seq).toBeGreaterThan(effect.watermark);
            }
            state = next;
          }
        },
      ),
    );
  });
});

const feedEvents: Readonly<Record<FeedEvent<string>["kind"], FeedEvent<string>>> = {
  start: { kind: "start", cursor: "h.1" },
  came: { kind: "came", cursor: "h.3", items: ["a", "b"], isEarly: true },
  applied: { kind: "applied", left: [] },
  kept: { kind: "kept" },
  failed: { kind: "failed", retryAfterMs: null },
  rang: { kind: "rang" },
  stop: { kind: "stop" },
};

const feedTable: Readonly<Record<FeedPhase, Partial<Record<FeedEvent<string>["kind"], string>>>> = {
  idle: { start: "polling poll" },
  polling: { came: "applying apply", failed: "resting rest" },
  applying: { applied: "keeping keep" },
  keeping: { kept: "polling poll", failed: "resting rest" },
  resting: { rang: "applying apply" },
  stopped: {},
};

describe("the feed's machine", () => {
  const batch = { cursor: "h.3", items: ["a", "b"] };
  for (const [phase, cells] of Object.entries(feedTable)) {
    test(`${phase}: every event has its answer`, () => {
      for (const [kind, event] of Object.entries(feedEvents)) {
        const before: FeedState<string> = { phase: phase as FeedPhase, cursor: "h.1", batch, failures: 0 };
        const { state, effects } = feed(before, event, { uniform: 0.5, pace: defaultBackOff });
        const told = kind === "stop" ? "stopped" : (cells[kind as keyof typeof cells] ?? "-");
        const seen = [state.phase, ...effects.map((effect) => effect.kind)].join(" ");
        expect(`${kind}: ${state === before ? "-" : seen}`).toBe(`${kind}: ${told}`);
      }
    });
  }

  test("the cursor moves only after everything before it was applied and it was kept", () => {
    const start: FeedState<string> = { phase: "applying", cursor: "h.1", batch, failures: 0 };
    const at = { uniform: 0, pace: defaultBackOff };
    const waits = feed(start, { kind: "applied", left: ["b"] }, at);
    expect(waits.state).toMatchObject({ phase: "resting", cursor: "h.1" });
    const again = feed(waits.state, { kind: "rang" }, at);
    expect(again.effects).toEqual([{ kind: "apply", items: ["b"] }]);
    const whole = feed(again.state, { kind: "applied", left: [] }, at);
    expect(whole.effects).toEqual([{ kind: "keep", cursor: "h.3" }]);
    expect(whole.state.cursor).toBe("h.1");
    const kept = feed(whole.state, { kind: "kept" }, at);
    expect(kept.effects).toEqual([{ kind: "poll", cursor: "h.3" }]);
  });

  test("an answer without items that comes at once is no reason to ask at once", () => {
    const polling: FeedState<string> = { phase: "polling", cursor: "h.1", batch: null, failures: 0 };
    const ask = (isEarly: boolean) =>
      feed(polling, { kind: "came", cursor: "h.1", items: [], isEarly }, { uniform: 0.5, pace: defaultBackOff })
        .effects;
    expect(ask(true)).toEqual([{ kind: "rest", delayMs: 1000 }]);
    expect(ask(false)).toEqual([{ kind: "poll", cursor: "h.1" }]);
  });
});

describe("back-off", () => {
  test("a wait is anywhere below a range that doubles up to the cap", () => {
    expect([1, 2, 3, 6, 60].map((failures) => backOffMs(failures, 0.999_999, null))).toEqual([
      1999, 3999, 7999, 59_999, 59_999,
    ]);
    expect(backOffMs(9, 0, null)).toBe(0);
  });

  test("Retry-After is the least that is waited, up to its own cap, and is spread as well", () => {
    expect(backOffMs(1, 0, 30_000)).toBe(30_000);
    expect(backOffMs(1, 0.5, 30_000)).toBe(37_500);
    expect(backOffMs(1, 0, 86_400_000)).toBe(600_000);
  });
});
