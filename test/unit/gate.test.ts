import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolveConfig, type GatePolicy } from "../../config/index.ts";
import { type Certificate, universalHasher } from "../../protocol/index.ts";
import {
  certificateKey,
  coarseGateThreshold,
  decide,
  gateThresholdOf,
  replay,
  type GateBy,
  type GateThreshold,
} from "../../sdk/index.ts";
import { certificate } from "../support/certificates.ts";
import { contractOf, decideInputs, evidence, gateOf, policyOf, scored } from "../support/policies.ts";

const model = certificate().model;
const by: GateBy = { model, calibration: "none", coarseCalibration: "none", lapsed: [] };
const gate = (certificates: readonly Certificate[], more: Partial<GatePolicy> = {}): GatePolicy =>
  gateOf(0, { target: contractOf(0.01), certificates, ...more });
const of = (certificates: readonly Certificate[], asked = by, more: Partial<GatePolicy> = {}): GateThreshold =>
  gateThresholdOf(gate(certificates, more), "Satsuma", asked);

const idOf = (n: number): string => `01935b2a-7c00-7abc-8def-${String(n).padStart(12, "0")}`;
const store = certificate({ id: idOf(1), gateThreshold: 0.97 });
const region = certificate({ id: idOf(2), scope: { level: "region", name: "west" }, gateThreshold: 0.93 });
const fleet = certificate({ id: idOf(3), scope: { level: "fleet", name: "-" }, gateThreshold: 0.9 });

