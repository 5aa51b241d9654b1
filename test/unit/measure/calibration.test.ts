import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectedCalibrationError, reliability } from "../../../models/measure/calibration-error.ts";
import { type BetaCalibration, fitBetaCalibration } from "../../../models/measure/calibration-fit.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const confidenceOf = ({ a, b, c }: BetaCalibration, score: number): number => {
  const s = Math.min(1 - 1e-7, Math.max(1e-7, score));
  return 1 / (1 + Math.exp(-(a * Math.log(s) - b * Math.log1p(-s) + c)));
};

describe("the fit of beta calibration", () => {
  test("finds the coefficients that made the labels", () => {
    const random = seededDraw(5);
    const truth: BetaCalibration = { method: "beta", a: 0.6, b: 1.7, c: -0.4 };
    const score = Array.from({ length: 60_000 }, () => random());
    const correct = score.map((s) => (random() < confidenceOf(truth, s) ? 1 : 0));
    const fit = fitBetaCalibration(score, correct);
    expect(Math.abs(fit.a - truth.a)).toBeLessThan(0.08);
    expect(Math.abs(fit.b - truth.b)).toBeLessThan(0.08);
    expect(Math.abs(fit.c - truth.c)).toBeLessThan(0.08);
  });

  test("stays finite and never turns the order around, on saturated scores and without a single error", () => {
    const score = fc.oneof(fc.constantFrom(0, 1, 1 - 1e-12, 1e-12), fc.double({ min: 0, max: 1, noNaN: true }));
    const pairs = fc.array(fc.tuple(score, fc.constantFrom(0, 1)), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(pairs, (items) => {
        const fit = fitBetaCalibration(
          items.map((i) => i[0]),
          items.map((i) => i[1]),
        );
        expect([fit.a, fit.b, fit.c].every(Number.isFinite)).toBe(true);
        expect(Math.min(fit.a, fit.b)).toBeGreaterThanOrEqual(0);
        const values = [0, 0.01, 0.3, 0.5, 0.9, 0.999, 1].map((s) => confidenceOf(fit, s));
        expect(values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0))).toBe(true);
      }),
    );
  });

  test("lowers the calibration error of an overconfident model", () => {
    const random = seededDraw(9);
    const score = Array.from({ length: 4000 }, () => 1 - random() ** 3 / 2);
    const correct = score.map((s) => (random() < 0.5 + (s - 0.5) * 0.6 ? 1 : 0));
    const half = 2000;
    const fit = fitBetaCalibration(score.slice(0, half), correct.slice(0, half));
    const before = expectedCalibrationError(score.slice(half), correct.slice(half));
    const after = expectedCalibrationError(
      score.slice(half).map((s) => confidenceOf(fit, s)),
      correct.slice(half),
    );
    expect(before).toBeGreaterThan(0.1);
    expect(after).toBeLessThan(0.04);
  });
});

describe("the calibration error", () => {
  test("is the gap of each bin by its share of the items", () => {
    expect(expectedCalibrationError([0.9, 0.9, 0.3, 0.3], [1, 0, 1, 0])).toBeCloseTo(0.5 * 0.4 + 0.5 * 0.2, 12);
    expect(expectedCalibrationError([1, 1], [1, 1])).toBe(0);
  });

  test("counts a confidence on a bound to the bin below it, and 0 to the first", () => {
    const bounds = Array.from({ length: 15 }, (_, i) => (i + 1) / 15);
    const bins = reliability([0, ...bounds], [0, ...bounds.map(() => 1)]);
    expect(bins.map((bin) => bin.items)).toEqual([2, ...Array<number>(14).fill(1)]);
  });

  test("refuses a confidence outside [0, 1]", () => {
    expect(() => reliability([1.2], [1])).toThrow(RangeError);
  });
});
