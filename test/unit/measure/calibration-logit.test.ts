import { describe, expect, test } from "vitest";
import { applyCalibration } from "../../../models/calibration.ts";
import { fitPlattCalibration } from "../../../models/measure/calibration-platt.ts";
import { fitTemperature } from "../../../models/measure/calibration-temperature.ts";
import { adjusted, fitStoreAdjustments } from "../../../models/measure/store-adjustment.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const logit = (p: number): number => Math.log(p / (1 - p));

describe("the fit of Platt scaling", () => {
  test("finds the line that made the labels, and is the minimum of the log loss", () => {
    const random = seededDraw(91);
    const score = Array.from({ length: 20_000 }, () => random());
    const correct = score.map((s) => (random() < sigmoid(0.6 * logit(s) - 0.5) ? 1 : 0));
    const fit = fitPlattCalibration(score, correct);
    expect(fit.a).toBeCloseTo(0.6, 1);
    expect(fit.b).toBeCloseTo(-0.5, 1);
    const loss = (a: number, b: number): number =>
      score.reduce((sum, s, i) => {
        const p = applyCalibration({ method: "platt", a, b }, s);
        return sum - Math.log(correct[i] === 1 ? p : 1 - p);
      }, 0);
    const here = loss(fit.a, fit.b);
    // Near enough to the minimum: the pull towards the identity is worth less than a hundredth of a label.
    for (const [a, b] of [
      [0.02, 0],
      [-0.02, 0],
      [0, 0.02],
      [0, -0.02],
    ] as const) {
      expect(loss(fit.a + a, fit.b + b)).toBeGreaterThan(here - 0.01);
    }
  });

  test("stays finite without errors, without right answers, and on saturated scores; never turns the order", () => {
    for (const correct of [
      [1, 1, 1],
      [0, 0, 0],
      [0, 1, 0],
    ]) {
      const fit = fitPlattCalibration([1, 1 - 1e-12, 0], correct);
      expect(Number.isFinite(fit.a) && Number.isFinite(fit.b)).toBe(true);
      expect(fit.a).toBeGreaterThanOrEqual(0);
    }
    const upside = fitPlattCalibration([0.9, 0.9, 0.1, 0.1, 0.9, 0.1], [0, 0, 1, 1, 0, 1]);
    expect(upside.a).toBeGreaterThanOrEqual(0);
    expect(() => fitPlattCalibration([Number.NaN], [1])).toThrow(RangeError);
  });
});

describe("the fit of a temperature", () => {
  const softmax = (z: readonly number[]): number[] => {
    const e = z.map((value) => Math.exp(value - Math.max(...z)));
    return e.map((value) => value / e.reduce((sum, x) => sum + x, 0));
  };

  test("finds the temperature that made the labels", () => {
    const random = seededDraw(92);
    const rows = Array.from({ length: 8000 }, () => softmax([3 * random(), 3 * random(), 6 * random()]));
    // The truth is milder than what the model says: t = 2.
    const labels = rows.map((p) => {
      const milder = softmax(p.map((value) => Math.log(value) / 2));
      const u = random();
      return u < (milder[0] ?? 0) ? 0 : u < (milder[0] ?? 0) + (milder[1] ?? 0) ? 1 : 2;
    });
    const fit = fitTemperature(rows.flat(), labels, 3);
    expect(fit.t).toBeGreaterThan(1.8);
    expect(fit.t).toBeLessThan(2.2);
    // At the minimum the mean of ln p under the model equals that of the true classes.
    const at = (t: number): number =>
      rows.reduce(
        (sum, p, i) => sum - Math.log(softmax(p.map((value) => Math.log(value) / t))[labels[i] ?? 0] ?? 1),
        0,
      );
    expect(at(fit.t)).toBeLessThan(Math.min(at(fit.t * 1.01), at(fit.t / 1.01)));
  });

  test("stays in its limits where every answer is right, or every one wrong", () => {
    const sure = fitTemperature([0.9, 0.1, 0.8, 0.2], [0, 0], 2).t;
    expect(sure).toBeGreaterThanOrEqual(0.01);
    expect(sure).toBeLessThan(0.05);
    expect(fitTemperature([0.9, 0.1, 0.8, 0.2], [1, 1], 2).t).toBeCloseTo(100, 3);
  });

  test("refuses what does not fit", () => {
    expect(() => fitTemperature([0.5, 0.5], [0, 1], 2)).toThrow(RangeError);
    expect(() => fitTemperature([0.5, 0.5], [2], 2)).toThrow(RangeError);
    expect(() => fitTemperature([], [], 2)).toThrow(RangeError);
  });
});

