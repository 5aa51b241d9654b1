import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decisionSchema, reasons, type Reason } from "../../protocol/index.ts";
import {
  decide,
  replay,
  reviewedRevision,
  settledRevision,
  type DecideInputs,
  type Decided,
  type Finding,
} from "../../sdk/index.ts";
import { contractOf, decideInputs, evidence, failure, gateOf, policyOf, scored } from "../support/policies.ts";

const verdictOf = (overrides: Partial<DecideInputs>): Decided["decision"] => decide(decideInputs(overrides)).decision;
const gate = (gateThreshold: number, classes = {}) => gateOf(gateThreshold, { classes });
const contract = gateOf(0, { target: contractOf(0.005) });

describe("the gate", () => {
  it("accepts at the gate threshold itself: it is inclusive", () => {
    const policy = policyOf({ gate: gate(0.9), fallback: [] });
    expect(verdictOf({ policy, finding: evidence(0.9) }).verdict).toBe("accept");
    expect(verdictOf({ policy, finding: evidence(0.9 - 2 ** -50) }).verdict).toBe("abstain");
  });

  it("holds a label to its own gate threshold", () => {
    const policy = policyOf({ gate: gate(0.5, { Satsuma: 0.99 }) });
    expect(verdictOf({ policy, finding: evidence(0.97) })).toMatchObject({ verdict: "escalate", gateThreshold: 0.99 });
  });

  it("accepts nothing under a contract without a certificate, however sure the model is", () => {
    const decision = verdictOf({ policy: policyOf({ gate: contract }), finding: evidence(1, scored("Citrus", 1)) });
    expect(decision).toMatchObject({ verdict: "escalate", gateThreshold: 1, reasons: ["uncertified"] });
  });
});

describe("the ladder", () => {
  const unsure = evidence(0.6, scored("Citrus", 0.99, 2));

  it("gives the coarse answer where that is sure", () => {
    expect(verdictOf({ finding: unsure })).toMatchObject({
      verdict: "accept",
      status: "final",
      answer: { label: "Citrus" },
      confidence: 0.99,
      reasons: ["coarse_answer", "below_gate"],
    });
  });

  it("asks a person where it is not, with the model's answer as a provisional one", () => {
    expect(verdictOf({ finding: evidence(0.6, scored("Citrus", 0.7)) })).toMatchObject({
      verdict: "escalate",
      status: "pending",
      decidedBy: "model",
      answer: { label: "Satsuma", alternatives: [{ label: "Orange" }] },
      reasons: ["below_gate"],
    });
  });

  const obstacles: readonly [why: string, overrides: Partial<DecideInputs>, reason: Reason][] = [
    ["nobody can be asked", { reviewer: false }, "no_reviewer"],
    ["the hour's escalations are used up", { budget: 0.99 }, "budget_exhausted"],
    ["the journal is full of unanswered cases", { storage: false }, "storage_full"],
  ];
  for (const [why, overrides, reason] of obstacles) {
    it(`takes the safe action when ${why}`, () => {
      const decided = decide(decideInputs({ finding: evidence(0.6), ...overrides }));
      expect(decided.decision).toMatchObject({
        verdict: "abstain",
        status: "final",
        decidedBy: "fallback",
        answer: { label: "ask-shopper" },
        reasons: ["below_gate", reason, "safe_action"],
      });
      expect(decided.spent).toBe(false);
    });
  }

  it("ends in the safe action when no rung is declared, and in no answer when none is declared either", () => {
    const policy = policyOf({ fallback: [], safeAction: null });
    expect(verdictOf({ policy, finding: evidence(0.1) })).toMatchObject({ verdict: "abstain", answer: null });
  });

  it("turns every failure of the model into an escalation with its reason", () => {
    for (const reason of ["no_model", "model_error", "not_finite", "timeout", "quarantined", "bad_picture"] as const) {
      expect(verdictOf({ finding: failure(reason), model: null, provider: "none" })).toMatchObject({
        verdict: "escalate",
        answer: null,
        confidence: 0,
        reasons: [reason],
      });
    }
  });
});

