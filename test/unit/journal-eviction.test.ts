import fc from "fast-check";
import { expect, test } from "vitest";
import { evictionRank, planEviction, type EvictionCandidate } from "../../edge-agent/journal/eviction-plan.ts";

test("accepted cases rank before answered ones, those before open audit samples; unanswered ones have no rank", () => {
  expect(evictionRank("final", "accept", "none")).toBe(0);
  expect(evictionRank("final", "abstain", "none")).toBe(0);
  expect(evictionRank("final", "escalate", "none")).toBe(1);
  expect(evictionRank("final", "accept", "reviewed")).toBe(1);
  expect(evictionRank("final", "accept", "open")).toBe(2);
  for (const state of ["none", "received", "pending"] as const)
    expect(evictionRank(state, "accept", "none")).toBeNull();
});

const candidate = fc.record({
  n: fc.nat(),
  rank: fc.constantFrom(0 as const, 1 as const, 2 as const, null),
  answeredAgentMs: fc.nat(1000),
  bytes: fc.integer({ min: 1, max: 500 }),
});

const key = ({ rank, answeredAgentMs, n }: EvictionCandidate) => [rank ?? 9, answeredAgentMs, n] as const;

test("a plan takes the lowest rank first and the oldest of it, and no more than the budget asks", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(candidate, { selector: ({ n }) => n }),
      fc.nat(5000),
      fc.nat(5000),
      (candidates, bytesKept, bytesMax) => {
        const plan = planEviction({ bytesKept, bytesMax }, candidates);
        const byN = new Map(candidates.map((one) => [one.n, one]));
        const evicted = plan.evict.map((n) => byN.get(n) as EvictionCandidate);
        expect(evicted.every(({ rank }) => rank !== null)).toBe(true);
        const freed = evicted.reduce((sum, { bytes }) => sum + bytes, 0);
        expect(plan.bytesFreed).toBe(freed);
        expect(plan.bytesOver).toBe(Math.max(0, bytesKept - freed - bytesMax));
        // Minimal: without the last one it would still be over.
        const last = evicted.at(-1);
        if (last !== undefined) expect(bytesKept - freed + last.bytes).toBeGreaterThan(bytesMax);
        // Nothing that stays would have come before something that went.
        const gone = new Set(plan.evict);
        for (const stays of candidates.filter(({ n, rank }) => rank !== null && !gone.has(n))) {
          if (last !== undefined) expect(compare(key(stays), key(last))).toBeGreaterThan(0);
          expect(plan.bytesOver).toBe(0);
        }
      },
    ),
  );
});

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, at) => value !== b[at]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}
