import { describe, expect, it } from "vitest";
import {
  defaultReviewPolicy,
  transition,
  type ReviewTaskEvent,
  type ReviewTaskState,
  type TakenReview,
} from "../../cloud-sync/review/review-machine.ts";

const policy = defaultReviewPolicy;
const review: TakenReview = { reviewId: "r1", reviewer: "anna", answer: { kind: "label", label: "Kiwi" }, tookMs: 900 };
const nowMs = 10_000;
const inputs = { nowMs, dueAtMs: 900_000, policy };

const states = {
  waiting: { kind: "waiting", generation: 2 },
  leased: { kind: "leased", generation: 2, reviewer: "anna", expiresAtMs: nowMs + 5, undone: null },
  lapsed: { kind: "leased", generation: 2, reviewer: "anna", expiresAtMs: nowMs, undone: null },
  answered: { kind: "answered", generation: 2, review, undoUntilMs: nowMs + 5 },
  overdue: { kind: "answered", generation: 2, review, undoUntilMs: nowMs },
  committing: { kind: "committing", generation: 2, review, attempts: 2 },
  settled: { kind: "closed", generation: 2, why: "settled", holder: null, reviewId: "r1" },
  withdrawn: { kind: "closed", generation: 2, why: "withdrawn", holder: "anna", reviewId: null },
  expired: { kind: "closed", generation: 2, why: "expired", holder: "anna", reviewId: null },
} as const satisfies Record<string, ReviewTaskState>;

const events = {
  offer: { kind: "offer" },
  claimByAnna: { kind: "claim", reviewer: "anna" },
  claimByBen: { kind: "claim", reviewer: "ben" },
  heartbeat: { kind: "heartbeat", reviewer: "anna", generation: 2 },
  heartbeatOld: { kind: "heartbeat", reviewer: "anna", generation: 1 },
  release: { kind: "release", reviewer: "anna", generation: 2 },
  releaseByBen: { kind: "release", reviewer: "ben", generation: 2 },
  submit: { kind: "submit", generation: 2, review },
  submitOther: { kind: "submit", generation: 2, review: { ...review, reviewId: "r2" } },
  submitOld: { kind: "submit", generation: 1, review: { ...review, reviewId: "r3" } },
  submitByBen: { kind: "submit", generation: 2, review: { ...review, reviewId: "r4", reviewer: "ben" } },
  undo: { kind: "undo", reviewer: "anna", reviewId: "r1" },
  undoByBen: { kind: "undo", reviewer: "ben", reviewId: "r1" },
  undoWindowEnded: { kind: "undoWindowEnded" },
  leaseExpired: { kind: "leaseExpired" },
  committed: { kind: "committed" },
  commitFailed: { kind: "commitFailed" },
  deadline: { kind: "deadline" },
  settledElsewhere: { kind: "settledElsewhere" },
} as const satisfies Record<string, ReviewTaskEvent>;

const eventNames = Object.keys(events) as (keyof typeof events)[];
const stateNames = Object.keys(states) as (keyof typeof states)[];

/** Next state, effects and refusal of one cell, short: "-" is nothing, "!" a refusal. */
function cell(state: ReviewTaskState, event: ReviewTaskEvent): string {
  const step = transition(state, event, inputs);
  const moved = step.state === state ? "" : `→${step.state.kind === "closed" ? step.state.why : step.state.kind}`;
  const generation = step.state.generation === state.generation ? "" : `g${step.state.generation}`;
  const effects = step.effects.map(({ kind }) => ` ${kind}`).join("");
  const refusal = step.refusal === null ? "" : ` !${step.refusal.slice(3).toLowerCase()}`;
  return `${moved}${generation}${effects}${refusal}`.trim() || "-";
}

