import { expect, test } from "vitest";
import {
  reload,
  retryMs,
  settleMs,
  settleMsMax,
  startReload,
  type ReloadEvent,
  type ReloadPhase,
  type ReloadState,
} from "../../config/reload-machine.ts";

const idle: ReloadPhase = { kind: "idle" };
const settling: ReloadPhase = { kind: "settling", sinceMs: 1000 };
const reading: ReloadPhase = { kind: "reading", dirty: false };
const readingDirty: ReloadPhase = { kind: "reading", dirty: true };
const applying: ReloadPhase = { kind: "applying", dirty: false, digest: "new" };
const applyingDirty: ReloadPhase = { kind: "applying", dirty: true, digest: "new" };
const closed: ReloadPhase = { kind: "closed" };
const phases = { idle, settling, reading, readingDirty, applying, applyingDirty, closed };

const nowMs = 1200;
const events = {
  changed: { kind: "changed", nowMs },
  settled: { kind: "settled" },
  asked: { kind: "asked" },
  same: { kind: "read_ok", digest: "old", nowMs },
  new: { kind: "read_ok", digest: "new", nowMs },
  bad: { kind: "read_failed", problem: "store.yaml:3", nowMs },
  applied: { kind: "applied", nowMs },
  apply_failed: { kind: "apply_failed", problem: "no journal", nowMs },
  close: { kind: "close" },
} as const satisfies Record<string, ReloadEvent>;

/** Every phase with every event: the next phase and the effects, without a cell missing. `=` stays as it is. */
const table: Record<keyof typeof phases, Record<keyof typeof events, string>> = {
  idle: {
    changed: "settling settle",
    settled: "=",
    asked: "reading read",
    same: "=",
    new: "=",
    bad: "=",
    applied: "=",
    apply_failed: "=",
    close: "closed stop",
  },
  settling: {
    changed: "settling settle",
    settled: "reading read",
    asked: "reading read",
    same: "=",
    new: "=",
    bad: "=",
    applied: "=",
    apply_failed: "=",
    close: "closed stop",
  },
  reading: {
    changed: "reading",
    settled: "=",
    asked: "reading",
    same: "idle",
    new: "applying apply",
    bad: "idle report",
    applied: "=",
    apply_failed: "=",
    close: "closed stop",
  },
  readingDirty: {
    changed: "=",
    settled: "=",
    asked: "=",
    same: "settling settle",
    new: "applying apply",
    bad: "settling report settle",
    applied: "=",
    apply_failed: "=",
    close: "closed stop",
  },
  applying: {
    changed: "applying",
    settled: "=",
    asked: "applying",
    same: "=",
    new: "=",
    bad: "=",
    applied: "idle",
    apply_failed: "settling report settle",
    close: "closed stop",
  },
  applyingDirty: {
    changed: "=",
    settled: "=",
    asked: "=",
    same: "=",
    new: "=",
    bad: "=",
    applied: "settling settle",
    apply_failed: "settling report settle",
    close: "closed stop",
  },
  closed: {
    changed: "=",
    settled: "=",
    asked: "=",
    same: "=",
    new: "=",
    bad: "=",
    applied: "=",
    apply_failed: "=",
    close: "=",
  },
};

const cells = Object.entries(table).flatMap(([phase, row]) =>
  Object.entries(row).map(([event, expected]) => [phase, event, expected] as const),
);

test.each(cells)("%s on %s: %s", (phase, event, expected) => {
  const state: ReloadState = { phase: phases[phase as keyof typeof phases], digest: "old", problem: null };
  const step = reload(state, events[event as keyof typeof events]);
  const told = [step.state.phase.kind, ...step.effects.map(({ kind }) => kind)].join(" ");
  if (expected === "=") {
    expect(step.state).toEqual(state);
    expect(step.effects).toEqual([]);
  } else expect(told).toBe(expected);
});

test("the digest in force changes when the application is done, and not before", () => {
  const state: ReloadState = { phase: reading, digest: "old", problem: null };
  const read = reload(state, events.new);
  expect(read.state.digest).toBe("old");
  expect(reload(read.state, events.applied).state.digest).toBe("new");
  expect(reload(read.state, events.apply_failed).state).toMatchObject({ digest: "old", problem: "no journal" });
});

test("a problem is told once while it stays the same, and its end is told once", () => {
  const state: ReloadState = { phase: reading, digest: "old", problem: null };
  const first = reload(state, events.bad);
  expect(first.effects).toEqual([{ kind: "report", problem: "store.yaml:3" }]);
  const again = reload({ ...first.state, phase: reading }, events.bad);
  expect(again.effects).toEqual([]);
  const other = reload({ ...again.state, phase: reading }, { ...events.bad, problem: "store.yaml:9" });
  expect(other.effects).toEqual([{ kind: "report", problem: "store.yaml:9" }]);
  const good = reload({ ...other.state, phase: reading }, events.same);
  expect(good.effects).toEqual([{ kind: "recover" }]);
  expect(good.state.problem).toBeNull();
  const applied = reload({ ...other.state, phase: applying }, events.applied);
  expect(applied.effects).toEqual([{ kind: "recover" }]);
});

test("a file that never rests is read after a while nevertheless", () => {
  let state = startReload("old");
  let delays: number[] = [];
  for (let now = 0; now <= 2 * settleMsMax; now += 10) {
    const step = reload(state, { kind: "changed", nowMs: now });
    state = step.state;
    delays = [...delays, ...step.effects.map((effect) => (effect.kind === "settle" ? effect.delayMs : -1))];
  }
  expect(delays[0]).toBe(settleMs);
  expect(Math.min(...delays)).toBe(0);
  expect(delays.findIndex((delay) => delay === 0) * 10).toBe(settleMsMax);
});

test("a config that could not be applied is tried again by itself", () => {
  const state: ReloadState = { phase: applying, digest: "old", problem: null };
  const failed = reload(state, events.apply_failed);
  expect(failed.effects).toContainEqual({ kind: "settle", delayMs: retryMs });
  expect(reload(failed.state, events.settled).effects).toEqual([{ kind: "read" }]);
});
