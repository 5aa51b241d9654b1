import { describe, expect, test } from "vitest";
import { driftAlarm, drifted, driftLevel, noDrift } from "../../../models/measure/drift-detector.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const uniform = { propensity: 0.02, propensityMin: 0.02 };

/** After how many labels the detector alarms; Infinity if not within the limit. */
function alarmAfter(random: () => number, risk: number, maxError: number, limit: number, from = noDrift): number {
  let state = from;
  for (let labels = 1; labels <= limit; labels += 1) {
    state = drifted(state, { isWrong: random() < risk, ...uniform }, maxError);
    if (driftLevel(state) >= driftAlarm) return labels;
  }
  return Number.POSITIVE_INFINITY;
}

const median = (values: number[]): number => values.sort((x, y) => x - y)[Math.floor(values.length / 2)] ?? 0;

describe("the drift detector", () => {
  test("is M ← ℓ(1 + M) with the likelihood ratios of 2, 4 and 8 % against 1 %", () => {
    const ratio = (b: number, isWrong: boolean): number => (isWrong ? b / 0.01 : (1 - b) / 0.99);
    let state = noDrift;
    const byHand = [0, 0, 0];
    for (const isWrong of [false, true, false, false, true]) {
      state = drifted(state, { isWrong, ...uniform }, 0.01);
      [0.02, 0.04, 0.08].forEach((b, i) => (byHand[i] = ratio(b, isWrong) * (1 + (byHand[i] ?? 0))));
    }
    state.forEach((value, i) => {
      expect(value).toBeCloseTo(byHand[i] ?? 0, 10);
    });
    expect(driftLevel(state)).toBeCloseTo(byHand.reduce((sum, value) => sum + value, 0) / 3, 10);
  });

  test("catches a rise from 0.4 % to 5 % within a median of about 70 audits", () => {
    const random = seededDraw(31);
    const delays = Array.from({ length: 1000 }, () => {
      let state = noDrift;
      for (let i = 0; i < 200; i += 1) state = drifted(state, { isWrong: random() < 0.004, ...uniform }, 0.01);
      return alarmAfter(random, 0.05, 0.01, 5000, state);
    });
    expect(median(delays)).toBeLessThanOrEqual(80);
  });

  test("alarms falsely no sooner than promised: after at least 1,000 labels on average, at the very edge", () => {
    const random = seededDraw(32);
    const runs = Array.from({ length: 200 }, () => Math.min(20_000, alarmAfter(random, 0.01, 0.01, 20_000)));
    expect(runs.reduce((sum, labels) => sum + labels, 0) / runs.length).toBeGreaterThan(1000);
    // The same promise is broken where the risk is above the edge: the test can fail.
    const worse = Array.from({ length: 200 }, () => Math.min(20_000, alarmAfter(random, 0.03, 0.01, 20_000)));
    expect(worse.reduce((sum, labels) => sum + labels, 0) / worse.length).toBeLessThan(1000);
  });

  test("keeps a mean of at most 1 + M under any audit, as long as the risk over all decisions is at most α", () => {
    // Half of the decisions are audited at 0.8 and err in 1.8 %, the others at 0.1 and err in 0.2 %: 1 % over all.
    const kinds = [
      { propensity: 0.8, risk: 0.018 },
      { propensity: 0.1, risk: 0.002 },
    ];
    const level = (isWrong: boolean, propensity: number): number =>
      driftLevel(drifted([5, 5, 5], { isWrong, propensity, propensityMin: 0.1 }, 0.01));
    const drawn = kinds.map(({ propensity, risk }) => ({
      chance: propensity / 2,
      mean: risk * level(true, propensity) + (1 - risk) * level(false, propensity),
    }));
    const chance = drawn.reduce((sum, kind) => sum + kind.chance, 0);
    expect(drawn.reduce((sum, kind) => sum + kind.chance * kind.mean, 0) / chance).toBeCloseTo(6, 10);
    // Without the propensities the same audit looks like drift.
    const naive = drawn.map((_, i) => {
      const { propensity, risk } = kinds[i] ?? { propensity: 1, risk: 0 };
      return (propensity / 2) * (risk * level(true, 0.1) + (1 - risk) * level(false, 0.1));
    });
    expect(naive.reduce((sum, value) => sum + value, 0) / chance).toBeGreaterThan(6.05);
  });

  test("has nothing to look for above its largest alternative, and refuses what is no propensity", () => {
    expect(driftLevel(drifted(noDrift, { isWrong: true, ...uniform }, 0.95))).toBeCloseTo(1, 12);
    expect(() => drifted(noDrift, { isWrong: true, propensity: 0, propensityMin: 0 }, 0.01)).toThrow(RangeError);
    expect(() => drifted(noDrift, { isWrong: true, propensity: 0.1, propensityMin: 0.2 }, 0.01)).toThrow(RangeError);
    expect(() => drifted(noDrift, { isWrong: true, ...uniform }, 0)).toThrow(RangeError);
  });
});
