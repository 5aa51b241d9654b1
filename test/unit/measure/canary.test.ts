import { describe, expect, test } from "vitest";
import {
  lnCanaryWorse,
  lnPromotion,
  noPromotionEvidence,
  noUnpairedEvidence,
  promotionAfter,
  revertAt,
  revertCarefullyAt,
  unpairedAfter,
} from "../../../models/measure/canary.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";
import { integral } from "./by-hand.ts";

const median = (values: number[]): number => values.sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0;

describe("the paired test of a canary", () => {
  test("is the even mixture over all alternatives above one half", () => {
    for (const [b, c] of [
      [0, 0],
      [1, 0],
      [0, 7],
      [14, 3],
      [60, 40],
    ] as const) {
      const mixed = integral((theta) => 2 * theta ** b * (1 - theta) ** c, 0.5, 1) / 0.5 ** (b + c);
      expect(lnCanaryWorse({ canaryWrong: b, baseWrong: c })).toBeCloseTo(Math.log(mixed), 9);
    }
    expect(lnCanaryWorse({ canaryWrong: 0, baseWrong: 0 })).toBeCloseTo(0, 14);
  });

  test("ever reverts an equal canary with probability at most 1/20, by exact recursion over 3,000 pairs", () => {
    const everReached = (limit: number): number => {
      let alive = new Float64Array([1]);
      let reached = 0;
      for (let pairs = 1; pairs <= 3000; pairs += 1) {
        const next = new Float64Array(pairs + 1);
        for (let b = 0; b <= pairs; b += 1) {
          const here = ((alive[b] ?? 0) + (b > 0 ? (alive[b - 1] ?? 0) : 0)) / 2;
          if (here < 1e-14) continue;
          // Only far above the half can it be reached at all: elsewhere there is nothing to compute.
          const isHigh =
            b > pairs / 2 + 2 && lnCanaryWorse({ canaryWrong: b, baseWrong: pairs - b }) >= Math.log(limit);
          if (isHigh) reached += here;
          else next[b] = here;
        }
        alive = next;
      }
      return reached;
    };
    const found = everReached(revertAt);
    expect(found).toBeLessThanOrEqual(1 / revertAt);
    expect(found).toBeGreaterThan(0.005);
    // A limit of 3 promises a third at most, and uses more than a twentieth of it: the recursion does see alarms.
    expect(everReached(3)).toBeGreaterThan(0.05);
  });

  test("reverts a canary of 6.1 % against 3.3 % within a median of about 400 paired items", () => {
    const random = seededDraw(41);
    const items = (limit: number): number => {
      let [canaryWrong, baseWrong] = [0, 0];
      for (let item = 1; item <= 20_000; item += 1) {
        // Two percent of the cases are too hard for both.
        const u = random();
        if (u < 0.041) canaryWrong += 1;
        else if (u < 0.054) baseWrong += 1;
        else continue;
        if (lnCanaryWorse({ canaryWrong, baseWrong }) >= Math.log(limit)) return item;
      }
      return Number.POSITIVE_INFINITY;
    };
    const times = median(Array.from({ length: 400 }, () => items(revertAt)));
    expect(times).toBeLessThan(480);
    expect(median(Array.from({ length: 400 }, () => items(revertCarefullyAt)))).toBeGreaterThan(times);
  });

  test("refuses counts that are none", () => {
    expect(() => lnCanaryWorse({ canaryWrong: -1, baseWrong: 0 })).toThrow(RangeError);
    expect(() => lnCanaryWorse({ canaryWrong: 0.5, baseWrong: 0 })).toThrow(RangeError);
  });
});