describe("the gate under a contract", () => {
  it("takes the store's certificate, else the region's, else the fleet's, else people", () => {
    expect(of([store, region, fleet])).toMatchObject({ gateThreshold: 0.97, certified: true, certificate: store });
    expect(of([region, fleet])).toMatchObject({ gateThreshold: 0.93, certificate: region });
    expect(of([fleet])).toMatchObject({ gateThreshold: 0.9, certificate: fleet });
    expect(of([])).toMatchObject({ gateThreshold: 1, certified: false, certificate: null, why: "none" });
  });

  it("counts a certificate only for the model and the calibration that it names", () => {
    expect(of([fleet], { ...by, model: `sha256:${"2".repeat(64)}` })).toMatchObject({
      certified: false,
      why: "other_model",
    });
    expect(of([fleet], { ...by, model: null })).toMatchObject({ certified: false, why: "other_model" });
    const other = { ...by, calibration: `sha256:${"3".repeat(64)}` };
    expect(of([fleet], other)).toMatchObject({ certified: false, why: "other_calibration" });
  });

  it("counts none for a looser contract than the one in force, and one for a stricter", () => {
    const asked = (maxError: number, delta: number) => of([fleet], by, { target: contractOf(maxError, { delta }) });
    expect(asked(0.005, 0.05)).toMatchObject({ certified: false, why: "looser" });
    expect(asked(0.01, 0.01)).toMatchObject({ certified: false, why: "looser" });
    expect(asked(0.02, 0.1).certified).toBe(true);
  });

  it("holds what a narrower certificate asked for when that has lapsed or is for a looser contract", () => {
    const lapsed = { ...by, lapsed: [certificateKey(store)] };
    expect(of([store, fleet], lapsed)).toMatchObject({ gateThreshold: 0.97, certificate: fleet });
    expect(of([store], lapsed)).toMatchObject({ certified: false, why: "lapsed" });
    expect(of([{ ...store, maxError: 0.03 }, fleet])).toMatchObject({ gateThreshold: 0.97, certificate: fleet });
    // A renewal is another document, with a count of its own.
    expect(of([{ ...store, renewal: 2 }], lapsed)).toMatchObject({ certified: true });
  });

  it("gives nothing away to a wider certificate where the narrower one was withdrawn", () => {
    const withdrawn = (basis: Certificate["basis"]) => of([{ ...store, gateThreshold: null, basis }, fleet]);
    expect(withdrawn("alarm")).toMatchObject({ certified: false, why: "alarm" });
    expect(withdrawn("raised")).toMatchObject({ certified: false, why: "alarm" });
    // Labels are still collected here: the fleet's certificate covers it meanwhile.
    expect(withdrawn("collecting")).toMatchObject({ gateThreshold: 0.9, certificate: fleet });
    expect(of([{ ...fleet, gateThreshold: null, basis: "collecting" }])).toMatchObject({ why: "collecting" });
  });

  it("asks for what is in force, whatever lower gate threshold a raised one says was proved", () => {
    const raised: Certificate = { ...store, basis: "raised", gateThreshold: 0.97, provedGateThreshold: 0.5 };
    expect(of([raised])).toMatchObject({ certified: true, gateThreshold: 0.97 });
    expect(of([{ ...raised, gateThreshold: null }, fleet])).toMatchObject({ certified: false, why: "alarm" });
    const lapsed: Certificate = { ...store, basis: "lapsed", gateThreshold: null, provedGateThreshold: 0.5 };
    expect(of([lapsed])).toMatchObject({ certified: false, why: "lapsed" });
  });

  it("is raised by the floor of a lower layer, by a label's own, and by the store's cap", () => {
    expect(of([fleet], by, { floor: 0.95 }).gateThreshold).toBe(0.95);
    expect(of([fleet], by, { floor: 0.5 }).gateThreshold).toBe(0.9);
    expect(of([fleet], by, { classes: { Satsuma: 0.99 } }).gateThreshold).toBe(0.99);
    expect(of([{ ...fleet, cap: { gateThreshold: 0.96, maxError: 0.03 } }]).gateThreshold).toBe(0.96);
    expect(of([{ ...fleet, cap: { gateThreshold: 0.8, maxError: 0.03 } }]).gateThreshold).toBe(0.9);
    expect(of([{ ...fleet, cap: { gateThreshold: null, maxError: 0.03 } }])).toMatchObject({
      certified: false,
      why: "cap",
    });
  });

  it("asks a label with a contract of its own for a certificate of its own", () => {
    const more = { classContracts: { Satsuma: contractOf(0.001) } };
    expect(of([fleet], by, more)).toMatchObject({ certified: false, why: "none" });
    const own = { ...fleet, id: idOf(4), label: "Satsuma", maxError: 0.001, gateThreshold: 0.999 };
    expect(of([fleet, own], by, more)).toMatchObject({ gateThreshold: 0.999, certificate: own });
    expect(gateThresholdOf(gate([fleet, own], more), "Orange", by).gateThreshold).toBe(0.9);
  });

  it("asks the coarse rung for a certificate of that rung and of that calibration", () => {
    const coarse = { ...fleet, id: idOf(5), rung: "coarse" as const, gateThreshold: 0.8 };
    expect(coarseGateThreshold(gate([fleet]), by)).toMatchObject({ certified: false });
    expect(coarseGateThreshold(gate([fleet, coarse]), by)).toMatchObject({ gateThreshold: 0.8, certified: true });
    expect(coarseGateThreshold(gate([coarse], { coarse: 0.9 }), by).gateThreshold).toBe(0.9);
    const other = { ...by, coarseCalibration: `sha256:${"3".repeat(64)}` };
    expect(coarseGateThreshold(gate([coarse]), other)).toMatchObject({ certified: false, why: "other_calibration" });
  });

  it("reads numbers where there is no contract, whatever certificates lie about", () => {
    expect(gateThresholdOf(gateOf(0.92, { certificates: [fleet] }), "Satsuma", by)).toMatchObject({
      gateThreshold: 0.92,
      certificate: null,
    });
  });

  const anyCertificate = fc.record({
    level: fc.constantFrom("store" as const, "region" as const, "fleet" as const),
    gateThreshold: fc.option(fc.integer({ min: 0, max: 10 }).map((tenth) => tenth / 10)),
    basis: fc.constantFrom("launch" as const, "alarm" as const, "collecting" as const),
    maxError: fc.constantFrom(0.005, 0.01, 0.02),
    cap: fc.option(fc.record({ gateThreshold: fc.option(fc.constantFrom(0.2, 0.95)), maxError: fc.constant(0.03) })),
    floor: fc.constantFrom(null, 0.4),
  });
  interface Given {
    readonly level: "store" | "region" | "fleet";
    readonly gateThreshold: number | null;
    readonly basis: Certificate["basis"];
    readonly maxError: number;
    readonly cap: Certificate["cap"];
    readonly floor: number | null;
  }
  const effective = (given: readonly Given[], asked: GateBy) => {
    const scopes = ["store", "region", "fleet"];
    const certificates = given
      .map(({ level, gateThreshold, basis, maxError, cap }, n) =>
        certificate({ id: idOf(n), scope: { level, name: "x" }, gateThreshold, basis, maxError, cap }),
      )
      .sort((a, b) => scopes.indexOf(a.scope.level) - scopes.indexOf(b.scope.level));
    const { gateThreshold, certified } = of(certificates, asked, { floor: given[0]?.floor ?? null });
    return certified ? gateThreshold : Infinity;
  };

  it("never has a lower gate threshold because a certificate has lapsed", () => {
    fc.assert(
      fc.property(fc.array(anyCertificate, { maxLength: 5 }), fc.array(fc.nat(4)), (given, gone) => {
        const lapsed = gone.map((n) => `${idOf(n)}/1`);
        expect(effective(given, { ...by, lapsed })).toBeGreaterThanOrEqual(effective(given, by));
      }),
    );
  });

  it("never has a lower gate threshold because the contract became stricter, or a floor was set", () => {
    fc.assert(
      fc.property(fc.array(anyCertificate, { maxLength: 5 }), (given) => {
        const stricter = given.map((one) => ({ ...one, maxError: one.maxError * 2 }));
        expect(effective(stricter, by)).toBeGreaterThanOrEqual(effective(given, by));
        const floored = given.map((one) => ({ ...one, floor: 0.7 }));
        expect(effective(floored, by)).toBeGreaterThanOrEqual(effective(given, by));
      }),
    );
  });
});

