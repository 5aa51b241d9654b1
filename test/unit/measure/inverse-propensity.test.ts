import erfcinv from "@stdlib/math-base-special-erfcinv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clopperPearson } from "../../../models/measure/binomial.ts";
import {
  auditedErrorShare,
  auditPropensity,
  auditPropensityMin,
  errorSpread,
  inversePropensityEstimate,
} from "../../../models/measure/inverse-propensity.ts";
import { normalUpper } from "../../../models/measure/normal.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

describe("the propensity of an audit", () => {
  const share = fc.double({ min: 1e-4, max: 1, noNaN: true });

  test("is never below half of the share nor above 1, whatever it is asked", () => {
    const anything = fc.double({ min: -2, max: 2 });
    fc.assert(
      fc.property(anything, anything, share, (confidence, scale, auditShare) => {
        const propensity = auditPropensity(confidence, scale, auditShare);
        expect(propensity).toBeGreaterThanOrEqual(auditPropensityMin(auditShare));
        expect(propensity).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("is the share on average, and highest where the answer is least sure", () => {
    const confidences = Array.from({ length: 1000 }, (_, i) => 0.9 + i / 10_000);
    const scale = confidences.reduce((sum, c) => sum + errorSpread(c), 0) / 1000;
    const all = confidences.map((c) => auditPropensity(c, scale, 0.02));
    expect(all.reduce((sum, pi) => sum + pi, 0) / 1000).toBeCloseTo(0.02, 12);
    expect(all.every((pi, i) => i === 0 || pi < (all[i - 1] ?? 0))).toBe(true);
  });

  test("is the share until there is a scale, 1 for what is no number, 0 where nothing is audited", () => {
    expect([auditPropensity(0.99, 0, 0.02), auditPropensity(0.99, Number.NaN, 0.02)]).toEqual([0.02, 0.02]);
    expect(auditPropensity(Number.NaN, 0.1, 0.02)).toBe(1);
    expect(auditPropensity(0.99, 0.1, 0)).toBe(0);
    expect(() => auditPropensity(0.99, 0.1, 1.5)).toThrow(RangeError);
    expect(() => auditPropensity(0.99, 0.1, Number.NaN)).toThrow(RangeError);
  });
});

describe("an estimate by inverse propensity", () => {
  test("is unbiased over every outcome of two audits, whatever the control variate says", () => {
    const rows = [
      { f: 0.7, pi: 0.25, e: 1 },
      { f: 0.1, pi: 0.5, e: 0 },
    ] as const;
    let mean = 0;
    for (const drawn of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const chance = rows.reduce((product, { pi }, i) => product * (drawn[i] === 1 ? pi : 1 - pi), 1);
      // The estimate is cut to [0, 1], so the raw mean is formed here from rows that stay inside.
      const values = rows.map(({ f, pi, e }, i) => (drawn[i] === 1 ? f + (e - f) / pi : f));
      mean += (chance * values.reduce((sum, value) => sum + value, 0)) / 2;
    }
    expect(mean).toBeCloseTo(0.5, 14);
    const found = inversePropensityEstimate(
      { expectedError: [0.7, 0.1], propensity: [0.25, 0.5], outcome: [-1, 0] },
      0.05,
    );
    expect(found.share).toBeCloseTo((0.7 + 0.1 - 0.1 / 0.5) / 2, 14);
    expect(found.labels).toBe(1);
  });

  test("is narrower with a control variate that knows something, and covers", () => {
    const random = seededDraw(12);
    let covered = { with: 0, without: 0, few: 0 };
    let narrower = 0;
    const draws = 200;
    for (let draw = 0; draw < draws; draw += 1) {
      const f = Array.from({ length: 2000 }, () => (random() < 0.05 ? 0.6 : 0.005));
      const e = f.map((p) => (random() < p ? 1 : 0));
      const propensity = f.map((p) => (p > 0.1 ? 0.5 : 0.1));
      const outcome = e.map((value, i) => (random() < (propensity[i] ?? 0) ? value : -1));
      const truth = 0.05 * 0.6 + 0.95 * 0.005;
      const good = inversePropensityEstimate({ expectedError: f, propensity, outcome }, 0.05);
      const blank = inversePropensityEstimate({ expectedError: f.map(() => 0), propensity, outcome }, 0.05);
      const drawn = outcome.flatMap((value, i) => (value < 0 ? [] : [i]));
      const few = auditedErrorShare(
        drawn.map((i) => propensity[i] ?? 1),
        drawn.map((i) => outcome[i] ?? 0),
        0.05,
      );
      const has = (x: typeof good): number => (x.lower <= truth && truth <= x.upper ? 1 : 0);
      covered = { with: covered.with + has(good), without: covered.without + has(blank), few: covered.few + has(few) };
      narrower += good.upper - good.lower < blank.upper - blank.lower ? 1 : 0;
    }
    expect(narrower / draws).toBeGreaterThan(0.9);
    for (const hits of Object.values(covered)) expect(hits / draws).toBeGreaterThan(0.88);
  });

  test("is never surer of a few labels than certain ones would make it", () => {
    for (const labels of [1, 20, 86]) {
      const none = auditedErrorShare(new Array<number>(labels).fill(0.3), new Array<number>(labels).fill(0), 0.05);
      expect(none).toMatchObject({ share: 0, lower: 0, upper: clopperPearson(0, labels, 0.05).upper });
    }
    // One label that stands for a hundred is worth hardly more than one.
    const uneven = auditedErrorShare([0.01, ...new Array<number>(50).fill(1)], new Array<number>(51).fill(0), 0.05);
    expect(uneven.upper).toBeGreaterThan(0.8);
    const some = auditedErrorShare(new Array<number>(200).fill(0.5), [1, 1, ...new Array<number>(198).fill(0)], 0.05);
    expect(some.upper).toBeGreaterThanOrEqual(clopperPearson(2, 200, 0.05).upper);
    expect(some.lower).toBeLessThanOrEqual(clopperPearson(2, 200, 0.05).lower);
  });

  test("knows nothing without labels, and refuses rows outside their range", () => {
    expect(auditedErrorShare([], [], 0.05)).toMatchObject({ lower: 0, upper: 1, labels: 0 });
    expect(auditedErrorShare([0.5, 0.5], [1, 0], 0.05).share).toBe(0.5);
    expect(() => auditedErrorShare([0], [1], 0.05)).toThrow(RangeError);
    const rows = { expectedError: [0.1], propensity: [0], outcome: [1] };
    expect(() => inversePropensityEstimate(rows, 0.05)).toThrow(RangeError);
    expect(() => inversePropensityEstimate({ ...rows, propensity: [1], outcome: [] }, 0.05)).toThrow(RangeError);
    expect(() => inversePropensityEstimate({ ...rows, propensity: [1] }, 0)).toThrow(RangeError);
  });
});

describe("the quantile of the normal distribution", () => {
  test("is a library's to 12 digits, from the middle to 1e-300", () => {
    expect(normalUpper(0.5)).toBe(0);
    for (const level of [0.9, 0.4, 0.08, 0.05, 0.025, 1e-3, 1e-9, 1e-11, 1e-20, 1e-100, 1e-300]) {
      expect(normalUpper(level) / (Math.SQRT2 * erfcinv(2 * level))).toBeCloseTo(1, 12);
    }
    expect(() => normalUpper(0)).toThrow(RangeError);
    expect(() => normalUpper(1)).toThrow(RangeError);
  });
});
