import { describe, expect, it } from "vitest";
import { keyEvent } from "../../cloud-sync/review/page/keyboard.ts";
import { reduce } from "../../cloud-sync/review/page/state-machine.ts";
import { firstPageState, type PageEvent, type PageState, type PageStep } from "../../cloud-sync/review/page/state.ts";
import { type HeldCases, type QueueState, type ReviewCase } from "../../protocol/index.ts";

/** What the review page can do at a hub, beside what it does in a store. */

const t0 = 1_795_000_000_000;
const session = { reviewer: "Maja", store: "", undoWindowMs: 10_000, leaseMs: 60_000, nowMs: t0 };
const queue: QueueState = {
  ...{ store: "", waiting: 3, leased: 2, more: false, oldestHeldAtMs: t0, undoWindowMs: 10_000, tasks: [] },
};
const features = { lookAlikes: true, escalate: true };

function reviewCase(id: string): ReviewCase {
  return {
    ...{ id, task: "product", store: "store_1", device: "cam-1", context: {}, inputKind: "features" },
    ...{ pictureUrl: null, facts: [], series: [], suggestions: [{ label: "Kiwi", confidence: 0.6 }] },
    ...{ gateThreshold: 0.9, confidence: 0.6, reasons: ["below_gate"], question: "Which product?", explanation: null },
    ...{ audit: false, heldAtMs: t0 - 9_000, dueAtMs: t0 + 900_000 },
    lease: { reviewer: "Maja", generation: 4, expiresAtMs: t0 + 60_000 },
  };
}

const held = (...ids: string[]): HeldCases => ({ cases: ids.map(reviewCase), queue, nowMs: t0 });

function run(state: PageState, nowMs: number, ...events: readonly PageEvent[]): PageStep {
  let step: PageStep = { state, effects: [] };
  for (const event of events) step = reduce(step.state, event, { nowMs, reviewId: "r1" });
  return step;
}

const begin = (ids: readonly string[] = ["a", "b"]): PageStep =>
  run(
    firstPageState(t0, features),
    t0,
    { kind: "started", code: null },
    { kind: "sessionFound", session },
    { kind: "claimed", held: held(...ids) },
  );

const press = (state: PageState, key: string): PageEvent => {
  const event = keyEvent(state, { key, isCommand: false, isRepeat: false });
  if (!event) throw new Error(`${key} means nothing now`);
  return event;
};

describe("the review page at a hub", () => {
  it("asks for the look-alikes of the case and of the one after it, once", () => {
    const { state, effects } = begin();
    expect(effects.filter(({ kind }) => kind === "loadLookAlikes")).toEqual([
      { kind: "loadLookAlikes", id: "a" },
      { kind: "loadLookAlikes", id: "b" },
    ]);
    const lookAlikes = [{ label: "Kiwi", pictures: [{ caseId: "x", url: "/x" }] }];
    const loaded = run(state, t0, { kind: "lookAlikesLoaded", id: "a", lookAlikes });
    expect(loaded.state.lookAlikes["a"]).toEqual(lookAlikes);
    const again = run(loaded.state, t0, { kind: "claimed", held: held("a", "b") });
    expect(again.effects).not.toContainEqual({ kind: "loadLookAlikes", id: "a" });
  });

  it("forgets the look-alikes of a case that is gone", () => {
    const lookAlikes = [{ label: "Kiwi", pictures: [] }];
    const { state } = run(begin().state, t0, { kind: "lookAlikesLoaded", id: "a", lookAlikes });
    const gone = run(state, t0, { kind: "news", news: { kind: "withdrawn", id: "a", why: "settled" } });
    expect(gone.state.lookAlikes).toEqual({});
  });

  it("hands a case to a lead by one key, and does not take it again", () => {
    const { state } = begin();
    const waiting = run(state, t0 + 300, press(state, "l"));
    expect(waiting.effects).toMatchObject([{ kind: "settleLetter" }]);
    const handed = run(waiting.state, t0 + 600, { kind: "letterSettled" });
    expect(handed.effects).toEqual([{ kind: "escalate", id: "a", generation: 4, reviewId: "r1" }]);
    expect(handed.state.cases.map(({ id }) => id)).toEqual(["b"]);
    expect(handed.state.recent).toMatchObject([{ id: "a", phase: "handed" }]);
    const claimed = run(handed.state, t0 + 700, { kind: "claimed", held: held("a", "b") });
    expect(claimed.state.cases.map(({ id }) => id)).toEqual(["b"]);
  });

  it("gets a case back that no lead could be asked for, and says so", () => {
    const { state } = begin();
    const handed = run(state, t0 + 600, { kind: "escalatePressed" });
    const back = run(handed.state, t0 + 700, { kind: "escalateRefused", reviewId: "r1", message: "there is no lead" });
    expect(back.effects).toEqual([{ kind: "claim" }]);
    expect(back.state.notice?.text).toContain("there is no lead");
    const claimed = run(back.state, t0 + 800, { kind: "claimed", held: held("a", "b") });
    expect(claimed.state.cases.map(({ id }) => id)).toEqual(["b", "a"]);
  });

  it("hands nothing over that nobody could have looked at, or without a connection", () => {
    const { state } = begin();
    expect(run(state, t0 + 20, { kind: "escalatePressed" }).effects).toEqual([]);
    const down = run(state, t0 + 600, { kind: "connectionLost", isFault: false }, { kind: "escalatePressed" });
    expect(down.effects).toEqual([]);
    expect(down.state.cases).toHaveLength(2);
  });

  it("gives back what is held where another part of the queue is chosen", () => {
    const filter = { store: "store_2", task: null };
    const { state, effects } = run(begin().state, t0, { kind: "filterChosen", filter });
    expect(effects).toEqual([
      {
        kind: "reclaim",
        held: [
          { id: "a", generation: 4 },
          { id: "b", generation: 4 },
        ],
      },
    ]);
    expect(state).toMatchObject({ filter, cases: [], isFirstClaim: true });
  });

  it("searches for words with L in a store, where there is no lead to ask", () => {
    const inStore = run(
      firstPageState(t0),
      t0,
      { kind: "started", code: null },
      { kind: "sessionFound", session },
      { kind: "claimed", held: held("a") },
    );
    expect(run(inStore.state, t0 + 300, press(inStore.state, "l")).state.search).toMatchObject({ query: "l" });
  });
});