describe("a decision under a certificate", () => {
  const asked = { ...decideInputs().by, model };
  const reference = { name: "product-id", version: "1.0.0", digest: model };
  const policy = policyOf({ gate: gate([fleet]), auditShare: 0.02 });

  it("names it, and says what keeps a case from being accepted without one", () => {
    const inputs = { policy, by: asked, model: reference };
    const accepted = decide(decideInputs({ ...inputs, finding: evidence(0.93) }));
    expect(accepted.decision).toMatchObject({ verdict: "accept", certificate: fleet.id, gateThreshold: 0.9 });
    expect(accepted.under).toEqual(fleet);
    const lapsed = { ...asked, lapsed: [certificateKey(fleet)] };
    const held = decide(decideInputs({ ...inputs, by: lapsed, finding: evidence(0.93) }));
    expect(held.decision).toMatchObject({ verdict: "escalate", certificate: null, reasons: ["uncertified"] });
    expect(held.decision.explanation).toMatch(/lapsed without fresh evidence, so nothing is accepted/);
    expect(held.under).toBeNull();
  });

  it("sees the confidence as the store's own calibration makes it, and replays it to the last bit", () => {
    const adjusting = { ...fleet, adjust: { slope: 0.5, offset: -0.2 } };
    const given = policyOf({ gate: gate([adjusting]), auditShare: 0.5 });
    const inputs = decideInputs({
      policy: given,
      by: asked,
      model: reference,
      finding: evidence(0.999),
      auditScale: 0.1,
    });
    const { decision, trace, sample } = decide({ ...inputs, coin: { audit: 0, rules: 0.5 } });
    // sigmoid(0.5 · logit(0.999) − 0.2)
    expect(decision.confidence).toBeCloseTo(1 / (1 + Math.exp(0.2 - 0.5 * Math.log(999))), 12);
    expect(decision.score).toBe(0.999);
    expect(decision.reasons).toEqual(["confident", "audit"]);
    expect(sample).toMatchObject({ confidence: 0.999, calibration: "none", rung: "fine", rule: false, uniform: true });
    const [alternative] = decision.answer?.alternatives ?? [];
    expect((alternative?.confidence ?? 0) + decision.confidence).toBeCloseTo(1, 12);
    const again = { finding: trace.finding, runtime: "stub", provider: "cpu" };
    expect(replay({ decision, context: {}, trace, policy: given, again })).toMatchObject({ kind: "exact" });
    const without = { decision, context: {}, trace, policy: policyOf({ gate: gate([]) }), again };
    expect(replay(without).differences.map(({ field }) => field)).toContain("certificate");
  });

  it("takes the coarse answer under a certificate of its rung, adjusted as that says", () => {
    const coarse = { ...fleet, id: idOf(9), rung: "coarse" as const, adjust: { slope: 1, offset: 1 } };
    const given = policyOf({ gate: gate([coarse]) });
    const finding = evidence(0.5, scored("Citrus", 0.85));
    const { decision, under } = decide(decideInputs({ policy: given, by: asked, model: reference, finding }));
    expect(decision).toMatchObject({ verdict: "accept", certificate: coarse.id, answer: { label: "Citrus" } });
    expect(decision.confidence).toBeGreaterThan(0.9);
    expect(under).toEqual(coarse);
  });
});

describe("certificates in a config", () => {
  const layers = [
    {
      layer: "store" as const,
      file: "s",
      text: "store_id: s\nthresholds: { product_identification: { max_error: 0.01 }, shelf: 0.9 }",
    },
  ];
  const resolved = (certificates: readonly Certificate[]) => {
    const result = resolveConfig(layers, universalHasher, certificates);
    if (!result.ok) throw result.error;
    return result.value;
  };

  it("are in the digest, narrowest first, whatever their order", () => {
    const one = resolved([fleet, store, region]).config;
    expect(one.tasks["product_identification"]?.gate.certificates).toEqual([store, region, fleet]);
    expect(resolved([store, region, fleet]).config.digest).toBe(one.digest);
    expect(resolved([store, region]).config.digest).not.toBe(one.digest);
    expect(Object.isFrozen(one.tasks["product_identification"]?.gate.certificates[0])).toBe(true);
    expect(Object.isFrozen(fleet)).toBe(false);
  });

  it("are left out where no contract asks for them, and are not a change then", () => {
    const none = resolved([]).config.digest;
    expect(
      resolved([
        { ...fleet, task: "shelf" },
        { ...fleet, label: "Wine" },
      ]).config.digest,
    ).toBe(none);
  });
});
