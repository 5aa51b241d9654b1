import fc from "fast-check";
import { type Condition, type GatePolicy, type Rule, type TaskPolicy } from "../../config/index.ts";
import { type Calibration, type RunningModel } from "../../models/index.ts";
import { reasons } from "../../protocol/index.ts";
import { type DecideInputs, type Finding } from "../../sdk/index.ts";
import { type SeededCase, type SeededPrediction } from "./browser-seeded.ts";
import { contractOf, decideInputs, policyOf } from "./policies.ts";

/** Inputs for decide() that reach every rung, rule and reason. */

const labels = ["Satsuma", "Orange", "Oatly-Oat-Milk", "Kiwi"];
const label = fc.constantFrom(...labels);
const share = fc.oneof(fc.constantFrom(0, 0.5, 0.9, 0.95, 1), fc.double({ min: 0, max: 1, noNaN: true }));
const optional = { requiredKeys: [] };

const gate: fc.Arbitrary<GatePolicy> = fc.record({
  target: fc.oneof(
    { weight: 4, arbitrary: share.map((gateThreshold) => ({ kind: "number" as const, gateThreshold })) },
    { weight: 1, arbitrary: fc.constant(contractOf(0.01)) },
  ),
  classes: fc.dictionary(label, share, { maxKeys: 2 }),
  classContracts: fc.dictionary(label, fc.constant(contractOf(0.02)), { maxKeys: 1 }),
  coarse: fc.option(share),
  coarseContract: fc.option(fc.constant(contractOf(0.05))),
  floor: fc.constant(null),
  certificates: fc.constant([]),
});

const comparison = fc.record(
  { Label: label, ConfidenceLessThan: share, ConfidenceGreaterThanEquals: share, ConfidenceEquals: share },
  optional,
);
const contextTest = fc.record(
  { Equals: fc.constantFrom("C2", 7, true), LessThan: fc.integer(), Exists: fc.boolean() },
  optional,
);
const { condition } = fc.letrec<{ condition: Condition; leaf: Condition }>((tie) => ({
  leaf: fc.oneof(
    comparison.map((given): Condition => ({ ConditionType: "ConfidenceCheck", ConditionParameters: given })),
    fc
      .array(label, { minLength: 1, maxLength: 2 })
      .map((LabelIn): Condition => ({ ConditionType: "LabelCheck", ConditionParameters: { LabelIn } })),
    fc
      .tuple(fc.constantFrom("shelf", "weight", "missing"), contextTest)
      .map(([Key, test]): Condition => ({ ConditionType: "ContextCheck", ConditionParameters: { Key, ...test } })),
    fc.double({ min: 0.01, max: 100, noNaN: true }).map((percent): Condition => ({
      ConditionType: "Sampling",
      ConditionParameters: { RandomSamplingPercentage: percent },
    })),
  ),
  condition: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("condition"), { minLength: 1, maxLength: 2 }).map((And): Condition => ({ And })),
    fc.array(tie("condition"), { minLength: 1, maxLength: 2 }).map((Or): Condition => ({ Or })),
    tie("condition").map((Not): Condition => ({ Not })),
  ),
}));
const rule: fc.Arbitrary<Rule> = fc.record({
  name: fc.constant("a rule"),
  when: condition,
  then: fc.oneof(
    fc.option(label).map((then) => ({ verdict: "accept" as const, label: then })),
    fc.constantFrom({ verdict: "escalate" as const }, { verdict: "abstain" as const }),
  ),
});

const policy: fc.Arbitrary<TaskPolicy> = fc
  .record({
    gate,
    rules: fc.array(rule, { maxLength: 2 }),
    fallback: fc.shuffledSubarray(["coarse_answer", "human_review", "safe_action"] as const),
    safeAction: fc.constantFrom(null, { label: "ask-shopper" }),
    auditShare: share,
  })
  .map(policyOf);

const scored = (confidence: number, at: number) => ({
  label: labels[at] ?? "",
  index: at,
  score: confidence,
  confidence,
});
const finding: fc.Arbitrary<Finding> = fc.oneof(
  fc.constantFrom(...reasons).map((reason): Finding => ({ kind: "failure", reason, message: "for the test" })),
  fc.record({ top: fc.array(share, { maxLength: 4 }), coarse: fc.option(share) }).map(({ top, coarse }): Finding => ({
    kind: "evidence",
    top: top.sort((a, b) => b - a).map(scored),
    coarse: coarse === null ? null : { ...scored(coarse, 0), label: "Citrus" },
  })),
);

const number = fc.double({ min: 0.2, max: 3, noNaN: true });
const calibration: fc.Arbitrary<Calibration> = fc.oneof(
  fc.record({ method: fc.constant("identity" as const) }),
  fc.record({ method: fc.constant("beta" as const), a: number, b: number, c: number }),
  fc.record({ method: fc.constant("platt" as const), a: number, b: number }),
  fc.record({ method: fc.constant("temperature" as const), t: number }),
);
const model: fc.Arbitrary<RunningModel> = fc.record({
  task: fc.constant("product_identification"),
  reference: fc.constant({ name: "product-id", version: "1.0.0", digest: "sha256:a0" }),
  labels: fc.constant(labels),
  coarse: fc.constantFrom(null, { labels: ["Citrus", "Other"], of: [0, 0, 1, 1] }),
  calibration: fc.option(calibration),
  coarseCalibration: fc.option(calibration),
  provider: fc.constant("cpu"),
  runtime: fc.constant("stub"),
  batchMax: fc.constant(8),
});
const prediction: fc.Arbitrary<SeededPrediction> = fc.record({
  probabilities: fc
    .array(fc.double({ min: 0.001, max: 1, noNaN: true }), { minLength: labels.length, maxLength: labels.length })
    // Sharpened, so that some are sure.
    .map((values) => values.map((value) => value ** 8))
    .map((values) => values.map((value) => value / values.reduce((sum, one) => sum + one, 0))),
  model,
});

const seededCase: fc.Arbitrary<SeededCase> = fc.record({
  inputs: fc
    .record({
      id: fc.uuid({ version: 7 }),
      context: fc.record({ shelf: fc.constantFrom("C2", "D1"), weight: fc.integer() }, optional),
      policy,
      finding,
      budget: fc.option(fc.double({ min: 0, max: 3, noNaN: true })),
      reviewer: fc.boolean(),
      storage: fc.boolean(),
    })
    .map((overrides): DecideInputs => decideInputs(overrides)),
  secret: fc.array(fc.nat({ max: 255 }), { minLength: 32, maxLength: 32 }),
});

/** The same cases for the same seed, as JSON carries them: both sides read the same numbers. */
export function seededCases(seed: number, count: number): readonly SeededCase[] {
  return sampled(seededCase, seed, count);
}

export function seededPredictions(seed: number, count: number): readonly SeededPrediction[] {
  return sampled(prediction, seed, count);
}

function sampled<T>(arbitrary: fc.Arbitrary<T>, seed: number, count: number): readonly T[] {
  return JSON.parse(JSON.stringify(fc.sample(arbitrary, { seed, numRuns: count }))) as T[];
}
