import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { spentLevel } from "../../../models/measure/spent-level.ts";

describe("the level that a step spends", () => {
  it("is the number that was meant, where arithmetic missed it", () => {
    expect(0.75 * 0.05).not.toBe(0.0375);
    expect(spentLevel(0.75 * 0.05)).toBe(0.0375);
    expect(spentLevel(0.1 + 0.2)).toBe(0.3);
    expect(spentLevel(0.012499999999999999)).toBe(0.0125);
    expect(spentLevel(0.05)).toBe(0.05);
    expect(spentLevel(1)).toBe(1);
    expect(spentLevel(0)).toBe(0);
    expect(spentLevel(0.05 / 3)).toBe(0.0166666666666);
  });

  it("is never more than what may be spent, and less by a trillionth at most", () => {
    const levels = fc.oneof(
      fc.double({ min: 1e-300, max: 1, noNaN: true }),
      fc.double({ min: -20, max: 0, noNaN: true }).map((ln) => Math.exp(ln)),
    );
    fc.assert(
      fc.property(levels, (level) => {
        expect(spentLevel(level)).toBeLessThanOrEqual(level * (1 + 1e-15));
        expect(spentLevel(level)).toBeGreaterThanOrEqual(level * (1 - 1e-11));
      }),
    );
  });
});
