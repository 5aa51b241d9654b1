import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  deliveryTransition,
  type DeliveryEvent,
  type DeliveryState,
} from "../../edge-agent/journal/delivery-machine.ts";
import {
  outboxTransition,
  outboxWatermark,
  type OutboxEvent,
  type OutboxState,
} from "../../edge-agent/journal/outbox-machine.ts";
import { taskTransition, type TaskEvent, type TaskState } from "../../edge-agent/journal/task-machine.ts";

/** Each table is written out a second time, in short: state after, reply, effects. No cell may be missing. */

describe("the task machine", () => {
  const events: readonly TaskEvent[] = [
    "admit",
    "decide_pending",
    "decide_final",
    "review",
    "settle",
    "outcome",
    "erase",
  ];
  const table: Readonly<Record<TaskState, readonly string[]>> = {
    none: [
      "received applied insert_case",
      "none unknown",
      "none unknown",
      "none unknown",
      "none unknown",
      "none unknown",
      "none unknown",
    ],
    received: [
      "received known",
      "pending applied insert_revision+start_patience",
      "final applied insert_revision+answered",
      "received unknown",
      "received known",
      "received applied keep_outcome",
      "received applied drop_input",
    ],
    pending: [
      "pending known",
      "pending known",
      "pending known",
      "final applied insert_revision+keep_review+answered",
      "final applied insert_revision+answered",
      "pending applied keep_outcome",
      "pending applied drop_input",
    ],
    final: [
      "final known",
      "final known",
      "final known",
      "final label keep_review",
      "final known",
      "final applied keep_outcome",
      "final applied drop_input",
    ],
  };
  const cells = Object.entries(table).flatMap(([state, row]) =>
    events.map((event, index) => [state as TaskState, event, row[index] ?? "missing"] as const),
  );

  test.each(cells)("%s, %s: %s", (state, event, expected) => {
    const { state: next, reply, effects } = taskTransition(state, event);
    expect([next, reply, effects.join("+")].join(" ").trim()).toBe(expected);
  });

  test("whatever happens, revision 1 and the closing revision are each written at most once, in this order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events)), (happened) => {
        let state: TaskState = "none";
        let revisions = 0;
        let answered = 0;
        for (const event of happened) {
          const step = taskTransition(state, event);
          if (step.effects.includes("insert_revision")) revisions += 1;
          if (step.effects.includes("answered")) answered += 1;
          if (state === "final") expect(step.state).toBe("final");
          state = step.state;
        }
        expect(revisions).toBeLessThanOrEqual(2);
        expect(answered).toBe(state === "final" ? 1 : 0);
      }),
    );
  });
});

describe("the delivery machine", () => {
  const events: readonly DeliveryEvent[] = ["revised", "polled", "acknowledged", "pruned"];
  const table: Readonly<Record<DeliveryState, readonly string[]>> = {
    none: ["waiting insert", "none -", "none -", "none -"],
    waiting: ["waiting -", "waiting -", "cleared delete", "cleared delete"],
    cleared: ["cleared -", "cleared -", "cleared -", "cleared -"],
  };
  const cells = Object.entries(table).flatMap(([state, row]) =>
    events.map((event, index) => [state as DeliveryState, event, row[index] ?? "missing"] as const),
  );
  test.each(cells)("%s, %s: %s", (state, event, expected) => {
    const step = deliveryTransition(state, event);
    expect(`${step.state} ${step.effect ?? "-"}`).toBe(expected);
  });
});

describe("the outbox machine", () => {
  const events: readonly OutboxEvent[] = ["written", "behind", "passed", "expired"];
  const table: Readonly<Record<OutboxState, readonly string[]>> = {
    none: ["unsent insert", "none -", "none -", "none -"],
    unsent: ["unsent -", "unsent -", "taken delete", "taken delete"],
    taken: ["taken -", "taken -", "taken -", "taken -"],
  };
  const cells = Object.entries(table).flatMap(([state, row]) =>
    events.map((event, index) => [state as OutboxState, event, row[index] ?? "missing"] as const),
  );
  test.each(cells)("%s, %s: %s", (state, event, expected) => {
    const step = outboxTransition(state, event);
    expect(`${step.state} ${step.effect ?? "-"}`).toBe(expected);
  });

  test("a watermark never goes back and never passes what was written", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.array(fc.integer({ min: -10, max: 2000 })), (written, said) => {
        let taken = 0;
        for (const one of said) {
          const next = outboxWatermark(taken, written, one);
          expect(next).toBeGreaterThanOrEqual(taken);
          expect(next).toBeLessThanOrEqual(written);
          taken = next;
        }
      }),
    );
  });
});
