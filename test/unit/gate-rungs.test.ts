import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { caseSamples } from "../../cloud-sync/hub/ingest/case-sample.ts";
import { readItem } from "../../cloud-sync/hub/ingest/ingest-items.ts";
import { placeOf } from "../../cloud-sync/hub/gate/coarse-residual.ts";
import { certify } from "../../models/measure/certify.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";
import { outboxBodies, type Certificate, type Decision } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { isRest } from "../../sdk/gate.ts";
import { coarseGateThreshold, decide, gateThresholdOf, type GateBy } from "../../sdk/index.ts";
import { certificate } from "../support/certificates.ts";
import { escalation, heldDecision } from "../support/hub-items.ts";
import { contractOf, decideInputs, evidence, gateOf, policyOf, scored } from "../support/policies.ts";

const idOf = (n: number): string => `01935b2a-7c00-7abc-8def-${String(n).padStart(12, "0")}`;
const groups = "a".repeat(64);
const by: GateBy = { model: "sha256:a0", calibration: "none", coarseCalibration: "none", lapsed: [], groups };
const underContract = gateOf(0, { target: contractOf(0.01), coarseContract: contractOf(0.1) });
/** As the command makes one: of whatever it was given. */
const unbounded = certificate({
  ...{ id: idOf(7), rung: "coarse", model: "sha256:a0", calibration: "none", maxError: 0.1, gateThreshold: 0.8 },
});
const coarse = (more: Partial<Certificate> = {}): Certificate => ({
  ...{ ...unbounded, residual: { below: null, adjust: null }, ...more },
});
const fine = (gateThreshold: number): Certificate =>
  certificate({ id: idOf(3), model: "sha256:a0", calibration: "none", maxError: 0.01, gateThreshold });
const gateWith = (...certificates: Certificate[]) => ({ ...underContract, certificates });

describe("the second answer of a case that goes to people", () => {
  it("is the coarse one, with its own confidence and what its gate would have accepted", () => {
    const inputs = decideInputs({
      by,
      policy: policyOf({ gate: underContract }),
      finding: evidence(0.6, scored("Fruit", 0.9)),
    });
    const { sample, decision } = decide(inputs);
    expect(decision).toMatchObject({ verdict: "escalate", answer: { label: "Satsuma" } });
    expect(sample).toMatchObject({ rung: "fine", confidence: 0.6, propensity: 1, groups });
    expect(sample?.second).toEqual({
      ...{ rung: "coarse", label: "Fruit", confidence: 0.9, calibration: "none" },
      ...{ gateThreshold: 1, certificate: null, accepts: false },
    });
    expect(outboxBodies.escalation.parse({ id: decision.id, decision, sample })).toMatchObject({ sample });
  });

  it("is there as well where the ladder has no coarse rung, and not where the model has no groups", () => {
    const policy = policyOf({ gate: gateWith(coarse()), fallback: ["human_review"] });
    const second = (finding = evidence(0.6, scored("Fruit", 0.9))) =>
      decide(decideInputs({ by, policy, finding })).sample?.second;
    expect(second()).toMatchObject({ label: "Fruit", accepts: false });
    expect(second(evidence(0.6))).toBeUndefined();
  });

  it("of a coarse answer that is looked at is the fine one; what the fine gate accepted has none", () => {
    const inputs = decideInputs({ by, coin: { audit: 0, rules: 0 }, finding: evidence(0.6, scored("Fruit", 0.9)) });
    const policy = policyOf({ auditShare: 1, gate: gateWith(coarse()) });
    const taken = decide({ ...inputs, policy });
    expect(taken).toMatchObject({ audit: true, decision: { verdict: "accept", answer: { label: "Fruit" } } });
    expect(taken.sample).toMatchObject({ rung: "coarse", confidence: 0.9 });
    expect(taken.sample?.second).toMatchObject({ rung: "fine", label: "Satsuma", confidence: 0.6, accepts: false });
    const sure = decide({ ...inputs, policy: policyOf({ auditShare: 1, gate: gateOf(0.5) }) });
    expect(sure).toMatchObject({ audit: true, decision: { answer: { label: "Satsuma" } } });
    expect(sure.sample?.second).toBeUndefined();
  });
});