describe("rules", () => {
  const rule = (then: DecideInputs["policy"]["rules"][number]["then"], key = "lane") =>
    policyOf({
      rules: [
        { name: "r1", when: { ConditionType: "ContextCheck", ConditionParameters: { Key: key, Equals: 3 } }, then },
      ],
    });

  it("decide before the gate does", () => {
    const context = { lane: 3 };
    expect(verdictOf({ context, policy: rule({ verdict: "accept", label: "Banana" }) })).toMatchObject({
      decidedBy: "rule",
      answer: { label: "Banana" },
      reasons: ["rule"],
    });
    expect(verdictOf({ context, policy: rule({ verdict: "escalate" }), finding: evidence(0.999) })).toMatchObject({
      verdict: "escalate",
      reasons: ["rule"],
    });
    expect(verdictOf({ context, policy: rule({ verdict: "abstain" }) })).toMatchObject({ verdict: "abstain" });
  });

  it("are passed over when they do not hold, and when they accept an answer that nobody gave", () => {
    expect(verdictOf({ policy: rule({ verdict: "abstain" }) }).decidedBy).toBe("model");
    const policy = rule({ verdict: "accept", label: null });
    expect(verdictOf({ context: { lane: 3 }, policy, finding: failure("no_model") }).verdict).toBe("escalate");
  });
});

describe("the audit coin", () => {
  it("marks accepted decisions of the model below the share, and nothing else", () => {
    const policy = policyOf({ auditShare: 0.02 });
    const low = { audit: 0.019, rules: 0.5 };
    expect(decide(decideInputs({ policy, coin: low })).audit).toBe(true);
    expect(decide(decideInputs({ policy, coin: { ...low, audit: 0.02 } })).audit).toBe(false);
    expect(decide(decideInputs({ policy, coin: low, finding: evidence(0.2) })).audit).toBe(false);
  });

  it("draws half of the share uniformly and half where a label tells most, and says with what chance", () => {
    const policy = policyOf({ auditShare: 0.02, gate: gateOf(0.5) });
    const sampled = (confidence: number, audit: number) => {
      const coin = { audit, rules: 0.5 };
      return decide(decideInputs({ policy, coin, finding: evidence(confidence), auditScale: 0.1 }));
    };
    // 0.01 + 0.01 · √(0.9 · 0.1) / 0.1
    expect(sampled(0.9, 0.0399)).toMatchObject({ audit: true, sample: { uniform: false } });
    expect(sampled(0.9, 0.0399).sample?.propensity).toBeCloseTo(0.04, 12);
    expect(sampled(0.9, 0.0401)).toMatchObject({ audit: false, sample: null });
    // However sure the model is, half of the share is never taken away.
    expect(sampled(1, 0.0099)).toMatchObject({ audit: true, sample: { propensity: 0.01, uniform: true } });
    expect(sampled(1, 0.0101).audit).toBe(false);
    const everything = decideInputs({ policy: policyOf({ auditShare: 1 }), finding: evidence(0.999), auditScale: 0.5 });
    expect(decide({ ...everything, coin: { audit: 0.999, rules: 0 } })).toMatchObject({ audit: true });
  });

  it("is recorded with its scale, so that replay draws the same", () => {
    const policy = policyOf({ auditShare: 0.1, gate: gateOf(0.5) });
    const inputs = decideInputs({ policy, finding: evidence(0.8), auditScale: 0.2, coin: { audit: 0.14, rules: 0.5 } });
    const { decision, trace } = decide(inputs);
    expect(decision.reasons).toEqual(["confident", "audit"]);
    const again = { finding: inputs.finding, runtime: "stub", provider: "cpu" };
    expect(replay({ decision, context: {}, trace, policy, again }).kind).toBe("exact");
    const { auditScale, ...older } = trace;
    expect(auditScale).toBe(0.2);
    expect(replay({ decision, context: {}, trace: older, policy, again }).kind).toBe("changed");
  });

  it("says of an escalation that people look for certain, and of a rule's that it was a rule's", () => {
    const held = decide(decideInputs({ finding: evidence(0.2) }));
    expect(held.sample).toMatchObject({ propensity: 1, rule: false, confidence: 0.2, rung: "fine" });
    const policy = policyOf({
      rules: [{ name: "all", when: { Not: { Or: [] } }, then: { verdict: "escalate" } }],
    });
    expect(decide(decideInputs({ policy })).sample).toMatchObject({ propensity: 1, rule: true });
  });
});

