import { describe, expect, test } from "vitest";
import { builtInReviewers, ReviewRoom } from "../../../models/measure/fleet/fleet-reviewers.ts";
import { fleetSimulation } from "../../../models/measure/fleet/fleet-simulation.ts";
import { dayOf, fleetStores } from "../../../models/measure/fleet/fleet-world.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";

const shape = { seed: 3, stores: 5, days: 70, decisionsPerDay: 60 };
const options = { ...shape, maxError: 0.02, delta: 0.05, globalThreshold: 0.95, reviewers: builtInReviewers };

describe("the simulated fleet, in short", () => {
  const rows = fleetSimulation(options);
  const [global, tuned, perStore, fleet] = rows;

  test("every policy meets the same decisions", () => {
    expect(new Set(rows.map(({ decisions }) => decisions)).size).toBe(1);
    for (const { accepted, wrongAccepts, decisions, fleetViolations, fleetWeeks } of rows) {
      expect(accepted).toBeLessThanOrEqual(decisions);
      expect(wrongAccepts).toBeLessThanOrEqual(accepted);
      expect(fleetViolations).toBeLessThanOrEqual(fleetWeeks);
    }
  });

  test("certified gates keep the contract over what they accept; tuned by hand to what looks right, they do not", () => {
    for (const row of [perStore, fleet]) {
      expect(row?.accepted).toBeGreaterThan(0);
      expect((row?.wrongAccepts ?? 1) / (row?.accepted ?? 1)).toBeLessThan(0.02);
    }
    expect((tuned?.wrongAccepts ?? 0) / (tuned?.accepted ?? 1)).toBeGreaterThan(0.02);
  });

  test("one certificate for the fleet opens sooner than one for each store", () => {
    expect(fleet?.accepted).toBeGreaterThan(perStore?.accepted ?? Infinity);
    expect(fleet?.reviews).toBeLessThan(perStore?.reviews ?? 0);
    expect(global?.policy).toBe("global 0.95");
  });

  test("is the same for the same seed", () => {
    const brief = { ...options, stores: 2, days: 20 };
    expect(fleetSimulation(brief)).toEqual(fleetSimulation(brief));
  });
});

describe("the world of the simulation", () => {
  test("stores differ, and one in four errs more from half-way on", () => {
    const stores = fleetStores({ ...shape, stores: 8 });
    expect(new Set(stores.map(({ offset }) => offset)).size).toBe(8);
    const [drifting] = stores;
    if (drifting === undefined) throw new Error("there are stores");
    expect(stores.filter(({ driftDay }) => driftDay === 35)).toHaveLength(2);
    const risk = (day: number): number => {
      const some = dayOf({ ...drifting, decisionsPerDay: 4000 }, day, seededDraw(1));
      return some.reduce((sum, { wrongChance }) => sum + wrongChance, 0) / some.length;
    };
    expect(risk(35)).toBeGreaterThan(1.5 * risk(34));
  });

  test("reviewers tire, and their disagreements with the model are decided by somebody else", () => {
    const room = new ReviewRoom([{ error: 0.1, repeats: 0.2 }], seededDraw(2));
    const reviewsOf = (cases: number): number => {
      room.newDay();
      let reviews = 0;
      for (let one = 0; one < cases; one += 1) reviews += room.review(false).reviews - 1;
      return reviews / cases;
    };
    expect(reviewsOf(20_000)).toBeGreaterThan(reviewsOf(50) + 0.1);
    let missed = 0;
    for (let one = 0; one < 2000; one += 1) {
      room.newDay();
      missed += room.review(true).isWrong ? 0 : 1;
    }
    // 20 % repeated, and 1 % of the rest decided wrongly.
    expect(missed / 2000).toBeGreaterThan(0.17);
    expect(missed / 2000).toBeLessThan(0.25);
  });
});