describe("what a coarse certificate speaks of", () => {
  const at = (gate: ReturnType<typeof gateWith>) => coarseGateThreshold(gate, by);

  it("is what a fine gate leaves that asks for as much as then, or more", () => {
    const below = { residual: { below: 0.9, adjust: null } };
    expect(at(gateWith(coarse(below), fine(0.9)))).toMatchObject({ certified: true, gateThreshold: 0.8 });
    expect(at(gateWith(coarse(below), fine(0.95)))).toMatchObject({ certified: true });
    expect(at(gateWith(coarse(below)))).toMatchObject({ certified: true });
    expect(at(gateWith(coarse(below), fine(0.8)))).toMatchObject({ certified: false, why: "other_rest" });
    // Where nothing was accepted at the fine gate, its labels were of all cases.
    expect(at(gateWith(coarse()))).toMatchObject({ certified: true });
    expect(at(gateWith(coarse(), fine(0.99)))).toMatchObject({ certified: false, why: "other_rest" });
  });

  it("does not reach to cases that a fine gate has only held since", () => {
    const gate = gateWith(coarse({ residual: { below: 0.7, adjust: null } }));
    const verdict = (confidence: number): Decision["verdict"] => {
      const finding = evidence(confidence, scored("Fruit", 0.99));
      return decide(decideInputs({ by, policy: policyOf({ gate }), finding })).decision.verdict;
    };
    expect(verdict(0.69)).toBe("accept");
    expect(verdict(0.7)).toBe("escalate");
  });

  it("is read under the store's own calibration of fine answers", () => {
    const adjust = { slope: 1, offset: -2 };
    const { certificate: held, ...rest } = at(gateWith(coarse({ residual: { below: 0.7, adjust } })));
    const open = gateThresholdOf(gateWith(), "Satsuma", by);
    // 0.9 of the model is 0.55 in this store.
    expect(isRest({ certificate: held, ...rest }, 0.9, open)).toBe(true);
    expect(isRest({ certificate: held, ...rest }, 0.95, open)).toBe(false);
  });

  it("never accepts what it would not have accepted without a residual", () => {
    const shares = fc.integer({ min: 0, max: 20 }).map((part) => part / 20);
    fc.assert(
      fc.property(fc.option(shares), fc.option(shares), shares, shares, (below, fineGate, own, group) => {
        const finding = evidence(own, scored("Fruit", group));
        const others = fineGate === null ? [] : [fine(fineGate)];
        const verdict = (held: Certificate) => {
          const gate = gateWith(held, ...others);
          return decide(decideInputs({ by, policy: policyOf({ gate }), finding })).decision.verdict;
        };
        const isBounded = verdict(coarse({ residual: { below, adjust: null } })) === "accept";
        if (isBounded) expect(verdict(unbounded)).toBe("accept");
      }),
    );
  });

  it("must be of what the fine gate leaves: labels of all cases would break the promise", () => {
    const random = seededDraw(5);
    const [contract, at] = [{ maxError: 0.1, delta: 0.1 }, 0.9];
    const draws = 200;
    const broken = (isRestOnly: boolean): number => {
      let certificates = 0;
      for (let draw = 0; draw < draws; draw += 1) {
        // Half of the cases are easy, and those are what a fine gate at 0.9 accepts: its rest is wrong in 13 %.
        const labels = Array.from({ length: 800 }, () => {
          const isEasy = random() < 0.5;
          const own = isEasy ? at + 0.1 * random() : at * random();
          return { own, group: random(), isRight: random() >= (isEasy ? 0.001 : 0.13) };
        });
        const residual = { below: isRestOnly ? at : null, calibration: "none" };
        const counted = labels.filter(({ own }) => {
          const said = { fine_confidence: own, fine_calibration: "none", fine_gate_threshold: isRestOnly ? at : null };
          return placeOf(said, residual, null) === "inside";
        });
        const { gateThreshold } = certify(
          counted.map(({ group }) => group),
          counted.map(({ isRight }) => (isRight ? 1 : 0)),
          contract,
        );
        if (gateThreshold !== null) certificates += 1;
      }
      return certificates / draws;
    };
    expect(broken(true)).toBeLessThan(contract.delta + 2 * Math.sqrt((contract.delta * 0.9) / draws));
    expect(broken(false)).toBeGreaterThan(0.7);
  });

  it("is the same at the hub: a label is of it or not by what the gates knew, whatever it says", () => {
    const label = (confidence: number | null, gateThreshold: number | null) => ({
      ...{ fine_confidence: confidence, fine_gate_threshold: gateThreshold, fine_calibration: "none" },
    });
    const all = { below: null, calibration: "none" };
    expect(placeOf(label(0.99, null), all, null)).toBe("inside");
    expect(placeOf(label(0.5, 0.9), all, null)).toBe("harder");
    const some = { below: 0.9, calibration: "none" };
    expect(placeOf(label(0.89, 0.9), some, null)).toBe("inside");
    expect(placeOf(label(0.9, null), some, null)).toBe("outside");
    expect(placeOf(label(0.92, 0.95), some, null)).toBe("outside");
    expect(placeOf(label(0.92, 0.95), some, { slope: 1, offset: -1 })).toBe("inside");
    expect(placeOf(label(0.5, 0.8), some, null)).toBe("harder");
    expect(placeOf(label(null, 0.9), some, null)).toBe("outside");
    expect(placeOf({ ...label(0.5, 0.9), fine_calibration: "sha256:b" }, some, null)).toBe("outside");
  });
});

