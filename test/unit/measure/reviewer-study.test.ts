import { describe, expect, test } from "vitest";
import { reviewerStudy } from "../../../models/measure/study/reviewer-study.ts";

describe("certificates on labels of people who err, in short", () => {
  const draws = 100;
  const rows = reviewerStudy({ seed: 4, draws });
  const of = (labelling: string) => rows.filter((row) => row.labelling === labelling);

  test("adjudicated, with α deflated by what gold cases show, the promise holds", () => {
    for (const { violations, delta } of of("adjudicated, α deflated")) {
      expect(violations / draws).toBeLessThanOrEqual(delta + 2 * Math.sqrt((delta * (1 - delta)) / draws));
    }
  });

  test("and at least 0.8 of the coverage with perfect labels is left", () => {
    const perfect = of("perfect");
    of("adjudicated, α deflated").forEach(({ coverage }, at) => {
      expect(coverage).toBeGreaterThan(0.8 * (perfect[at]?.coverage ?? 1));
    });
  });

  test("one reviewer alone certifies nothing, and repeated errors break the promise where α is not deflated", () => {
    for (const { coverage } of of("one reviewer")) expect(coverage).toBeLessThan(0.1);
    const worst = of("adjudicated").at(-1);
    expect(worst?.violations).toBeGreaterThan(0.1 * draws);
  });
});
