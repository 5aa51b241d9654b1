import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pointAt, riskAreas, riskCoverageCurve } from "../../../models/measure/risk-coverage.ts";

const items = fc.array(fc.tuple(fc.constantFrom(0.1, 0.2, 0.5, 0.7, 0.9), fc.constantFrom(0, 1)), {
  minLength: 1,
  maxLength: 7,
});

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value, i) => permutations(values.filter((_, j) => j !== i)).map((rest) => [value, ...rest]));
}

/** AURC averaged over every order that sorts the confidences: the definition of "ties by expectation". */
function aurcByHand(pairs: readonly (readonly [number, number])[]): number {
  const sorted = permutations(pairs).filter((order) =>
    order.every((p, i) => i === 0 || (order[i - 1]?.[0] ?? 0) >= p[0]),
  );
  const areas = sorted.map((order) => {
    let errors = 0;
    return order.reduce((sum, [, right], i) => sum + (errors += 1 - right) / (i + 1), 0) / order.length;
  });
  return areas.reduce((sum, area) => sum + area, 0) / areas.length;
}

describe("the risk–coverage curve", () => {
  test("has one point for each distinct confidence, from careful to generous", () => {
    expect(riskCoverageCurve([0.5, 0.9, 0.5, 0.7], [1, 1, 0, 0])).toEqual([
      { gateThreshold: 0.9, accepted: 1, errors: 0 },
      { gateThreshold: 0.7, accepted: 2, errors: 1 },
      { gateThreshold: 0.5, accepted: 4, errors: 2 },
    ]);
  });

  test("is inclusive at a gate threshold, and empty above every confidence", () => {
    const curve = riskCoverageCurve([0.5, 0.9], [1, 0]);
    expect(pointAt(curve, 0.9)).toMatchObject({ accepted: 1, errors: 1 });
    expect(pointAt(curve, 0.91)).toMatchObject({ accepted: 0, errors: 0 });
    expect(pointAt(curve, 0.1)).toMatchObject({ accepted: 2, errors: 1 });
  });

  test("refuses what it is not defined on", () => {
    expect(() => riskCoverageCurve([], [])).toThrow(RangeError);
    expect(() => riskCoverageCurve([0.5], [1, 0])).toThrow(RangeError);
    expect(() => riskCoverageCurve([Number.NaN], [1])).toThrow(RangeError);
    expect(() => riskCoverageCurve([0.5], [0.5])).toThrow(RangeError);
  });
});

describe("the areas", () => {
  test("average over all orders of a tie", () => {
    fc.assert(
      fc.property(items, (pairs) => {
        const areas = riskAreas(
          riskCoverageCurve(
            pairs.map((p) => p[0]),
            pairs.map((p) => p[1]),
          ),
        );
        expect(areas.aurc).toBeCloseTo(aurcByHand(pairs), 10);
      }),
    );
  });

  test("give AUGRC its closed form (1 − AUROC)·acc·(1 − acc) + (1 − acc)²/2", () => {
    fc.assert(
      fc.property(items, (pairs) => {
        const right = pairs.filter((p) => p[1] === 1);
        const wrong = pairs.filter((p) => p[1] === 0);
        const won = right.flatMap((r) => wrong.map((w) => (r[0] > w[0] ? 1 : r[0] === w[0] ? 0.5 : 0) as number));
        const auroc = won.length === 0 ? 1 : won.reduce((sum, x) => sum + x, 0) / won.length;
        const acc = right.length / pairs.length;
        const areas = riskAreas(
          riskCoverageCurve(
            pairs.map((p) => p[0]),
            pairs.map((p) => p[1]),
          ),
        );
        expect(areas.augrc).toBeCloseTo((1 - auroc) * acc * (1 - acc) + (1 - acc) ** 2 / 2, 10);
      }),
    );
  });

  test("leave no excess to an order that keeps its errors for the end", () => {
    const best = riskAreas(riskCoverageCurve([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0]));
    expect(best.eAurc).toBeCloseTo(0, 12);
    expect(best.aurc).toBeCloseTo((0 + 0 + 1 / 3 + 2 / 4) / 4, 12);
    expect(riskAreas(riskCoverageCurve([0.9, 0.8, 0.7, 0.6], [0, 0, 1, 1])).eAurc).toBeGreaterThan(0.3);
  });
});