/** One row per state, one cell per event, in the order of `eventNames`. */
const table: Readonly<Record<keyof typeof states, readonly string[]>> = {
  waiting: [
    ...["-", "→leasedg3 wake", "→leasedg3 wake", "!lease_lost", "!lease_lost", "-", "-"],
    ...["!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost"],
    ...["-", "-", "-", "-", "→expired sleep", "→withdrawn sleep"],
  ],
  leased: [
    ...["-", "-", "!lease_lost", "→leased wake", "!lease_lost", "→waiting sleep", "-"],
    ...["→answered wake", "→answered wake", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost"],
    ...["-", "wake", "-", "-", "→expired sleep withdraw", "→withdrawn sleep withdraw"],
  ],
  lapsed: [
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "→waiting sleep", "-"],
    ...["!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost"],
    ...["-", "→waiting sleep withdraw", "-", "-", "→expired sleep withdraw", "→withdrawn sleep withdraw"],
  ],
  answered: [
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "-", "-"],
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "→leasedg3 wake", "!settled"],
    ...["wake", "-", "-", "-", "→committing sleep commit", "→withdrawn sleep label"],
  ],
  overdue: [
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "-", "-"],
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "!settled", "!settled"],
    ...["→committing sleep commit", "-", "-", "-", "→committing sleep commit", "→withdrawn sleep label"],
  ],
  committing: [
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "!lease_lost", "-", "-"],
    ...["-", "!lease_lost", "!lease_lost", "!lease_lost", "!settled", "!settled"],
    ...["-", "-", "→settled", "→committing commit", "-", "-"],
  ],
  settled: [
    ...["-", "!settled", "!settled", "!settled", "!settled", "-", "-"],
    ...["-", "!settled", "!settled", "!settled", "!settled", "!settled"],
    ...["-", "-", "-", "-", "-", "-"],
  ],
  withdrawn: [
    ...["-", "!settled", "!settled", "!settled", "!settled", "-", "-"],
    ...["→withdrawn label !settled", "→withdrawn label !settled", "!settled", "!settled", "!settled", "!settled"],
    ...["-", "-", "-", "-", "-", "-"],
  ],
  expired: [
    ...["-", "!settled", "!settled", "!settled", "!settled", "-", "-"],
    ...["→expired label !settled", "→expired label !settled", "!settled", "!settled", "!settled", "!settled"],
    ...["-", "-", "-", "-", "-", "-"],
  ],
};

describe("the review task", () => {
  it.each(stateNames)("answers every event in state %s", (name) => {
    const found = eventNames.map((event) => [event, cell(states[name], events[event])]);
    expect(found).toEqual(eventNames.map((event, i) => [event, table[name][i]]));
  });

  it("gives every claim a new generation, so that the answer of an older lease is refused", () => {
    const first = transition(states.waiting, { kind: "claim", reviewer: "anna" }, inputs).state;
    const later = { ...inputs, nowMs: nowMs + policy.leaseMs };
    const lapsed = transition(first, { kind: "leaseExpired" }, later).state;
    const second = transition(lapsed, { kind: "claim", reviewer: "ben" }, later).state;
    expect(second).toMatchObject({ kind: "leased", reviewer: "ben", generation: first.generation + 1 });
    const late = transition(second, { kind: "submit", generation: first.generation, review }, later);
    expect(late).toEqual({ state: second, effects: [], refusal: "HP_LEASE_LOST" });
  });

  it("refuses a copy of an undone answer that the network still carried", () => {
    const undone = transition(states.answered, events.undo, inputs).state;
    expect(transition(undone, events.submit, inputs).refusal).toBe("HP_LEASE_LOST");
    expect(transition(undone, events.undo, inputs)).toEqual({ state: undone, effects: [], refusal: null });
  });

  it("ends the undo window before the case is due", () => {
    const soon = { ...inputs, dueAtMs: nowMs + 3_000 };
    expect(transition(states.leased, events.submit, soon).state).toMatchObject({ undoUntilMs: nowMs + 2_000 });
    const now = { ...inputs, dueAtMs: nowMs + 10 };
    expect(transition(states.leased, events.submit, now).state).toMatchObject({ undoUntilMs: nowMs });
  });

  it("waits longer after each refused commit, up to a limit", () => {
    const waits = [1, 2, 3, 9, 60].map((attempts) => {
      const [effect] = transition({ ...states.committing, attempts }, events.commitFailed, inputs).effects;
      return effect?.kind === "commit" ? effect.atMs - nowMs : null;
    });
    expect(waits).toEqual([500, 1000, 2000, 30_000, 30_000]);
  });
});
