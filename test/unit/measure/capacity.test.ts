import { describe, expect, test } from "vitest";
import { answeredLate, capacityReport, reviewersNeeded } from "../../../models/measure/capacity.ts";
import { riskCoverageCurve } from "../../../models/measure/risk-coverage.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

// 1,000 decisions at 1.000, 0.999, …; the last hundred are wrong in every second case.
const confidence = Array.from({ length: 1000 }, (_, i) => (1000 - i) / 1000);
const correct = confidence.map((_, i) => (i >= 900 && i % 2 === 0 ? 0 : 1));
const curve = riskCoverageCurve(confidence, correct);

describe("contract and capacity together", () => {
  test("the contract binds where people can review what it holds", () => {
    const report = capacityReport(curve, 0.101, { reviewsPer1000: 150 });
    expect(report).toMatchObject({ binds: "contract", spillPer1000: 0 });
    expect(report.contract).toMatchObject({ reviewsPer1000: 100, wrongPer1000: 0, selectiveRisk: 0 });
    expect(report.capacity?.reviewsPer1000).toBe(150);
    expect(report.capacity?.gateThreshold).toBeCloseTo(0.151, 10);
  });

  test("the capacity binds where they cannot, and the report says what their gate would let through", () => {
    const report = capacityReport(curve, 0.101, { reviewsPer1000: 50 });
    expect(report).toMatchObject({ binds: "capacity", spillPer1000: 50 });
    expect(report.capacity).toMatchObject({ reviewsPer1000: 50, wrongPer1000: 25 });
    expect(report.capacity?.selectiveRisk).toBeCloseTo(25 / 950, 12);
  });

  test("without a certificate everything is held", () => {
    const report = capacityReport(curve, null, { reviewsPer1000: 50 });
    expect(report).toMatchObject({ binds: "capacity", spillPer1000: 950, contract: { reviewsPer1000: 1000 } });
    expect(capacityReport(curve, null, { reviewsPer1000: 1000 }).binds).toBe("contract");
  });

  test("a tie that is larger than the capacity is accepted whole, for a gate cannot split it", () => {
    const ties = riskCoverageCurve([0.9, 0.5, 0.5, 0.5], [1, 1, 0, 1]);
    expect(capacityReport(ties, 0.9, { reviewsPer1000: 500 }).capacity).toMatchObject({ gateThreshold: 0.5 });
  });

  test("refuses a budget that is none", () => {
    expect(() => capacityReport(curve, null, { reviewsPer1000: -1 })).toThrow(RangeError);
    expect(() => capacityReport(curve, null, { reviewsPer1000: Number.NaN })).toThrow(RangeError);
    expect(() => capacityReport([], null, { reviewsPer1000: 1 })).toThrow(RangeError);
  });
});

describe("the share that is answered late", () => {
  test("is that of one server in closed form: e^(−(μ − λ)t)", () => {
    const load = { casesPerHour: 180, reviewers: 1, reviewMs: 10_000 };
    expect(answeredLate(load, 30_000)).toBeCloseTo(Math.exp(-(0.1 - 0.05) * 30), 12);
  });

  test("is what a simulated queue shows", () => {
    const random = seededDraw(81);
    const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
    const free = [0, 0, 0];
    let [atMs, late] = [0, 0];
    const cases = 200_000;
    for (let i = 0; i < cases; i += 1) {
      atMs += exponential(3_600_000 / 900);
      const next = free.indexOf(Math.min(...free));
      const doneMs = Math.max(atMs, free[next] ?? 0) + exponential(10_000);
      free[next] = doneMs;
      late += doneMs - atMs > 25_000 ? 1 : 0;
    }
    const load = { casesPerHour: 900, reviewers: 3, reviewMs: 10_000 };
    expect(answeredLate(load, 25_000)).toBeCloseTo(late / cases, 1);
    expect(Math.abs(answeredLate(load, 25_000) - late / cases)).toBeLessThan(0.02);
  });

  test("is all of it where people cannot keep up, and nothing but the answering where nobody waits", () => {
    expect(answeredLate({ casesPerHour: 400, reviewers: 1, reviewMs: 9000 }, 60_000)).toBe(1);
    expect(answeredLate({ casesPerHour: 0, reviewers: 1, reviewMs: 10_000 }, 10_000)).toBeCloseTo(Math.exp(-1), 12);
    expect(answeredLate({ casesPerHour: 10, reviewers: 0, reviewMs: 10_000 }, 10_000)).toBe(1);
    // No server to spare exactly: the limit of the formula, not a division by zero.
    const limit = answeredLate({ casesPerHour: 360, reviewers: 2, reviewMs: 10_000 }, 10_000);
    expect(limit).toBeGreaterThan(0.4);
    expect(limit).toBeLessThan(0.6);
    expect(() => answeredLate({ casesPerHour: 1, reviewers: 1.5, reviewMs: 1 }, 1)).toThrow(RangeError);
  });

  test("says how many people it takes, or that no number of them would do", () => {
    const load = { casesPerHour: 900, reviewMs: 8000 };
    const people = reviewersNeeded(load, 30_000) ?? 0;
    expect(answeredLate({ ...load, reviewers: people }, 30_000)).toBeLessThanOrEqual(0.05);
    expect(answeredLate({ ...load, reviewers: people - 1 }, 30_000)).toBeGreaterThan(0.05);
    expect(reviewersNeeded({ casesPerHour: 1, reviewMs: 60_000 }, 30_000)).toBeNull();
  });
});
