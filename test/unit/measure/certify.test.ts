import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { binomialLowerTail } from "../../../models/measure/binomial.ts";
import { certify, labelFreeGrid, startCount } from "../../../models/measure/certify.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";
import { fallbackByHand } from "./by-hand.ts";

const contract = { maxError: 0.02, delta: 0.05 };

/** Items whose chance to be right grows with their confidence, on a grid of `ties` confidences. */
function population(items: number, seed: number, ties: number): { confidence: number[]; correct: number[] } {
  const random = seededDraw(seed);
  const confidence = Array.from({ length: items }, () => Math.floor(random() * ties) / ties);
  const correct = confidence.map((c) => (random() < 1 - 0.4 * (1 - c) ** 2 ? 1 : 0));
  return { confidence, correct };
}

describe("certify", () => {
  test("finds the gate threshold that the six steps give when done by hand", () => {
    const error = fc.constantFrom(0.02, 0.05, 0.1, 0.2);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 700 }),
        fc.nat(),
        fc.constantFrom(3, 40, 100_000),
        error,
        (n, seed, ties, e) => {
          const { confidence, correct } = population(n, seed, ties);
          const found = certify(confidence, correct, { maxError: e, delta: 0.05 });
          expect(found.gateThreshold).toBe(fallbackByHand(confidence, correct, e, 0.05));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("never accepts what its p-value does not support", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), fc.constantFrom(5, 1000), (n, seed, ties) => {
        const { confidence, correct } = population(n, seed, ties);
        const found = certify(confidence, correct, contract);
        if (found.gateThreshold === null) {
          expect(found).toMatchObject({ accepted: 0, errors: 0, coverage: 0, level: null, upperBound: null });
          expect(found.labelsNeeded).toBeGreaterThan(0);
          return;
        }
        const gate = found.gateThreshold;
        expect(found.accepted).toBe(confidence.filter((c) => c >= gate).length);
        expect(found.errors).toBe(confidence.filter((c, i) => c >= gate && correct[i] === 0).length);
        expect(found.level).toBeLessThanOrEqual(contract.delta * (1 + 1e-12));
        expect(binomialLowerTail(found.errors, found.accepted, contract.maxError)).toBeLessThanOrEqual(
          found.level ?? 0,
        );
        expect(found.upperBound).toBeLessThanOrEqual(contract.maxError + 1e-9);
        expect(found.labelsNeeded).toBe(0);
      }),
    );
  });

  test("does not depend on the order of the labels", () => {
    const { confidence, correct } = population(900, 7, 50);
    const turned = certify([...confidence].reverse(), [...correct].reverse(), contract);
    expect(turned).toEqual(certify(confidence, correct, contract));
  });

  test("certifies everything at the fewest labels without an error, and nothing at one fewer", () => {
    const enough = Array.from({ length: 299 }, (_, i) => 0.5 + i / 1000);
    const right = enough.map(() => 1);
    const one = { maxError: 0.01, delta: 0.05 };
    expect(certify(enough, right, one)).toMatchObject({ gateThreshold: 0.5, coverage: 1, errors: 0 });
    expect(certify(enough.slice(1), right.slice(1), one)).toMatchObject({ gateThreshold: null, labelsNeeded: 1 });
    expect(certify(enough.slice(249), right.slice(249), one)).toMatchObject({ gateThreshold: null, labelsNeeded: 249 });
  });

  test("automates nothing when every answer is wrong, and still says what is missing", () => {
    const found = certify([0.9, 0.8], [0, 0], contract);
    expect(found).toMatchObject({ gateThreshold: null, labelsNeeded: 149 });
  });

  test("keeps its promise: true selective risk above the contract in at most delta of the draws", () => {
    // A flat risk exactly at the contract's edge is where scanning every threshold fails in 19 % of the draws.
    const random = seededDraw(20);
    let violations = 0;
    const draws = 400;
    for (let draw = 0; draw < draws; draw += 1) {
      const confidence = Array.from({ length: 500 }, () => random());
      const correct = confidence.map(() => (random() < 0.0501 ? 0 : 1));
      if (certify(confidence, correct, { maxError: 0.05, delta: 0.05 }).gateThreshold !== null) violations += 1;
    }
    // 0.05 plus three standard errors of that many draws.
    expect(violations / draws).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / draws));
  });
});

describe("the walk", () => {
  test("looks at grid points chosen without a label", () => {
    const { confidence, correct } = population(500, 3, 60);
    const grid = (outcomes: number[]): number[] =>
      labelFreeGrid(confidence, outcomes).map((point) => point.gateThreshold);
    expect(grid(correct)).toEqual(grid(correct.map(() => 1)));
  });

  test("starts at up to four places, as the labels allow", () => {
    expect([100, 446, 447, 670, 671, 893, 894, 90_000].map((n) => startCount(n, contract))).toEqual([
      1, 1, 2, 2, 3, 3, 4, 4,
    ]);
  });

  test("is not misled by a p-value that underflows where no level is left", () => {
    const confidence = Array.from({ length: 9000 }, (_, i) => 1 - i / 10_000);
    const correct = confidence.map((_, i) => (i < 100 ? 0 : 1));
    const found = certify(confidence, correct, { maxError: 0.3, delta: 0.05 });
    expect(found.gateThreshold === null || found.level !== 0).toBe(true);
  });
});
