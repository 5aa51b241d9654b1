import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { queueKey, type QueueTraits } from "../../cloud-sync/hub/review/queue-key.ts";

const nowMs = 1_795_000_000_000;
const minutes = (n: number): number => n * 60_000;
const base: QueueTraits = {
  ...{ kind: "escalation", receivedMs: nowMs, heldMs: nowMs, dueMs: nowMs + minutes(15), confidence: 0.6, costs: null },
};
const costs = fc.option(
  fc.record({
    review: fc.double({ min: 0, max: 10, noNaN: true }),
    wrongAccept: fc.double({ min: 0, max: 1e6, noNaN: true }),
  }),
  { nil: null },
);
const traits = fc.record({
  kind: fc.constantFrom<QueueTraits["kind"]>("escalation", "audit", "import"),
  receivedMs: fc.integer({ min: nowMs, max: nowMs + minutes(60) }),
  heldMs: fc.integer({ min: 0, max: 2 * nowMs }),
  dueMs: fc.option(fc.integer({ min: 0, max: 8_000_000_000_000 }), { nil: null }),
  confidence: fc.double({ min: 0, max: 1, noNaN: true }),
  costs,
});

describe("the order of the queue", () => {
  it("is a whole number that every database keeps exactly, whatever a store sends", () => {
    fc.assert(
      fc.property(traits, (one) => {
        const key = queueKey(one);
        expect(Number.isSafeInteger(key)).toBe(true);
        expect(key).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("never puts off a case for being due sooner, dearer or less sure", () => {
    fc.assert(
      fc.property(traits, fc.integer({ min: 1, max: 1_000_000 }), (one, by) => {
        if (one.dueMs !== null) {
          expect(queueKey({ ...one, dueMs: Math.max(0, one.dueMs - by) })).toBeLessThanOrEqual(queueKey(one));
        }
        expect(queueKey({ ...one, confidence: one.confidence / 2 })).toBeLessThanOrEqual(queueKey(one));
        if (one.costs) {
          const dearer = { ...one.costs, wrongAccept: one.costs.wrongAccept * 2 };
          expect(queueKey({ ...one, costs: dearer })).toBeLessThanOrEqual(queueKey(one));
        }
      }),
    );
  });

  it("gives money and doubt a head start of ten and a half minutes at most", () => {
    const most = { ...base, confidence: 0, costs: { review: 0.001, wrongAccept: 1e9 } };
    const sooner = { ...base, confidence: 1, dueMs: nowMs + minutes(15) - minutes(10.5) - 1 };
    expect(queueKey(sooner)).toBeLessThan(queueKey(most));
  });

  it("puts the older one first where two are due together, and audit samples behind whoever waits", () => {
    expect(queueKey({ ...base, heldMs: nowMs - 80_000 })).toBeLessThan(queueKey({ ...base, heldMs: nowMs - 10_000 }));
    expect(queueKey(base)).toBeLessThan(queueKey({ ...base, kind: "audit", dueMs: null }));
  });
});