describe("the unpaired test of a canary", () => {
  test("has a mean of 1 for a block at equal rates, and less for a better canary: all outcomes counted", () => {
    // What was learnt before says that the canary is worse.
    const before = { ...noUnpairedEvidence, baseItems: 100, baseErrors: 4, canaryItems: 100, canaryErrors: 9 };
    const choose = [1, 3, 3, 1];
    const chance = (k: number, n: number, rate: number): number =>
      (n === 3 ? (choose[k] ?? 0) : n === 2 ? ([1, 2, 1][k] ?? 0) : 0) * rate ** k * (1 - rate) ** (n - k);
    const mean = (base: number, canary: number): number => {
      let sum = 0;
      for (let baseErrors = 0; baseErrors <= 3; baseErrors += 1) {
        for (let canaryErrors = 0; canaryErrors <= 2; canaryErrors += 1) {
          const after = unpairedAfter(before, { baseItems: 3, baseErrors, canaryItems: 2, canaryErrors });
          sum += chance(baseErrors, 3, base) * chance(canaryErrors, 2, canary) * Math.exp(after.lnEvidence);
        }
      }
      return sum;
    };
    for (const rate of [0.01, 0.06, 0.3, 0.9]) {
      expect(mean(rate, rate)).toBeLessThanOrEqual(1 + 1e-12);
      expect(mean(rate, rate * 0.5)).toBeLessThanOrEqual(1 + 1e-12);
    }
    expect(mean(0.04, 0.09)).toBeGreaterThan(1);
  });

  test("finds a worse canary, and seldom one that is not", () => {
    const random = seededDraw(42);
    const course = (base: number, canary: number, blocks: number): boolean => {
      let evidence = noUnpairedEvidence;
      for (let i = 0; i < blocks; i += 1) {
        const baseErrors = random() < base ? 1 : 0;
        const canaryErrors = random() < canary ? 1 : 0;
        evidence = unpairedAfter(evidence, { baseItems: 1, baseErrors, canaryItems: 1, canaryErrors });
        if (evidence.lnEvidence >= Math.log(revertAt)) return true;
      }
      return false;
    };
    const share = (base: number, canary: number, courses: number): number =>
      Array.from({ length: courses }, () => course(base, canary, 3000)).filter(Boolean).length / courses;
    expect(share(0.05, 0.05, 300)).toBeLessThan(0.05 + 3 * Math.sqrt(0.0475 / 300));
    expect(share(0.033, 0.061, 50)).toBeGreaterThan(0.9);
  });

  test("refuses a block without items of both, or with more errors than items", () => {
    const block = { baseItems: 1, baseErrors: 0, canaryItems: 1, canaryErrors: 0 };
    expect(() => unpairedAfter(noUnpairedEvidence, { ...block, baseItems: 0 })).toThrow(RangeError);
    expect(() => unpairedAfter(noUnpairedEvidence, { ...block, canaryErrors: 2 })).toThrow(RangeError);
  });
});

describe("the promotion of a canary", () => {
  test("has a mean of exactly 1 for a canary that is worse by the margin", () => {
    const mean = (canaryOnly: number, baseOnly: number): number => {
      const after = (isBaseWrong: boolean, isCanaryWrong: boolean): number =>
        Math.exp(lnPromotion(promotionAfter(noPromotionEvidence, { isBaseWrong, isCanaryWrong }, 0.01)));
      return (
        canaryOnly * after(false, true) +
        baseOnly * after(true, false) +
        (1 - canaryOnly - baseOnly) * after(false, false)
      );
    };
    expect(mean(0.04, 0.03)).toBeCloseTo(1, 14);
    expect(mean(0.05, 0.03)).toBeLessThan(1);
    expect(mean(0.03, 0.03)).toBeGreaterThan(1);
  });

  test("promotes an equal canary in time, and one that is worse by the margin seldom", () => {
    const random = seededDraw(43);
    const promoted = (canaryOnly: number, items: number): boolean => {
      let evidence = noPromotionEvidence;
      for (let i = 0; i < items; i += 1) {
        const u = random();
        const found = { isCanaryWrong: u < canaryOnly, isBaseWrong: u > 0.98 };
        evidence = promotionAfter(evidence, found, 0.01);
        if (lnPromotion(evidence) >= Math.log(20)) return true;
      }
      return false;
    };
    const share = (canaryOnly: number, courses: number): number =>
      Array.from({ length: courses }, () => promoted(canaryOnly, 8000)).filter(Boolean).length / courses;
    expect(share(0.02, 40)).toBeGreaterThan(0.8);
    expect(share(0.03, 150)).toBeLessThan(0.05 + 3 * Math.sqrt(0.0475 / 150));
    expect(() => promotionAfter(noPromotionEvidence, { isBaseWrong: true, isCanaryWrong: true }, 0)).toThrow(
      RangeError,
    );
  });
});