describe("what the hub makes of an agent's word about both rungs", () => {
  const second = {
    ...{ rung: "coarse", label: "Fruit", confidence: 0.9, calibration: "none" },
    ...{ gateThreshold: 1, certificate: null, accepts: false },
  };
  const sampleOf = (more: object) => ({
    ...{
      propensity: 1,
      uniform: false,
      rule: false,
      rung: "fine",
      confidence: 0.6,
      calibration: "none",
      groups,
      ...more,
    },
  });
  const read = (sample: object, decided: Partial<Decision> = {}, kind: "escalation" | "audit" = "escalation") => {
    const decision = { ...heldDecision(), gateThreshold: 1, reasons: ["uncertified" as const], ...decided };
    const body = JSON.stringify({ decision, id: decision.id, sample });
    const item = readItem({ ...escalation(1, decision), kind, body }, nodeHasher);
    if (item.kind !== "case") throw new Error(JSON.stringify(item));
    return caseSamples(item);
  };

  it("takes both answers of an escalation, with what the fine gate made of it", () => {
    const both = read(sampleOf({ second }));
    expect(both.sample).toMatchObject({ rung: "fine", predicted: "Royal-Gala", isUncertified: true, fine: null });
    expect(both.second).toMatchObject({
      ...{ rung: "coarse", predicted: "Fruit", confidence: 0.9, isUncertified: true, groups, propensity: 1 },
      fine: { confidence: 0.6, calibration: "none", gateThreshold: null },
    });
    const under = read(sampleOf({ second }), { certificate: idOf(1), gateThreshold: 0.9, reasons: ["below_gate"] });
    expect(under.sample).toMatchObject({ isUncertified: false, isAudited: true });
    expect(under.second).toMatchObject({ isUncertified: true, fine: { gateThreshold: 0.9 } });
  });

  it("takes one answer of an agent that sends no second", () => {
    const { sample, second: none } = read(sampleOf({ groups: undefined }));
    expect(sample).toMatchObject({ rung: "fine", isUncertified: true, groups: null });
    expect(none).toBeNull();
  });

  it("knows that fine answers have no certain labels while the coarse gate accepts", () => {
    const accepting = { ...second, gateThreshold: 0.8, certificate: idOf(2), accepts: true };
    expect(read(sampleOf({ second: accepting })).sample).toMatchObject({ isUncertified: false, isAudited: true });
    // A number that somebody guessed: nobody knows how many of its decisions were looked at.
    const guessed = { ...accepting, certificate: null };
    expect(read(sampleOf({ second: guessed })).sample).toMatchObject({ isUncertified: false, isAudited: false });
    // Whoever names a certificate could accept under it, whatever else is said.
    const denying = { ...accepting, accepts: false };
    expect(read(sampleOf({ second: denying })).second).toMatchObject({ isUncertified: false, isAudited: true });
  });

  it("takes the fine answer of a coarse one that was drawn", () => {
    const drawn = sampleOf({
      ...{ rung: "coarse", confidence: 0.95, propensity: 0.2 },
      second: { ...second, rung: "fine", label: "Royal-Gala", confidence: 0.6 },
    });
    const decided = {
      certificate: idOf(2),
      gateThreshold: 0.8,
      answer: { label: "Fruit" },
      verdict: "accept" as const,
    };
    const both = read(drawn, decided, "audit");
    expect(both.sample).toMatchObject({
      ...{ rung: "coarse", predicted: "Fruit", isUncertified: false, isAudited: true, propensity: 0.2 },
      fine: { confidence: 0.6, gateThreshold: null },
    });
    expect(both.second).toMatchObject({ rung: "fine", predicted: "Royal-Gala", isUncertified: false, isAudited: true });
  });

  it.each([
    ["a confidence above 1", { ...second, confidence: 1.01 }],
    ["a confidence below 0", { ...second, confidence: -0.1 }],
    ["NaN, which JSON writes as null", { ...second, confidence: Number.NaN }],
    ["a text for a confidence", { ...second, confidence: "1" }],
    ["no label", { ...second, label: "" }],
    ["no word of what its gate would have accepted", { ...second, accepts: undefined }],
    ["the rung of the first one", { ...second, rung: "fine" }],
    ["another rung", { ...second, rung: "finest" }],
    ["no record at all", "coarse"],
    ["null", null],
  ])("keeps the case, proves nothing of either answer and never guesses: %s", (_name, bad) => {
    const { sample, second: none } = read(sampleOf({ second: bad }));
    expect(none).toBeNull();
    expect(sample).toMatchObject({ predicted: "Royal-Gala", isUncertified: false, isAudited: false });
  });

  it("takes no coarse answer of what the fine gate accepted, and none without a model's answer", () => {
    const decided = {
      certificate: idOf(1),
      gateThreshold: 0.5,
      reasons: ["confident" as const],
      verdict: "accept" as const,
    };
    expect(read(sampleOf({ second, propensity: 0.1 }), decided, "audit")).toMatchObject({
      ...{ sample: { isUncertified: false, isAudited: false }, second: null },
    });
    expect(read(sampleOf({ second, confidence: null }))).toEqual({ sample: null, second: null });
  });
});