describe("a review", () => {
  const pending = decide(decideInputs({ finding: evidence(0.6) }));
  const fallback = { policy: policyOf(), trace: pending.trace };
  const time = { atMs: 1_795_000_060_000, latencyMs: 60_000 };

  it("makes the case final under the next revision and leaves the verdict the gate's", () => {
    const decision = reviewedRevision(pending.decision, { kind: "label", label: "Orange" }, "Kim", fallback, time);
    expect(decision).toMatchObject({
      revision: 2,
      status: "final",
      verdict: "escalate",
      decidedBy: "reviewer",
      answer: { label: "Orange" },
    });
  });

  it("that cannot tell takes the next rung", () => {
    const decision = reviewedRevision(pending.decision, { kind: "cannot_tell" }, "Kim", fallback, time);
    expect(decision).toMatchObject({ decidedBy: "fallback", answer: { label: "ask-shopper" } });
    expect(decision.reasons).toEqual(["cannot_tell", "safe_action"]);
  });

  it("that never comes ends in the safe action even when the config is gone", () => {
    const decision = settledRevision(pending.decision, "review_expired", { policy: null, trace: null }, time);
    expect(decisionSchema.parse(decision)).toMatchObject({ status: "final", answer: null, revision: 2 });
  });
});

const share = fc.double({ min: 0, max: 1, noNaN: true });
const finding: fc.Arbitrary<Finding> = fc.oneof(
  fc.record({ kind: fc.constant("failure" as const), reason: fc.constantFrom(...reasons), message: fc.string() }),
  fc
    .tuple(share, share)
    .map(([confidence, coarse]) => evidence(confidence, coarse > 0.3 ? scored("Citrus", coarse) : null)),
  fc.constant({ kind: "evidence" as const, top: [], coarse: null }),
);

describe("laws of decide()", () => {
  const inputs = fc.record({
    finding,
    budget: fc.option(fc.double({ min: 0, max: 5, noNaN: true })),
    reviewer: fc.boolean(),
    storage: fc.boolean(),
    coin: fc.record({ audit: share, rules: share }),
    policy: fc.record({
      gate: fc.oneof(
        share.map((value) => gate(value)),
        fc.constant(contract),
      ),
      auditShare: share,
      fallback: fc.shuffledSubarray(["coarse_answer", "human_review", "safe_action"] as const),
    }),
  });

  it("it is total, its decision fits the contract, and the same inputs give the same decision", () => {
    fc.assert(
      fc.property(inputs, ({ policy, ...rest }) => {
        const given = decideInputs({ ...rest, policy: policyOf(policy) });
        const decided = decide(given);
        expect(decisionSchema.safeParse(decided.decision).success).toBe(true);
        expect(decide(given)).toEqual(decided);
        const { verdict, status, confidence, gateThreshold, decidedBy } = decided.decision;
        expect(status === "pending").toBe(verdict === "escalate");
        if (verdict === "accept" && decidedBy === "model") expect(confidence).toBeGreaterThanOrEqual(gateThreshold);
        if (verdict === "escalate") expect(rest.reviewer && rest.storage).toBe(true);
      }),
    );
  });

  it("a higher gate threshold never accepts what a lower one did not", () => {
    fc.assert(
      fc.property(finding, share, share, (found, a, b) => {
        const accepts = (gateThreshold: number): boolean =>
          verdictOf({ finding: found, policy: policyOf({ gate: gate(gateThreshold) }) }).verdict === "accept";
        return !accepts(Math.max(a, b)) || accepts(Math.min(a, b));
      }),
    );
  });
});
