import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyCalibration, type Calibration } from "../../models/index.ts";

const calibration: fc.Arbitrary<Calibration> = fc.oneof(
  fc.constant({ method: "identity" } as const),
  fc.record({
    method: fc.constant("beta" as const),
    a: fc.double({ min: 0, max: 50, noNaN: true }),
    b: fc.double({ min: 0, max: 50, noNaN: true }),
    c: fc.double({ min: -50, max: 50, noNaN: true }),
  }),
  fc.record({
    method: fc.constant("platt" as const),
    a: fc.double({ min: 0, max: 50, noNaN: true }),
    b: fc.double({ min: -50, max: 50, noNaN: true }),
  }),
  fc.record({ method: fc.constant("temperature" as const), t: fc.double({ min: 0.01, max: 100, noNaN: true }) }),
);
const score = fc.double({ min: 0, max: 1, noNaN: true });

describe("calibration", () => {
  it("gives a probability for every score", () => {
    fc.assert(
      fc.property(calibration, score, (method, s) => {
        const confidence = applyCalibration(method, s);
        expect(confidence).toBeGreaterThanOrEqual(0);
        expect(confidence).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("never turns the order of two scores around", () => {
    fc.assert(
      fc.property(calibration, score, score, (method, one, other) => {
        const [low, high] = one < other ? [one, other] : [other, one];
        expect(applyCalibration(method, low)).toBeLessThanOrEqual(applyCalibration(method, high) + 1e-12);
      }),
    );
  });

  it("has reference values", () => {
    expect(applyCalibration(null, 0.7)).toBe(0.7);
    expect(applyCalibration({ method: "beta", a: 1, b: 1, c: 0 }, 0.7)).toBeCloseTo(0.7, 12);
    // sigmoid(2·ln 0.7 − 0.5·ln 0.3 + 0.1), by hand.
    const z = 2 * Math.log(0.7) - 0.5 * Math.log(0.3) + 0.1;
    expect(applyCalibration({ method: "beta", a: 2, b: 0.5, c: 0.1 }, 0.7)).toBeCloseTo(1 / (1 + Math.exp(-z)), 12);
    expect(applyCalibration({ method: "platt", a: 2, b: 0 }, 0.8)).toBeCloseTo(0.64 / (0.64 + 0.04), 12);
    // Temperature 2 on logits ln p: softmax(ln p / 2) = √p / Σ √p.
    const p = [0.64, 0.32, 0.04];
    const roots = p.map(Math.sqrt);
    const sum = roots.reduce((a, b) => a + b);
    expect(applyCalibration({ method: "temperature", t: 2 }, 0.64, p)).toBeCloseTo((roots[0] ?? 0) / sum, 12);
  });
});
