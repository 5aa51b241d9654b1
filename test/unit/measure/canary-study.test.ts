import { describe, expect, test } from "vitest";
import { canaryStudy } from "../../../models/measure/study/canary-study.ts";

describe("the canary study, in short", () => {
  const draws = 200;
  const rows = canaryStudy({ seed: 6, draws });

  test("a canary that errs in 6.1 instead of 3.3 % is reverted within a median of about 400 pairs", () => {
    const worse = rows.filter(({ test, canaryError }) => test === "paired" && canaryError === 0.061);
    expect(worse).toHaveLength(3);
    for (const { reverts } of worse) expect(reverts).toBeGreaterThan(0.98 * draws);
    const medians = worse.map(({ median }) => median ?? Infinity);
    expect(medians[1]).toBeGreaterThan(300);
    expect(medians[1]).toBeLessThan(550);
    // The more errors they share, the fewer pairs differ by chance.
    expect(medians[2]).toBeLessThan(medians[0] ?? 0);
  });

  test("one that is no worse is reverted in at most 5 % of the draws, plus Monte-Carlo error", () => {
    for (const { canaryError, baseError, reverts } of rows) {
      if (canaryError > baseError) continue;
      expect(reverts / draws).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / draws));
    }
  });
});
