import { describe, expect, test } from "vitest";
import { overTimeStudy } from "../../../models/measure/study/over-time-study.ts";

describe("half a year with weekly looks, in short", () => {
  const draws = 30;
  const rows = overTimeStudy({ seed: 2, draws });
  const of = (keeper: string) => rows.filter((row) => row.keeper === keeper);

  test("launch and evidence are ever wrong in at most delta of the half years, plus Monte-Carlo error", () => {
    for (const { violations, delta } of of("launch and evidence")) {
      expect(violations / draws).toBeLessThanOrEqual(delta + 3 * Math.sqrt((delta * (1 - delta)) / draws));
    }
  });

  test("a certificate made anew each week spends delta again and again", () => {
    const again = of("certificate anew each week").reduce((sum, { violations }) => sum + violations, 0);
    const once = of("launch and evidence").reduce((sum, { violations }) => sum + violations, 0);
    expect(again).toBeGreaterThan(once + 5);
  });

  test("a store that is as good as it thinks is automated for the most part, on less than half of the labels", () => {
    const [calibrated] = of("launch and evidence");
    expect(calibrated?.coverage).toBeGreaterThan(0.6);
    expect(calibrated?.labels).toBeLessThan(0.5 * 26 * 120);
  });
});
