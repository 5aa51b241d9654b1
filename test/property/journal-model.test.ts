import fc from "fast-check";
import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { type Decision, type DecisionRequest } from "../../protocol/index.ts";
import { openForTest, temporaryDirectory, type SqliteUnderTest } from "../contract/journal-sqlite.ts";
import {
  admissionOf,
  canonicalInput,
  decisionOf,
  HandClock,
  makeRequest,
  recordOf,
  reviewOf,
  settledBy,
} from "../support/journal-cases.ts";

/**
 * The journal against a model of a dozen lines: any sequence of calls on a few cases, some of them at the same time,
 * with restarts in between, leaves both with the same cases.
 */

interface ModelCase {
  revisions: Decision[];
  reviews: string[];
  outcomes: string[];
  undelivered: number[];
  erased: boolean;
}

type Step =
  | { readonly op: "admit" | "conflict" | "settle" | "erase" | "restart"; readonly of: number }
  | { readonly op: "decide" | "ask"; readonly of: number; readonly verdict: Decision["verdict"] }
  | { readonly op: "review" | "outcome"; readonly of: number; readonly label: string }
  | { readonly op: "delivered"; readonly of: number; readonly revision: number };

const casesMax = 4;
const of = fc.nat(casesMax - 1);
const label = fc.constantFrom("Oatly-Oat-Milk", "Arla-Milk", "Alpro");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 25, arbitrary: fc.record({ op: fc.constant("admit" as const), of }) },
  {
    weight: 35,
    arbitrary: fc.record({
      // ask: request and decision in one step.
      op: fc.constantFrom("decide" as const, "ask" as const),
      of,
      verdict: fc.constantFrom("accept" as const, "escalate" as const, "abstain" as const),
    }),
  },
  { weight: 25, arbitrary: fc.record({ op: fc.constantFrom("review" as const, "outcome" as const), of, label }) },
  {
    weight: 25,
    arbitrary: fc.record({ op: fc.constantFrom("conflict" as const, "settle" as const, "erase" as const), of }),
  },
  {
    weight: 15,
    arbitrary: fc.record({ op: fc.constant("delivered" as const), of, revision: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("restart" as const), of }) },
);

/** What the journal is told, and the answer that the model expects. */
class Model {
  readonly requests: readonly DecisionRequest[] = Array.from({ length: casesMax }, () => makeRequest());
  readonly cases = new Map<string, ModelCase>();

  expected(one: Step): unknown {
    const request = this.requests[one.of] as DecisionRequest;
    const found = this.cases.get(request.id);
    const latest = found?.revisions.at(-1) ?? null;
    switch (one.op) {
      case "restart":
        return "restarted";
      case "admit":
        if (found !== undefined) return { kind: "known", decision: latest };
        this.cases.set(request.id, { revisions: [], reviews: [], outcomes: [], undelivered: [], erased: false });
        return { kind: "admitted" };
      case "ask": {
        if (found !== undefined) return { kind: "known", decision: latest };
        const fresh = { revisions: [], reviews: [], outcomes: [], undelivered: [], erased: false };
        this.cases.set(request.id, fresh);
        this.#revise(fresh, decisionOf(request, one.verdict));
        return { kind: "admitted", decided: true };
      }
      case "conflict":
        if (found === undefined) return "not tried";
        return found.erased ? { kind: "known", decision: latest } : { kind: "conflict" };
      case "decide":
        if (found === undefined) return "HP_NOT_FOUND";
        if (latest === null) this.#revise(found, decisionOf(request, one.verdict));
        return undefined;
      case "settle": {
        if (latest?.status !== "pending") return null;
        const revision = settledBy(latest);
        this.#revise(found as ModelCase, revision);
        return revision;
      }
      case "review":
        return this.#review(found, latest, one.label);
      case "outcome":
        if (found === undefined) return "unknown_id";
        if (found.outcomes.includes(one.label)) return "known";
        found.outcomes.push(one.label);
        return "recorded";
      case "erase":
        if (found === undefined || found.erased) return false;
        found.erased = true;
        return true;
      case "delivered":
        if (found !== undefined) found.undelivered = found.undelivered.filter((number) => number !== one.revision);
        return undefined;
    }
  }

