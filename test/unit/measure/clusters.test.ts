import { describe, expect, test } from "vitest";
import { certify } from "../../../models/measure/certify.ts";
import { basketWeighted, onePerBasket } from "../../../models/measure/clusters.ts";
import { lnWeightedEvidence, noWeightedEvidence } from "../../../models/measure/weighted-evidence.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const contract = { maxError: 0.05, delta: 0.1 };

/** Baskets of 20 decisions of which either nearly all are wrong or nearly none: 5.2 % over all, beyond the contract. */
function baskets(random: () => number, count: number) {
  const rows = { basket: [] as number[], confidence: [] as number[], correct: [] as number[] };
  for (let basket = 0; basket < count; basket += 1) {
    const risk = random() < 0.052 / 0.8 ? 0.8 : 0;
    for (let i = 0; i < 20; i += 1) {
      rows.basket.push(basket);
      rows.confidence.push(0.9);
      rows.correct.push(random() < risk ? 0 : 1);
    }
  }
  return rows;
}

describe("decisions of one basket", () => {
  test("break an exact certificate if taken for independent; one of each basket keeps it", () => {
    const random = seededDraw(61);
    const draws = 300;
    const violations = { naive: 0, one: 0, betting: 0 };
    for (let draw = 0; draw < draws; draw += 1) {
      const { basket, confidence, correct } = baskets(random, 120);
      if (certify(confidence, correct, contract).gateThreshold !== null) violations.naive += 1;
      const chosen = onePerBasket(basket, random);
      const some = (values: number[]): number[] => chosen.map((row) => values[row] ?? 0);
      if (certify(some(confidence), some(correct), contract).gateThreshold !== null) violations.one += 1;
      let evidence = noWeightedEvidence;
      let isProved = false;
      for (let i = 0; i < 120; i += 1) {
        const labels = correct
          .slice(20 * i, 20 * i + 20)
          .map((right) => ({ isWrong: right === 0, propensity: 1, propensityMin: 1 }));
        evidence = basketWeighted(evidence, labels, contract.maxError, 20);
        isProved ||= lnWeightedEvidence(evidence) >= Math.log(1 / contract.delta);
      }
      violations.betting += isProved ? 1 : 0;
    }
    const bound = 0.1 + 3 * Math.sqrt(0.09 / draws);
    expect(violations.naive / draws).toBeGreaterThan(0.2);
    expect(violations.one / draws).toBeLessThan(bound);
    expect(violations.betting / draws).toBeLessThan(bound);
  });

  test("are each as likely to be the one of their basket", () => {
    const random = seededDraw(62);
    const rows = ["a", "b", "a", "a", "b", "c"];
    const hits = new Float64Array(rows.length);
    const draws = 6000;
    for (let draw = 0; draw < draws; draw += 1) {
      const chosen = onePerBasket(rows, random);
      expect(chosen.map((row) => rows[row])).toEqual(["a", "b", "c"]);
      for (const row of chosen) hits[row] = (hits[row] ?? 0) + 1;
    }
    const wanted = [1 / 3, 1 / 2, 1 / 3, 1 / 3, 1 / 2, 1];
    wanted.forEach((share, row) => {
      expect((hits[row] ?? 0) / draws).toBeCloseTo(share, 1);
    });
  });

  test("bet together: what all of them are worth is one factor, and the worst basket does not bankrupt it", () => {
    const label = (isWrong: boolean) => ({ isWrong, propensity: 1, propensityMin: 1 });
    const worst = basketWeighted(noWeightedEvidence, [label(true), label(true)], 0.05, 2);
    expect(Math.exp(worst[4] ?? 0)).toBeCloseTo(1 - 0.9, 10);
    const right = basketWeighted(noWeightedEvidence, [label(false), label(false)], 0.05, 2);
    expect(Math.exp(right[4] ?? 0)).toBeCloseTo(1 + (0.9 * 0.05) / 0.95, 10);
    // Beyond the limit nothing counts, neither for nor against.
    expect(basketWeighted(noWeightedEvidence, [label(false), label(false), label(true)], 0.05, 2)).toEqual(right);
    expect(() => basketWeighted(noWeightedEvidence, [], 0.05, 0)).toThrow(RangeError);
    expect(() => basketWeighted(noWeightedEvidence, [], 1, 1)).toThrow(RangeError);
    const drawn = { isWrong: false, propensity: 0, propensityMin: 0 };
    expect(() => basketWeighted(noWeightedEvidence, [drawn], 0.05, 1)).toThrow(RangeError);
  });
});
