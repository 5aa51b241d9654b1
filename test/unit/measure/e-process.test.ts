import { describe, expect, test } from "vitest";
import { clopperPearsonUpper } from "../../../models/measure/binomial.ts";
import { errorBound, lnErrorEvidence } from "../../../models/measure/e-process.ts";
import { lnWeightedEvidence, noWeightedEvidence, weighted } from "../../../models/measure/weighted-evidence.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";
import { integral } from "./by-hand.ts";

/** The mixture by its definition: ∫ of the likelihood over Jeffreys' prior cut to (0, α), by r = sin²θ. */
function evidenceByHand(errors: number, labels: number, maxError: number): number {
  const end = Math.asin(Math.sqrt(maxError));
  const mixed =
    integral((t) => Math.sin(t) ** (2 * errors) * Math.cos(t) ** (2 * (labels - errors)), 0, end, 40_000) / end;
  return Math.log(mixed) - errors * Math.log(maxError) - (labels - errors) * Math.log1p(-maxError);
}

describe("the e-process of the selective risk", () => {
  test("is the mixture that it claims to be", () => {
    for (const maxError of [0.005, 0.02, 0.3]) {
      for (const [errors, labels] of [
        [0, 0],
        [0, 1],
        [1, 1],
        [0, 600],
        [3, 600],
        [30, 400],
      ] as const) {
        expect(lnErrorEvidence(errors, labels, maxError)).toBeCloseTo(evidenceByHand(errors, labels, maxError), 10);
      }
    }
  });

  test("has a mean of exactly 1 at the edge of the hypothesis, and less inside: all 2^12 courses counted", () => {
    const meanAt = (risk: number): number => {
      let mean = 0;
      let choose = 1;
      for (let errors = 0; errors <= 12; errors += 1) {
        mean += choose * risk ** errors * (1 - risk) ** (12 - errors) * Math.exp(lnErrorEvidence(errors, 12, 0.1));
        choose *= (12 - errors) / (errors + 1);
      }
      return mean;
    };
    expect(meanAt(0.1)).toBeCloseTo(1, 12);
    expect(meanAt(0.15)).toBeLessThan(1);
    expect(meanAt(0.05)).toBeGreaterThan(1);
  });

  test("ever reaches 1/δ with probability at most δ, by exact recursion over all courses of 2,000 labels", () => {
    const [risk, labels] = [0.02, 2000];
    const everReached = (delta: number, evidence: (errors: number, n: number) => number): number => {
      let alive = new Float64Array([1]);
      let reached = 0;
      for (let n = 1; n <= labels; n += 1) {
        const next = new Float64Array(Math.min(n, 150) + 1);
        for (let errors = 0; errors < next.length; errors += 1) {
          const here = (alive[errors] ?? 0) * (1 - risk) + (errors > 0 ? (alive[errors - 1] ?? 0) * risk : 0);
          const stops = here > 1e-14 && evidence(errors, n) >= Math.log(1 / delta);
          if (stops) reached += here;
          else next[errors] = here;
        }
        alive = next;
      }
      return reached;
    };
    const ours = everReached(0.05, (errors, n) => lnErrorEvidence(errors, n, risk));
    expect(ours).toBeLessThanOrEqual(0.05);
    expect(ours).toBeGreaterThan(0.01);
    // Wrong on purpose: a maximum over r in the place of the mixture is no e-process, and this test sees it.
    const greedy = everReached(0.05, (errors, n) => {
      const r = Math.min(risk, Math.max(errors / n, 1e-12));
      const right = (n - errors) * (Math.log1p(-r) - Math.log1p(-risk));
      return errors * Math.log(r / risk) + right;
    });
    expect(greedy).toBeGreaterThan(0.06);
  });

  test("stays finite at a billion labels, and refuses what it is not defined on", () => {
    expect(lnErrorEvidence(0, 1_000_000_000, 0.005)).toBeGreaterThan(5e6);
    // The mixture keeps some of its weight beside α itself, so it never dies, not even of errors alone.
    expect(lnErrorEvidence(1_000_000_000, 1_000_000_000, 0.005)).toBeCloseTo(-21.4, 1);
    for (const maxError of [0, 1, Number.NaN]) expect(() => lnErrorEvidence(0, 1, maxError)).toThrow(RangeError);
    expect(() => lnErrorEvidence(2, 1, 0.1)).toThrow(RangeError);
    expect(() => lnErrorEvidence(0.5, 1, 0.1)).toThrow(RangeError);
  });
});

