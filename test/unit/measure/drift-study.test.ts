import { describe, expect, test } from "vitest";
import { driftStudy } from "../../../models/measure/study/drift-study.ts";

describe("the drift study, in short", () => {
  const rows = driftStudy({ seed: 5, draws: 150 });
  const row = (before: number, after: number) => rows.find((one) => one.before === before && one.after === after);

  test("a rise from 0.4 to 5 % is caught within a median of about 70 audits", () => {
    expect(row(0.004, 0.05)?.alarms).toBe(150);
    expect(row(0.004, 0.05)?.median).toBeLessThan(80);
  });

  test("a false alarm at the contract's own error takes 1,000 audits on average", () => {
    const edge = row(0.01, 0.01);
    // The run length has about the spread of its mean: three standard errors of 150 draws are a quarter of it.
    expect(edge?.mean).toBeGreaterThan(750);
    expect(edge?.alarms).toBeGreaterThan(145);
  });

  test("good days seldom alarm", () => {
    expect(row(0.004, 0.004)?.alarms).toBeLessThan(20);
  });
});
