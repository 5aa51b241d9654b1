import { describe, expect, test } from "vitest";
import { clopperPearsonUpper } from "../../../models/measure/binomial.ts";
import { certify } from "../../../models/measure/certify.ts";
import { deflatedError } from "../../../models/measure/label-quality.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const contract = { maxError: 0.02, delta: 0.05 };

/** A steep population: the error falls from 30 % at confidence 0 to nothing at 1. True selective risk at t by integral. */
const errorAt = (confidence: number): number => 0.3 * (1 - confidence) ** 2;
const riskAbove = (t: number): number => (0.3 * (1 - t) ** 3) / 3 / (1 - t);

interface Labels {
  readonly confidence: number[];
  readonly perfect: number[];
  readonly reviewed: number[];
  readonly adjudicated: number[];
}

/** Reviewers err in 5 % of cases and repeat the model's wrong answer in 15 % of its errors; adjudication is right. */
function labels(random: () => number, items: number): Labels {
  const found: Labels = { confidence: [], perfect: [], reviewed: [], adjudicated: [] };
  for (let i = 0; i < items; i += 1) {
    const confidence = random();
    const isRight = random() >= errorAt(confidence);
    const agrees = isRight ? random() >= 0.05 : random() < 0.15;
    found.confidence.push(confidence);
    found.perfect.push(isRight ? 1 : 0);
    found.reviewed.push(agrees ? 1 : 0);
    found.adjudicated.push(agrees || isRight ? 1 : 0);
  }
  return found;
}

describe("an error deflated by what reviewers overlook", () => {
  test("is α·(1 − m) with the Clopper–Pearson bound of the gold cases", () => {
    const found = deflatedError(0.02, { wrong: 200, missed: 30 }, 0.05);
    expect(found.missShare).toBeCloseTo(clopperPearsonUpper(30, 200, 0.05), 12);
    expect(found).toMatchObject({ isAssumed: false });
    expect(found.maxError).toBeCloseTo(0.02 * (1 - found.missShare), 14);
  });

  test("assumes the worst of published studies without gold cases, and more where the few there are say so", () => {
    expect(deflatedError(0.02, { wrong: 0, missed: 0 }, 0.05)).toMatchObject({ isAssumed: true, missShare: 0.19 });
    expect(deflatedError(0.02, { wrong: 10, missed: 5 }, 0.05)).toMatchObject({ isAssumed: true, missShare: 0.5 });
    expect(deflatedError(0.02, { wrong: 10, missed: 0 }, 0.05).maxError).toBeLessThan(0.02);
  });

  test("counts the first ten gold cases that lack as assumed, so that one is not all that is known", () => {
    const shareOf = (missed: number, wrong: number) => deflatedError(0.02, { wrong, missed }, 0.05).missShare;
    expect(shareOf(1, 1)).toBeCloseTo((1 + 0.19 * 9) / 10, 12);
    expect(shareOf(5, 5)).toBeCloseTo((5 + 0.19 * 5) / 10, 12);
    for (let wrong = 10; wrong < 50; wrong += 1) {
      for (let missed = 0; missed <= wrong; missed += 1)
        expect(shareOf(missed, wrong)).toBe(Math.max(0.19, missed / wrong));
    }
  });

  test("is never larger than the contract, and 0 where every gold case was missed", () => {
    for (let missed = 0; missed <= 60; missed += 10) {
      expect(deflatedError(0.02, { wrong: 60, missed }, 0.05).maxError).toBeLessThan(0.02);
    }
    expect(deflatedError(0.02, { wrong: 60, missed: 60 }, 0.05).maxError).toBe(0);
    expect(() => deflatedError(0, { wrong: 60, missed: 1 }, 0.05)).toThrow(RangeError);
    expect(() => deflatedError(0.02, { wrong: 1, missed: 2 }, 0.05)).toThrow(RangeError);
  });

  test("keeps the contract with erring reviewers at 0.8 of the coverage of perfect ones; no adjudication does not", () => {
    const random = seededDraw(71);
    const draws = 150;
    const coverage = { perfect: 0, reviewed: 0, deflated: 0 };
    let violations = 0;
    let undeflated = 0;
    for (let draw = 0; draw < draws; draw += 1) {
      const found = labels(random, 4000);
      let missed = 0;
      for (let i = 0; i < 300; i += 1) missed += random() < 0.15 ? 1 : 0;
      const gold = deflatedError(contract.maxError, { wrong: 300, missed }, 0.05);
      const perfect = certify(found.confidence, found.perfect, contract);
      const reviewed = certify(found.confidence, found.reviewed, contract);
      const plain = certify(found.confidence, found.adjudicated, contract);
      const deflated = certify(found.confidence, found.adjudicated, { ...contract, maxError: gold.maxError });
      coverage.perfect += perfect.coverage / draws;
      coverage.reviewed += reviewed.coverage / draws;
      coverage.deflated += deflated.coverage / draws;
      if (deflated.gateThreshold !== null && riskAbove(deflated.gateThreshold) > contract.maxError) violations += 1;
      if (plain.gateThreshold !== null && riskAbove(plain.gateThreshold) > contract.maxError) undeflated += 1;
    }
    expect(violations / draws).toBeLessThan(0.05 + 2 * Math.sqrt(0.0475 / draws));
    expect(coverage.deflated).toBeGreaterThan(0.8 * coverage.perfect);
    expect(coverage.reviewed).toBeLessThan(0.2 * coverage.perfect);
    expect(undeflated).toBeGreaterThan(violations);
  });
});