describe("the weighted e-process", () => {
  const floor = 0.05;
  /** Two kinds of decisions, audited with very different propensities; the risk of all is 0.3·0.2 + 0.7·(risk left). */
  const kinds = (risk: number) =>
    [
      { share: 0.3, propensity: 0.9, risk: 0.2 },
      { share: 0.7, propensity: floor, risk: (risk - 0.06) / 0.7 },
    ] as const;

  /** The mean of one factor over everything that can happen to one decision, for a single bet. */
  const meanFactor = (risk: number, maxError: number): number =>
    kinds(risk).reduce((sum, kind) => {
      const after = (isWrong: boolean): number =>
        Math.exp(
          lnWeightedEvidence(
            weighted(noWeightedEvidence, { isWrong, propensity: kind.propensity, propensityMin: floor }, maxError),
          ),
        );
      const labelled = kind.risk * after(true) + (1 - kind.risk) * after(false);
      return sum + kind.share * (kind.propensity * labelled + 1 - kind.propensity);
    }, 0);

  test("has a mean of exactly 1 where the risk over all decisions is α, whatever was audited more", () => {
    expect(meanFactor(0.1, 0.1)).toBeCloseTo(1, 14);
    expect(meanFactor(0.2, 0.1)).toBeLessThan(1);
    expect(meanFactor(0.08, 0.1)).toBeGreaterThan(1);
  });

  test("never goes bankrupt, and grows with right answers alone", () => {
    const wrong = { isWrong: true, propensity: floor, propensityMin: floor };
    const broke = weighted(noWeightedEvidence, wrong, 0.01);
    expect(broke.every((ln) => Number.isFinite(ln) && ln < 0)).toBe(true);
    expect(lnWeightedEvidence(weighted(noWeightedEvidence, { ...wrong, isWrong: false }, 0.01))).toBeGreaterThan(0);
  });

  test("ever reaches 1/δ in at most δ of the courses at the edge, unlike one that forgets the propensities", () => {
    const random = seededDraw(7);
    const [courses, decisions, delta] = [300, 3000, 0.1];
    const runs = { weighted: 0, forgetful: 0 };
    for (let course = 0; course < courses; course += 1) {
      let evidence = noWeightedEvidence;
      let forgetful = noWeightedEvidence;
      const reached = { weighted: false, forgetful: false };
      for (let i = 0; i < decisions; i += 1) {
        // Errors where the audit looks least: forgetting the propensities sees few of them.
        const isRare = random() < 0.5;
        const propensity = isRare ? floor : 0.5;
        if (random() >= propensity) continue;
        const isWrong = isRare && random() < 0.2;
        evidence = weighted(evidence, { isWrong, propensity, propensityMin: floor }, 0.1);
        forgetful = weighted(forgetful, { isWrong, propensity: 1, propensityMin: 1 }, 0.1);
        reached.weighted ||= lnWeightedEvidence(evidence) >= Math.log(1 / delta);
        reached.forgetful ||= lnWeightedEvidence(forgetful) >= Math.log(1 / delta);
      }
      runs.weighted += reached.weighted ? 1 : 0;
      runs.forgetful += reached.forgetful ? 1 : 0;
    }
    expect(runs.weighted / courses).toBeLessThan(delta + 3 * Math.sqrt((delta * (1 - delta)) / courses));
    expect(runs.forgetful / courses).toBeGreaterThan(0.5);
  });

  test("refuses a propensity that its rules exclude", () => {
    const label = { isWrong: false, propensity: 0.01, propensityMin: 0.02 };
    expect(() => weighted(noWeightedEvidence, label, 0.01)).toThrow(RangeError);
    expect(() => weighted(noWeightedEvidence, { ...label, propensityMin: 0 }, 0.01)).toThrow(RangeError);
    expect(() => weighted(noWeightedEvidence, { ...label, propensity: 1.1 }, 0.01)).toThrow(RangeError);
    expect(() => weighted(noWeightedEvidence, { ...label, propensity: 1 }, 1)).toThrow(RangeError);
  });
});

describe("the bound of the risk that may be read after every label", () => {
  test("is the least risk that is rejected, as a search over a thousand finds it", () => {
    const level = 0.0375;
    for (const [errors, labels] of [
      [0, 600],
      [1, 900],
      [5, 3000],
      [40, 9000],
    ] as const) {
      const bound = errorBound(errors, labels, level, 0.01);
      const rejected = Array.from({ length: 1000 }, (_, n) => (0.01 * (n + 1)) / 1000).filter(
        (risk) => lnErrorEvidence(errors, labels, risk) >= -Math.log(level),
      );
      expect(bound).toBeLessThanOrEqual(rejected[0] ?? 0);
      expect(bound).toBeGreaterThan((rejected[0] ?? 1) - 0.01 / 1000);
      // Everything above it is rejected as well.
      expect(rejected.at(-1)).toBe(0.01);
      expect(rejected.length).toBe(Math.round(((0.01 - (rejected[0] ?? 0)) * 1000) / 0.01) + 1);
    }
  });

  test("is above the Clopper–Pearson bound of the same labels, which may be read once", () => {
    for (const [errors, labels] of [
      [0, 1000],
      [3, 2000],
      [20, 8000],
    ] as const) {
      const [often, once] = [errorBound(errors, labels, 0.05, 0.5), clopperPearsonUpper(errors, labels, 0.05)];
      expect(often).toBeGreaterThan(once);
      expect(often).toBeLessThan(2.5 * once);
    }
  });

  test("is the tolerated error where not even that is rejected", () => {
    expect(errorBound(0, 10, 0.05, 0.01)).toBe(0.01);
    expect(errorBound(30, 100, 0.05, 0.01)).toBe(0.01);
    expect(errorBound(0, 0, 0.05, 0.01)).toBe(0.01);
  });
});
