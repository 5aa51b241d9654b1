import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAgentReviewStore } from "../../edge-agent/review/agent-review-store.ts";
import { silentLogger, type Input, type ReviewCase } from "../../protocol/index.ts";
import { fakeClock } from "../../testing/index.ts";
import { createFakeSource, heldCase } from "../browser/review-cases.ts";

const input: Input = { kind: "entity", entity: "shopper-7" };
const reviewers = [0, 1, 2].map((n) => ({ key: `k${n}`, name: `R${n}` }));
const act = fc.record({
  who: fc.integer({ min: 0, max: 2 }),
  what: fc.constantFrom(
    ...(["next", "next", "next", "submit", "repeat", "repeat", "undo", "heartbeat"] as const),
    ...(["release", "hold", "settle", "pass", "pass", "fail"] as const),
  ),
  n: fc.integer({ min: 1, max: 70_000 }),
});

describe("the queue under any order of acts", () => {
  it("holds each case once, and commits at most one answer of each case as its decision", async () => {
    const seen = { finals: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 60 }), async (acts) => {
        const clock = fakeClock();
        const source = createFakeSource();
        const encodePng = (): Promise<Uint8Array> => Promise.reject(new Error("there is no picture here"));
        const store = await createAgentReviewStore({ source, clock, timers: clock, logger: silentLogger, encodePng });
        const shown = reviewers.map((): ReviewCase[] => []);
        const finals: string[] = [];
        source.onRevision((decision) => decision.status === "final" && finals.push(decision.id));
        let cases = 0;
        for (; cases < 4; cases += 1) source.hold(heldCase({ n: 100 + cases, leftMs: 90_000 + cases }, input), input);
        for (let i = 0; i < 8; i += 1) await Promise.resolve();
        for (const { who, what, n } of acts) {
          const reviewer = reviewers[who] ?? { key: "", name: "" };
          const [held] = shown[who] ?? [];
          const id = held?.id ?? "none";
          const submit = {
            answer: { kind: "cannot_tell" },
            generation: held?.lease?.generation ?? 1,
            tookMs: 1,
          } as const;
          if (what === "hold") source.hold(heldCase({ n: (cases += 1), leftMs: 30_000 + n }, input), input);
          if (what === "next") shown[who] = [...(await store.next(reviewer, 2)).cases];
          if (what === "submit") await store.submit(reviewer, id, { ...submit, reviewId: `${id} ${who} ${n}` });
          if (what === "repeat") await store.submit(reviewer, id, { ...submit, reviewId: `${id} ${who}` });
          if (what === "undo") await store.undo(reviewer, id, `${id} ${who}`);
          if (what === "heartbeat") await store.heartbeat(reviewer, id, submit.generation);
          if (what === "release") await store.release(reviewer, id, submit.generation);
          if (what === "settle" && held && !finals.includes(id)) source.settle(id);
          if (what === "fail") source.failCommits(1);
          if (what === "pass") clock.advance(n);
          for (let i = 0; i < 8; i += 1) await Promise.resolve();
          const held2 = await Promise.all(
            reviewers.map(async (one) => (await store.next(one, 0)).cases.map((c) => c.id)),
          );
          const all = held2.flat();
          expect(new Set(all).size).toBe(all.length);
        }
        await store.close();
        expect(new Set(finals).size).toBe(finals.length);
        const sent = source.reviews.map(({ reviewId }) => reviewId);
        expect(new Set(sent).size).toBe(sent.length);
        seen.finals += finals.length;
      }),
      { numRuns: 150 },
    );
    expect(seen.finals).toBeGreaterThan(50);
  });
});
