import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  binomialLowerTail,
  clopperPearson,
  clopperPearsonLower,
  clopperPearsonUpper,
  labelsAtLeast,
} from "../../../models/measure/binomial.ts";
import { tailByHand } from "./by-hand.ts";

describe("the exact binomial tail", () => {
  test("equals the sum of its terms", () => {
    const counts = fc.tuple(fc.nat(60), fc.nat(60)).map(([x, y]) => [Math.min(x, y), Math.max(x, y)] as const);
    fc.assert(
      fc.property(counts, fc.double({ min: 0.001, max: 0.999, noNaN: true }), ([k, n], share) => {
        expect(binomialLowerTail(k, n, share)).toBeCloseTo(tailByHand(k, n, share), 10);
      }),
    );
  });

  test("without a success is the power of the complement", () => {
    expect(binomialLowerTail(0, 299, 0.01)).toBeCloseTo(0.99 ** 299, 14);
  });

  test("refuses counts that are no counts", () => {
    expect(() => binomialLowerTail(3, 2, 0.1)).toThrow(RangeError);
    expect(() => binomialLowerTail(0.5, 2, 0.1)).toThrow(RangeError);
    expect(() => binomialLowerTail(1, 2, 1.1)).toThrow(RangeError);
  });
});

describe("the bounds of Clopper and Pearson", () => {
  test("have their closed forms at no error and at errors alone", () => {
    expect(clopperPearsonUpper(0, 299, 0.05)).toBeCloseTo(1 - 0.05 ** (1 / 299), 10);
    expect(clopperPearsonLower(20, 20, 0.05)).toBeCloseTo(0.05 ** (1 / 20), 10);
    expect(clopperPearsonUpper(20, 20, 0.05)).toBe(1);
    expect(clopperPearsonLower(0, 20, 0.05)).toBe(0);
    expect(clopperPearsonUpper(0, 0, 0.05)).toBe(1);
  });

  test("bound 31 errors in 3,911 at 0.001 / 13 by 0.0148, not by the 0.0099 in print", () => {
    expect(clopperPearsonUpper(31, 3911, 0.001 / 13)).toBeCloseTo(0.0148, 4);
  });

  test("invert the tail: at the upper bound the tail equals the level", () => {
    const level = fc.double({ min: 0.001, max: 0.5, noNaN: true });
    fc.assert(
      fc.property(fc.nat(40), fc.integer({ min: 1, max: 400 }), level, (k, more, at) => {
        expect(binomialLowerTail(k, k + more, clopperPearsonUpper(k, k + more, at))).toBeCloseTo(at, 8);
      }),
    );
  });

  test("give the textbook interval for 3 in 100", () => {
    const { lower, upper } = clopperPearson(3, 100, 0.05);
    expect(lower).toBeCloseTo(0.0062, 4);
    expect(upper).toBeCloseTo(0.0852, 4);
  });
});

describe("the fewest labels that can certify", () => {
  test.each([
    [0.02, 149],
    [0.01, 299],
    [0.005, 598],
  ])("an error of %d at 0.05 are %d", (maxError, labels) => {
    expect(labelsAtLeast(maxError, 0.05)).toBe(labels);
  });

  test("are 368 at 1 % when half of delta is kept for later", () => {
    expect(labelsAtLeast(0.01, 0.025)).toBe(368);
  });

  test("are enough, and one fewer is not", () => {
    const open = fc.double({ min: 0.0005, max: 0.9, noNaN: true });
    fc.assert(
      fc.property(open, open, (maxError, level) => {
        const n = labelsAtLeast(maxError, level);
        expect((1 - maxError) ** n).toBeLessThanOrEqual(level);
        if (n > 1) expect((1 - maxError) ** (n - 1)).toBeGreaterThan(level);
      }),
    );
  });
});