describe("the adjustments of stores", () => {
  /** Stores whose truth is a line of their own on the task's logit. */
  function fleet(lines: readonly (readonly [number, number])[], labelsPerStore: number, seed: number) {
    const random = seededDraw(seed);
    const rows = { confidence: [] as number[], correct: [] as number[], store: [] as string[] };
    lines.forEach(([slope, offset], i) => {
      for (let n = 0; n < labelsPerStore; n += 1) {
        const confidence = 0.3 + 0.69 * random();
        rows.confidence.push(confidence);
        rows.correct.push(random() < sigmoid(slope * logit(confidence) + offset) ? 1 : 0);
        rows.store.push(`store-${i}`);
      }
    });
    return rows;
  }

  test("leave equal stores nearly alone, and follow stores that differ", () => {
    const alike = fleet(
      Array.from({ length: 12 }, () => [1, 0] as const),
      150,
      93,
    );
    const same = fitStoreAdjustments(alike.confidence, alike.correct, alike.store);
    for (const { slope, offset } of same.adjustments.values()) {
      expect(Math.abs(slope - 1)).toBeLessThan(0.15);
      expect(Math.abs(offset)).toBeLessThan(0.3);
    }
    const lines = Array.from({ length: 12 }, (_, i) => [1, i % 2 === 0 ? 1 : -1] as const);
    const differing = fleet(lines, 150, 94);
    const found = fitStoreAdjustments(differing.confidence, differing.correct, differing.store);
    expect(found.offsetSpread).toBeGreaterThan(same.offsetSpread);
    lines.forEach(([, offset], i) => {
      expect(Math.sign(found.adjustments.get(`store-${i}`)?.offset ?? 0)).toBe(offset);
    });
  });

  test("shrink a store with few labels to the task's calibration, and one with many to its own", () => {
    const lines = [[1, 1.2], ...Array.from({ length: 9 }, (_, i) => [1, i % 2 === 0 ? 0.8 : -0.8])] as [
      number,
      number,
    ][];
    const many = fleet(lines, 400, 95);
    const few = { confidence: [0.6, 0.7], correct: [0, 0], store: ["new", "new"] };
    const { adjustments } = fitStoreAdjustments(
      [...many.confidence, ...few.confidence],
      [...many.correct, ...few.correct],
      [...many.store, ...few.store],
    );
    const fresh = adjustments.get("new");
    expect(Math.abs(fresh?.offset ?? 9)).toBeLessThan(0.9);
    expect(adjustments.get("store-0")?.offset).toBeGreaterThan(0.8);
  });

  test("move a confidence without turning the order, and leave it alone without an adjustment", () => {
    expect(adjusted(0.9, null)).toBe(0.9);
    expect(adjusted(0.9, { slope: 1, offset: 0 })).toBeCloseTo(0.9, 12);
    expect(adjusted(0.9, { slope: 1, offset: -1 })).toBeCloseTo(sigmoid(logit(0.9) - 1), 12);
    expect(adjusted(Number.NaN, { slope: 1, offset: 0 })).toBeNaN();
    const values = [0, 0.1, 0.5, 0.9, 1].map((c) => adjusted(c, { slope: 0.7, offset: 0.3 }));
    expect(values).toEqual([...values].sort((x, y) => x - y));
    expect(() => fitStoreAdjustments([0.5], [1], [])).toThrow(RangeError);
  });
});
