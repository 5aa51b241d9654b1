import { describe, expect, test } from "vitest";
import { certify } from "../../../models/measure/certify.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const contract = { maxError: 0.05, delta: 0.05 };
const even = Array.from({ length: 400 }, (_, i) => (i + 1) / 400);
const right = even.map(() => 1);

describe("labels that are not what they should be", () => {
  test.each([
    ["a NaN", [...even.slice(1), Number.NaN], right],
    ["an infinite confidence", [...even.slice(1), Infinity], right],
    ["an outcome that is neither 0 nor 1", even, [...right.slice(1), 0.5]],
    ["an outcome that is missing", even, right.slice(1)],
    ["no labels", [], []],
  ])("%s is refused", (_, confidence, correct) => {
    expect(() => certify(confidence, correct, contract)).toThrow(RangeError);
  });

  test.each([
    ["an error of 0", { maxError: 0, delta: 0.05 }],
    ["an error of 1", { maxError: 1, delta: 0.05 }],
    ["a delta of 0", { maxError: 0.05, delta: 0 }],
    ["a delta of 1", { maxError: 0.05, delta: 1 }],
    ["a NaN", { maxError: Number.NaN, delta: 0.05 }],
  ])("a contract with %s is refused", (_, given) => {
    expect(() => certify(even, right, given)).toThrow(RangeError);
  });

  test("all ties are one point: accepted together or not at all", () => {
    const ties = even.map(() => 0.7);
    expect(certify(ties, right, contract)).toMatchObject({ gateThreshold: 0.7, accepted: 400, coverage: 1 });
    const some = right.map((_, i) => (i % 10 === 0 ? 0 : 1));
    expect(certify(ties, some, contract)).toMatchObject({ gateThreshold: null, coverage: 0 });
  });

  test("all right accepts everything, all wrong and too few accept nothing", () => {
    expect(certify(even, right, contract).coverage).toBe(1);
    expect(
      certify(
        even,
        right.map(() => 0),
        contract,
      ).gateThreshold,
    ).toBeNull();
    expect(certify(even.slice(0, 58), right.slice(0, 58), contract)).toMatchObject({
      gateThreshold: null,
      labelsNeeded: 1,
    });
  });

  test("one more right answer made wrong never lowers the gate threshold", () => {
    const random = seededDraw(111);
    for (let turn = 0; turn < 40; turn += 1) {
      const correct = even.map((c) => (random() < 0.2 * (1 - c) ? 0 : 1));
      const before = certify(even, correct, contract).gateThreshold ?? 2;
      const at = Math.floor(random() * 400);
      const after =
        certify(
          even,
          correct.map((value, i) => (i === at ? 0 : value)),
          contract,
        ).gateThreshold ?? 2;
      expect(after).toBeGreaterThanOrEqual(before);
    }
  });
});
