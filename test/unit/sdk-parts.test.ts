import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Condition } from "../../config/index.ts";
import { universalHasher } from "../../protocol/index.ts";
import { coinOf, evidenceOf, fullBudget, holds, refilled, spent } from "../../sdk/index.ts";
import { explain } from "../../sdk/explain.ts";
import { evidence, failure } from "../support/policies.ts";
import { type RunningModel } from "../../models/index.ts";

const model: RunningModel = {
  task: "product_identification",
  reference: { name: "m", version: "1.0.0", digest: "sha256:0" },
  labels: ["Satsuma", "Orange", "Kiwi"],
  coarse: { labels: ["Citrus", "Other"], of: [0, 0, 1] },
  calibration: null,
  coarseCalibration: null,
  provider: "cpu",
  runtime: "stub",
  batchMax: 8,
};
const predicted = (...probabilities: number[]) =>
  evidenceOf({ probabilities: Float32Array.from(probabilities), batch: 1, runMs: 1 }, model);

describe("evidence", () => {
  it("orders the labels and sums the coarse classes", () => {
    const found = predicted(0.25, 0.5, 0.25);
    expect(found.kind === "evidence" && found.top.map(({ label }) => label)).toEqual(["Orange", "Satsuma", "Kiwi"]);
    expect(found.kind === "evidence" && found.coarse).toMatchObject({ label: "Citrus", score: 0.75 });
  });

  it("gives the calibrated confidence to the best label and the rest to the others", () => {
    const calibrated = { ...model, calibration: { method: "platt" as const, a: 0.5, b: 0 } };
    const found = evidenceOf({ probabilities: Float32Array.of(0.9, 0.0625, 0.0375), batch: 1, runMs: 1 }, calibrated);
    if (found.kind === "failure") throw new Error(found.message);
    expect(found.top[0]?.confidence).toBeCloseTo(0.75, 5); // sigmoid(logit(0.9) / 2)
    expect(found.top.reduce((sum, { confidence }) => sum + confidence, 0)).toBeCloseTo(1, 5);
  });

  it("refuses NaN, infinities, negatives and the wrong number of values", () => {
    for (const bad of [Number.NaN, Infinity, -0.1, 1.1]) {
      expect(predicted(0.5, bad, 0.2)).toMatchObject({ kind: "failure", reason: "not_finite" });
    }
    expect(predicted(0.5, 0.5)).toMatchObject({ kind: "failure", reason: "model_output" });
  });
});

describe("conditions in the shape of A2I", () => {
  const check = (condition: Condition, context = {}, coin = 0.5): boolean =>
    holds(condition, { finding: evidence(0.8), context, coin });
  const below = (ConfidenceLessThan: number, Label?: string): Condition => ({
    ConditionType: "ConfidenceCheck",
    ConditionParameters: { ConfidenceLessThan, ...(Label === undefined ? {} : { Label }) },
  });

  it("compare the confidence of the best or of a named label", () => {
    expect(check(below(0.9))).toBe(true);
    expect(check(below(0.8))).toBe(false);
    expect(check(below(0.3, "Orange"))).toBe(true);
    expect(check(below(0.99, "Durian"))).toBe(false);
  });

  it("combine by And, Or and Not", () => {
    expect(check({ And: [below(0.9), { Not: below(0.5) }] })).toBe(true);
    expect(check({ Or: [below(0.1), below(0.2)] })).toBe(false);
  });

  it("read the context, and only its own keys", () => {
    const context = { lane: 3, shelf: "C2" };
    const about = (parameters: Record<string, unknown>): Condition =>
      ({ ConditionType: "ContextCheck", ConditionParameters: parameters }) as Condition;
    expect(check(about({ Key: "lane", GreaterThan: 2, LessThan: 4 }), context)).toBe(true);
    expect(check(about({ Key: "shelf", In: ["C1", "C2"] }), context)).toBe(true);
    expect(check(about({ Key: "constructor", Exists: true }), context)).toBe(false);
    expect(check(about({ Key: "member", Exists: false }), context)).toBe(true);
  });

  it("sample by the case's own coin", () => {
    const sampling: Condition = { ConditionType: "Sampling", ConditionParameters: { RandomSamplingPercentage: 5 } };
    expect(check(sampling, {}, 0.0499)).toBe(true);
    expect(check(sampling, {}, 0.05)).toBe(false);
  });

  it("are false about what the model did not say", () => {
    expect(holds(below(0.9), { finding: failure("no_model"), context: {}, coin: 0 })).toBe(false);
  });
});

describe("the escalation budget", () => {
  it("never allows more than an hour's worth at once, nor more than the rate over time", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.array(fc.integer({ min: 0, max: 600_000 }), { maxLength: 200 }),
        (perHour, gaps) => {
          let nowMs = 0;
          let budget = fullBudget(perHour, nowMs);
          let used = 0;
          for (const gap of gaps) {
            nowMs += gap;
            budget = refilled(budget, perHour, nowMs);
            if (budget.tokens >= 1) {
              budget = spent(budget);
              used += 1;
            }
          }
          return used <= perHour + (nowMs * perHour) / 3_600_000 + 1e-6;
        },
      ),
    );
  });

  it("refills nothing when the clock goes back", () => {
    expect(refilled({ tokens: 0, atMs: 5000 }, 3600, 1000).tokens).toBe(0);
  });
});

describe("the coin", () => {
  const secret = new Uint8Array(32).fill(7);

  it("is fixed by the id and the secret", () => {
    expect(coinOf(universalHasher, secret, "a")).toEqual(coinOf(universalHasher, secret, "a"));
    expect(coinOf(universalHasher, secret, "a")).not.toEqual(coinOf(universalHasher, new Uint8Array(32), "a"));
  });

  it("is uniform: of 4,000 ids each tenth holds its share within five standard errors", () => {
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 4000; i += 1) {
      const { audit } = coinOf(universalHasher, secret, `id-${i}`);
      const tenth = Math.floor(audit * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(Math.abs(count - 400)).toBeLessThan(5 * Math.sqrt(4000 * 0.1 * 0.9));
  });
});

describe("the explanation of a decision", () => {
  const facts = { label: null, confidence: 0, gateThreshold: 0.9, detail: null };

  it("is one sentence, with what is known more before its end", () => {
    expect(explain({ ...facts, reason: "bad_input" })).toBe("The input does not fit the model.");
    expect(explain({ ...facts, reason: "bad_input", detail: "it takes pixels, not features" })).toBe(
      "The input does not fit the model (it takes pixels, not features).",
    );
  });
});