  #review(found: ModelCase | undefined, latest: Decision | null, chosen: string): unknown {
    if (found === undefined || latest === null) return { kind: "unknown" };
    if (found.reviews.includes(chosen)) return "repeated";
    found.reviews.push(chosen);
    if (latest.status === "final")
      return { kind: "label", decision: latest, conflict: latest.answer?.label !== chosen };
    const { revision } = reviewOf(latest, chosen);
    this.#revise(found, revision);
    return { kind: "final", decision: revision };
  }

  #revise(found: ModelCase, revision: Decision): void {
    found.revisions.push(revision);
    found.undelivered.push(revision.revision);
  }
}

async function real(under: SqliteUnderTest, model: Model, one: Step, device: string): Promise<unknown> {
  const { journal } = under;
  const request = model.requests[one.of] as DecisionRequest;
  const { id } = request;
  const latest = model.cases.get(id)?.revisions.at(-1) ?? decisionOf(request, "escalate");
  switch (one.op) {
    case "restart":
      return "restarted";
    case "admit":
      return journal.admit(admissionOf(request, { device }));
    case "ask": {
      const record = recordOf(decisionOf(request, one.verdict));
      return journal.admit(admissionOf(request, { device, decision: () => record }));
    }
    case "conflict":
      if (!model.cases.has(id)) return "not tried";
      return journal.admit(admissionOf({ ...request, context: { basket: "another" } }, { device }));
    case "decide":
      return journal
        .decide(recordOf(decisionOf(request, one.verdict)))
        .catch((error: unknown) => (error as { code: string }).code);
    case "settle":
      return journal.settle({ revision: settledBy(latest) });
    case "review":
      return journal.review(reviewOf(latest, one.label, `${id} ${one.label}`));
    case "outcome":
      return journal.outcome("till-1", { id, label: one.label, source: "pos", at: 1 });
    case "erase":
      return journal.erase(id);
    case "delivered":
      return journal.delivered(device, id, one.revision);
  }
}

const dir = temporaryDirectory();
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("any sequence of calls leaves the journal and the model with the same cases", async () => {
  const clock = new HandClock();
  let under = await openForTest({ dir, clock });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.boolean(), async (steps, together) => {
      runs += 1;
      const device = `camera-${runs}`;
      const model = new Model();
      const answers: Promise<unknown>[] = [];
      const expected: unknown[] = [];
      for (const one of steps) {
        if (one.op === "restart" && !together) under = (await under.reopen()) as SqliteUnderTest;
        const answer = real(under, model, one, device);
        answers.push(answer);
        expected.push(model.expected(one));
        // Alone: a commit for each. Together: as many as the writer finds share one.
        if (!together) await answer;
      }
      const got = await Promise.all(answers);
      for (const [index, answer] of got.entries()) {
        if (expected[index] !== "repeated") expect(answer, JSON.stringify(steps[index])).toEqual(expected[index]);
      }
      await compare(under, model, device);
    }),
    { numRuns: 60 },
  );
  expect(await under.journal.verify()).toMatchObject({ intact: true });
  await under.journal.close();
});

async function compare(under: SqliteUnderTest, model: Model, device: string): Promise<void> {
  const { journal } = under;
  const undelivered: string[] = [];
  for (const request of model.requests) {
    const { id } = request;
    const kept = model.cases.get(id);
    const found = await journal.find(id);
    if (kept === undefined) {
      expect(found).toBeNull();
      continue;
    }
    undelivered.push(...kept.undelivered.map((revision) => `${id} ${revision}`));
    expect(found?.revisions).toEqual(kept.revisions);
    expect(found?.state).toBe(kept.revisions.at(-1)?.status ?? "received");
    expect(found?.reviews.map(({ reviewId }) => reviewId)).toEqual(kept.reviews.map((chosen) => `${id} ${chosen}`));
    expect(found?.outcomes.map((outcome) => outcome.label)).toEqual(kept.outcomes);
    expect(found?.inputState).toBe(kept.erased ? "erased" : "kept");
    expect(canonicalInput(await journal.input(id))).toEqual(kept.erased ? null : canonicalInput(request.input));
  }
  const waiting = await journal.undelivered(device, 100);
  expect(waiting.map(({ decision }) => `${decision.id} ${decision.revision}`).sort()).toEqual(undelivered.sort());
}
