import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lnErrorEvidence } from "../../../models/measure/e-process.ts";
import {
  certifiedByEvidence,
  defaultGateThresholds,
  type EvidenceGrid,
  type EvidenceLabel,
  lnEvidence,
  observed,
  startGrid,
} from "../../../models/measure/evidence-grid.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const contract = { maxError: 0.02, delta: 0.05 };
const certain = (confidence: number, isWrong = false): EvidenceLabel => ({
  ...{ confidence, isWrong },
  ...{ propensity: 1, propensityMin: 1 },
});
const after = (grid: EvidenceGrid, labels: readonly EvidenceLabel[]): EvidenceGrid => labels.reduce(observed, grid);
const many = (count: number, label: EvidenceLabel): EvidenceLabel[] => Array.from({ length: count }, () => label);

describe("a grid of evidence", () => {
  test("starts sorted from careful to generous, with four even starts", () => {
    const grid = startGrid(defaultGateThresholds, contract);
    const gateThresholds = grid.points.map((point) => point.gateThreshold);
    expect(gateThresholds).toEqual([...gateThresholds].sort((x, y) => y - x));
    expect(gateThresholds[0]).toBe(0.9999);
    expect(grid.points.map((point) => point.weight).filter((weight) => weight > 0)).toEqual([0.25, 0.25, 0.25, 0.25]);
    expect(certifiedByEvidence(grid)).toBeNull();
  });

  test("counts a label at every gate threshold that would have accepted it", () => {
    const grid = after(startGrid([0.9, 0.5], contract), [certain(0.9), certain(0.7, true), certain(0.4)]);
    expect(grid.points.map(({ labels, errors }) => [labels, errors])).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  test("keeps the largest evidence that there ever was", () => {
    const right = after(startGrid([0.5], contract), many(300, certain(0.6)));
    const best = right.points[0]?.supLnEvidence ?? 0;
    const wrong = after(right, many(30, certain(0.6, true)));
    expect(best).toBeCloseTo(lnErrorEvidence(0, 300, 0.02), 10);
    expect(wrong.points[0]?.supLnEvidence).toBe(best);
    expect(lnEvidence(wrong.points[0] ?? fail())).toBeLessThan(best);
  });

  test("multiplies what certain and sampled labels prove", () => {
    const sampled = { confidence: 0.6, isWrong: false, propensity: 0.1, propensityMin: 0.05 };
    const both = after(startGrid([0.5], contract), [...many(100, certain(0.6)), ...many(100, sampled)]);
    const alone = [many(100, certain(0.6)), many(100, sampled)].map(
      (labels) => after(startGrid([0.5], contract), labels).points[0]?.supLnEvidence ?? 0,
    );
    expect(both.points[0]?.supLnEvidence).toBeCloseTo((alone[0] ?? 0) + (alone[1] ?? 0), 10);
  });

  test("is plain data", () => {
    const grid = after(startGrid([0.5, 0.9], contract), [certain(0.95), certain(0.6, true)]);
    expect(JSON.parse(JSON.stringify(grid))).toEqual(grid);
  });

  test.each([
    ["no gate threshold", [], contract, undefined],
    ["a gate threshold that is no share", [1.5], contract, undefined],
    ["a NaN", [Number.NaN], contract, undefined],
    ["a delta of 0", [0.5], { maxError: 0.02, delta: 0 }, undefined],
    ["a delta of 1", [0.5], { maxError: 0.02, delta: 1 }, undefined],
    ["an error of 0", [0.5], { maxError: 0, delta: 0.05 }, undefined],
    ["an error of 1", [0.5], { maxError: 1, delta: 0.05 }, undefined],
    ["weights that overspend", [0.5, 0.9], contract, [0.6, 0.6]],
    ["too few weights", [0.5, 0.9], contract, [1]],
  ])("refuses %s", (_, gateThresholds, given, weights) => {
    expect(() => startGrid(gateThresholds, given, weights)).toThrow(RangeError);
  });

  test.each([-0.1, 1.1, Number.NaN, Infinity])("refuses a label of confidence %d", (confidence) => {
    expect(() => observed(startGrid([0.5], contract), certain(confidence))).toThrow(RangeError);
  });
});

describe("the walk over evidence", () => {
  test("rejects at 1 / a_j, and hands the level on", () => {
    const grid = startGrid([0.9, 0.8, 0.7], contract, [1, 0, 0]);
    const enough = after(grid, [certain(0.75), ...many(400, certain(0.95))]);
    // No label lies between 0.7 and 0.75, or between 0.8 and 0.95.
    expect(certifiedByEvidence(enough)).toMatchObject({ point: { gateThreshold: 0.7 }, level: 0.05 });
    const gap = after(grid, many(400, certain(0.95)));
    expect(certifiedByEvidence(gap)).toMatchObject({ point: { gateThreshold: 0.9 }, level: 0.05 });
    // Without a share of its own, a point behind one that stands cannot fall.
    const broken = after(enough, []).points.map((point, i) => (i === 0 ? { ...point, supLnEvidence: 2 } : point));
    expect(certifiedByEvidence({ ...grid, points: broken })).toBeNull();
    const own = broken.map((point, i) => ({ ...point, weight: i === 2 ? 0.5 : 0 }));
    expect(certifiedByEvidence({ ...grid, points: own })).toMatchObject({ level: 0.025 });
  });

  test("a wrong label between two proved gate thresholds leaves the careful one in force", () => {
    const proved = after(startGrid([0.9, 0.7], contract), many(600, certain(0.95)));
    expect(certifiedByEvidence(proved)).toMatchObject({ point: { gateThreshold: 0.9 } });
    // Both are proved, and no label told them apart. One that is wrong must not be what does.
    const after1 = observed(proved, certain(0.8, true));
    expect(certifiedByEvidence(after1)).toMatchObject({ point: { gateThreshold: 0.9 } });
    // Right ones may, once the evidence has made good for the wrong one.
    const told = after(after1, many(600, certain(0.8)));
    expect(certifiedByEvidence(told)).toMatchObject({ point: { gateThreshold: 0.7 } });
  });

  test("a wrong label never lowers the gate threshold, and more labels never lift what was proved", () => {
    const labels = fc.array(
      fc.record({
        confidence: fc.constantFrom(0.3, 0.6, 0.8, 0.95),
        isWrong: fc.boolean(),
        times: fc.integer({ min: 1, max: 150 }),
        propensity: fc.constantFrom(1, 0.3),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(labels, (runs) => {
        let grid = startGrid([0.9, 0.7, 0.5], contract);
        let before = certifiedByEvidence(grid)?.point.gateThreshold ?? 2;
        for (const { confidence, isWrong, times, propensity } of runs) {
          const label = { confidence, isWrong, propensity, propensityMin: propensity === 1 ? 1 : 0.1 };
          for (let i = 0; i < times; i += 1) {
            grid = observed(grid, label);
            const now = certifiedByEvidence(grid)?.point.gateThreshold ?? 2;
            expect(now).toBeLessThanOrEqual(before);
            if (isWrong) expect(now).toBe(before);
            before = now;
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("is ever wrong in at most delta of the courses, with weekly audits after a long start", () => {
    const random = seededDraw(11);
    const courses = 80;
    let violations = 0;
    for (let course = 0; course < courses; course += 1) {
      let grid = startGrid([0.9, 0.7, 0.5, 0.3], { maxError: 0.05, delta: 0.2 });
      for (let i = 0; i < 1500; i += 1) {
        const confidence = random();
        // A flat risk at the edge: every gate threshold that is ever certified is a violation.
        const isWrong = random() < 0.0501;
        const isOpen = i > 600;
        const propensity = isOpen && confidence > 0.6 ? 0.2 + 0.4 * (1 - confidence) : 1;
        if (random() < propensity) {
          grid = observed(grid, { confidence, isWrong, propensity, propensityMin: isOpen ? 0.2 : 1 });
        }
      }
      if (certifiedByEvidence(grid) !== null) violations += 1;
    }
    expect(violations / courses).toBeLessThan(0.2 + 3 * Math.sqrt(0.16 / courses));
  });
});

function fail(): never {
  throw new Error("a point is missing");
}
