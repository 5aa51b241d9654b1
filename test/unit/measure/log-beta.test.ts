import betaQuantile from "@stdlib/stats-base-dists-beta-quantile";
import binomialCdf from "@stdlib/stats-base-dists-binomial-cdf";
import gammaln from "@stdlib/math-base-special-gammaln";
import { describe, expect, test } from "vitest";
import { clopperPearsonUpper, lnBinomialLowerTail } from "../../../models/measure/binomial.ts";
import { lnBeta, lnBetaTail, lnBetaTerm, lnBetaUpperTail } from "../../../models/measure/log-beta.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";
import { integral, lnTailExact } from "./by-hand.ts";

describe("the logarithm of the beta function", () => {
  test("has its closed forms", () => {
    expect(lnBeta(0.5, 0.5)).toBeCloseTo(Math.log(Math.PI), 14);
    expect(lnBeta(1, 1e9)).toBeCloseTo(-Math.log(1e9), 12);
    // B(m, n) = (m − 1)!(n − 1)!/(m + n − 1)!: B(3, 1000000) = 2 / (1000000 · 1000001 · 1000002).
    expect(lnBeta(3, 1e6)).toBeCloseTo(Math.log(2) - Math.log(1e6) - Math.log(1_000_001) - Math.log(1_000_002), 12);
  });

  test("keeps B(a + 1, b) = B(a, b)·a/(a + b), also where three logarithms of Γ would cancel", () => {
    const random = seededDraw(1);
    for (let turn = 0; turn < 500; turn += 1) {
      const [a, b] = [10 ** (8 * random() - 1), 10 ** (8 * random() - 1)];
      const [whole, ratio] = [lnBeta(a, b), lnBeta(a + 1, b) - lnBeta(a, b)];
      expect(Math.abs(ratio - Math.log(a / (a + b)))).toBeLessThan(1e-14 * (10 + Math.abs(whole)));
    }
    for (let turn = 0; turn < 300; turn += 1) {
      const [a, b] = [0.01 + 9 * random(), 0.01 + 12 * random()];
      expect(lnBeta(a, b)).toBeCloseTo(gammaln(a) + gammaln(b) - gammaln(a + b), 12);
    }
  });
});

describe("the tails of the beta distribution", () => {
  test("are the exact binomial tail to 12 digits, down to 1e-300", () => {
    const random = seededDraw(2);
    let deepest = 0;
    for (let turn = 0; turn < 300; turn += 1) {
      const n = 1 + Math.floor(random() ** 2 * 1200);
      const k = Math.floor(random() * n * (random() < 0.5 ? 1 : 0.1));
      const share = random() < 0.5 ? 0.001 + 0.998 * random() : 0.001 + random() ** 4 * 0.9;
      const exact = lnTailExact(k, n, share);
      if (exact < -695) continue;
      deepest = Math.min(deepest, exact);
      // An absolute error of a logarithm is a relative one of the tail.
      expect(Math.abs(lnBinomialLowerTail(k, n, share) - exact)).toBeLessThan(1e-12);
    }
    expect(deepest).toBeLessThan(Math.log(1e-290));
  });

  test("are a library's where that library is exact", () => {
    const random = seededDraw(3);
    for (let turn = 0; turn < 300; turn += 1) {
      const n = 10 + Math.floor(random() * 2000);
      const share = 0.001 + 0.2 * random();
      const k = Math.floor(n * share * (0.5 + random()));
      expect(Math.exp(lnBinomialLowerTail(k, n, share)) / binomialCdf(k, n, share)).toBeCloseTo(1, 11);
      expect(clopperPearsonUpper(k, n, 0.05) / betaQuantile(0.95, k + 1, n - k)).toBeCloseTo(1, 11);
    }
  });

  test("do not share the library's fault at P(Bin(2000, 0.3) ≤ 30), where it is off by 6e-4", () => {
    const exact = lnTailExact(30, 2000, 0.3);
    expect(Math.abs(lnBinomialLowerTail(30, 2000, 0.3) - exact)).toBeLessThan(1e-12);
    expect(Math.abs(Math.log(binomialCdf(30, 2000, 0.3)) - exact)).toBeGreaterThan(1e-4);
  });

  test("keep their digits where the tail itself is no double any more", () => {
    expect(lnBetaTail(0.5, 100_000, 1)).toBeCloseTo(100_000 * Math.log(0.5), 7);
    expect(lnBetaUpperTail(0.01, 1, 1e6)).toBeCloseTo(1e6 * Math.log1p(-0.01), 7);
  });

  test("equal the integral of the density at half-integers", () => {
    for (const [k, n, x] of [
      [0, 20, 0.01],
      [3, 100, 0.05],
      [40, 60, 0.9],
    ] as const) {
      // r = sin²θ takes the roots out of the density of Beta(k + ½, n − k + ½).
      const mass = integral(
        (t) => 2 * Math.sin(t) ** (2 * k) * Math.cos(t) ** (2 * (n - k)),
        0,
        Math.asin(Math.sqrt(x)),
      );
      const [a, b] = [k + 0.5, n - k + 0.5];
      expect(lnBetaTail(x, a, b)).toBeCloseTo(Math.log(mass) - lnBeta(a, b), 11);
    }
  });

  test("sum to one, and end at 0 and 1", () => {
    for (const x of [1e-9, 0.01, 0.5, 0.99]) {
      expect(Math.exp(lnBetaTail(x, 0.5, 30)) + Math.exp(lnBetaUpperTail(x, 0.5, 30))).toBeCloseTo(1, 13);
    }
    expect([lnBetaTail(0, 2, 3), lnBetaTail(1, 2, 3)]).toEqual([-Infinity, 0]);
    expect([lnBetaUpperTail(0, 2, 3), lnBetaUpperTail(1, 2, 3)]).toEqual([0, -Infinity]);
  });

  test("have the density's term for a slope", () => {
    const [x, a, b, step] = [0.03, 12.5, 300, 1e-7];
    const slope = (Math.exp(lnBetaTail(x + step, a, b)) - Math.exp(lnBetaTail(x - step, a, b))) / (2 * step);
    expect((x * (1 - x) * slope) / Math.exp(lnBetaTerm(x, a, b))).toBeCloseTo(1, 7);
  });

  test("refuse what is no beta distribution", () => {
    expect(() => lnBetaTail(0.5, 0, 1)).toThrow(RangeError);
    expect(() => lnBetaTail(0.5, 1, Infinity)).toThrow(RangeError);
    expect(() => lnBetaTail(Number.NaN, 1, 1)).toThrow(RangeError);
    expect(() => lnBetaUpperTail(1.5, 1, 1)).toThrow(RangeError);
  });
});

describe("a Clopper–Pearson bound", () => {
  test.each([0.05, 0.001 / 13, 1e-12, 1e-50, 1e-300])("is met by the exact tail at the level %d", (level) => {
    for (const [k, n] of [
      [0, 1_000_000],
      [2, 1_000_000],
      [31, 3911],
      [5000, 1_000_000],
    ] as const) {
      expect(lnBinomialLowerTail(k, n, clopperPearsonUpper(k, n, level)) - Math.log(level)).toBeCloseTo(0, 10);
    }
  });
});
