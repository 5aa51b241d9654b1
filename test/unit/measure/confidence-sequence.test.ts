import { describe, expect, test } from "vitest";
import { noSequence, sequenceAfter, sequenceInterval } from "../../../models/measure/confidence-sequence.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

describe("a confidence sequence", () => {
  test("knows nothing at first, and narrows to the truth", () => {
    expect(sequenceInterval(noSequence)).toEqual({ lower: 0, upper: 1 });
    const random = seededDraw(51);
    let state = noSequence;
    for (let i = 0; i < 4000; i += 1) {
      state = sequenceAfter(state, { isWrong: random() < 0.05, propensity: 1, propensityMin: 1 }, 0.05);
    }
    const { lower, upper } = sequenceInterval(state);
    expect(lower).toBeLessThan(0.05);
    expect(upper).toBeGreaterThan(0.05);
    expect(upper - lower).toBeLessThan(0.035);
    expect(state.labels).toBe(4000);
  });

  test("ever misses the truth in at most the promised share of courses, and only narrows", () => {
    const random = seededDraw(52);
    const [courses, level] = [120, 0.2];
    let missed = 0;
    for (let course = 0; course < courses; course += 1) {
      let state = noSequence;
      let isMissed = false;
      for (let i = 0; i < 250; i += 1) {
        const isWrong = random() < 0.1;
        const propensity = random() < 0.5 ? 0.9 : 0.3;
        if (random() >= propensity) continue;
        const before = sequenceInterval(state);
        state = sequenceAfter(state, { isWrong, propensity, propensityMin: 0.3 }, level);
        const after = sequenceInterval(state);
        expect(after.lower).toBeGreaterThanOrEqual(before.lower);
        expect(after.upper).toBeLessThanOrEqual(before.upper);
        isMissed ||= after.lower > 0.1 || after.upper < 0.1;
      }
      missed += isMissed ? 1 : 0;
    }
    expect(missed / courses).toBeLessThan(level + 3 * Math.sqrt((level * (1 - level)) / courses));
  });

  test("sees through an audit that looks at risky answers more often", () => {
    const random = seededDraw(53);
    let state = noSequence;
    for (let i = 0; i < 12_000; i += 1) {
      const isRisky = random() < 0.2;
      const propensity = isRisky ? 0.8 : 0.2;
      if (random() >= propensity) continue;
      const isWrong = random() < (isRisky ? 0.2 : 0.01);
      state = sequenceAfter(state, { isWrong, propensity, propensityMin: 0.2 }, 0.05);
    }
    // 0.2·0.2 + 0.8·0.01 = 4.8 %; among the audited ones it is 10.5 %.
    const { lower, upper } = sequenceInterval(state);
    expect(lower).toBeLessThan(0.048);
    expect(upper).toBeGreaterThan(0.048);
    expect(upper).toBeLessThan(0.09);
  });

  test("refuses what is no propensity and no level", () => {
    const label = { isWrong: true, propensity: 0.1, propensityMin: 0.2 };
    expect(() => sequenceAfter(noSequence, label, 0.05)).toThrow(RangeError);
    expect(() => sequenceAfter(noSequence, { ...label, propensity: 1 }, 0)).toThrow(RangeError);
    expect(() => sequenceAfter(noSequence, { ...label, propensity: 1 }, 1)).toThrow(RangeError);
  });
});
