import { describe, expect, test } from "vitest";
import { drawSample, populationOf, studyPopulations, truth } from "../../../models/measure/study/populations.ts";
import { procedures } from "../../../models/measure/study/rivals.ts";
import { seededDraw } from "../../../models/measure/seeded-draw.ts";
import { studyContracts, validityStudy, type ValidityRow } from "../../../models/measure/study/validity-study.ts";
import { tailByHand } from "./by-hand.ts";

const draws = 60;
const rows = validityStudy({ seed: 3, draws, contracts: studyContracts });

function mean(some: readonly ValidityRow[], procedure: string): number {
  const own = some.filter((row) => row.procedure === procedure);
  return own.reduce((sum, { coverage }) => sum + coverage, 0) / own.length;
}

/** The four shapes that the gate is held to; "gradual" is only reported. */
const held = ["steep", "flat", "overconfident head", "small n"];

describe("the study on known populations, in short", () => {
  test("the gate breaks its promise in at most delta of the draws, plus Monte-Carlo error", () => {
    for (const { procedure, delta, violations } of rows) {
      if (procedure !== "fallback_auto") continue;
      expect(violations / draws).toBeLessThanOrEqual(delta + 3 * Math.sqrt((delta * (1 - delta)) / draws));
    }
  });

  test("it covers at least as much as SGR and fixed-sequence testing, no shape more than 0.03 less", () => {
    const four = rows.filter(({ shape }) => held.includes(shape));
    for (const rival of ["SGR", "fixed sequence"]) {
      expect(mean(four, "fallback_auto")).toBeGreaterThanOrEqual(mean(four, rival));
      for (const shape of held) {
        const own = rows.filter((row) => row.shape === shape);
        expect(mean(own, "fallback_auto")).toBeGreaterThan(mean(own, rival) - 0.03);
      }
    }
  });

  test("what proves nothing breaks the promise in every second draw", () => {
    const naive = rows.filter(({ procedure, shape }) => procedure === "naive" && shape === "steep");
    for (const { violations } of naive) expect(violations / draws).toBeGreaterThan(0.25);
  });

  test("is the same for the same seed", () => {
    const again = validityStudy({ seed: 3, draws: 2, contracts: studyContracts.slice(0, 1) });
    expect(validityStudy({ seed: 3, draws: 2, contracts: studyContracts.slice(0, 1) })).toEqual(again);
  });
});

describe("labelled scores as a population", () => {
  const confidence = [0.5, 0.9, 0.7, 0.9, 0.7, 0.7];
  const population = populationOf("own", 40, confidence, [0, 1, 1, 0, 0, 1]);
  const draw = seededDraw(4);

  test("what is equally confident has one rank, and is accepted together", () => {
    expect([...population.rankOf]).toEqual([1, 1, 4, 4, 4, 5]);
    expect(truth(population, 1)).toEqual({ coverage: 2 / 6, risk: 1 / 2 });
    expect(truth(population, 4)).toEqual({ coverage: 5 / 6, risk: 2 / 5 });
    expect(truth(population, 5)).toEqual({ coverage: 1, risk: 1 / 2 });
  });

  test("every procedure chooses a rank that somebody has", () => {
    for (let round = 0; round < 50; round += 1) {
      const sample = drawSample(population, draw);
      expect([...sample.ranks]).toEqual([...sample.ranks].sort((a, b) => a - b));
      for (const procedure of Object.values(procedures)) {
        expect([-1, 1, 4, 5]).toContain(procedure(population, sample, { maxError: 0.45, delta: 0.2 }));
      }
    }
  });

  test("the gate is held to real scores as to simulated ones", () => {
    const scores = seededDraw(8);
    const own = Float64Array.from({ length: 3000 }, () => Math.round(100 * scores()) / 100);
    const right = Uint8Array.from(own, (one) => (scores() < 0.8 + 0.2 * one ? 1 : 0));
    const contract = { maxError: 0.05, delta: 0.05 };
    const asked = { seed: 2, draws: 200, contracts: [contract], populations: [populationOf("own", 3000, own, right)] };
    const found = new Map(validityStudy(asked).map((row) => [row.procedure, row]));
    expect(found.get("fallback_auto")?.coverage).toBeGreaterThan(0.1);
    expect(found.get("fallback_auto")?.violations).toBeLessThanOrEqual(200 * 0.05 + 9);
    expect(found.get("naive")?.violations).toBeGreaterThan(200 * 0.25);
  });
});

describe("the procedures of the study", () => {
  const [population] = studyPopulations(5);
  if (population === undefined) throw new Error("there are shapes");
  const sample = drawSample(population, seededDraw(6));
  const contract = { maxError: 0.01, delta: 0.05 };
  const accepted = (rank: number): number => sample.ranks.filter((one) => one <= rank).length;
  const wrong = (rank: number): number =>
    sample.ranks.filter((one) => one <= rank && population.isWrong[one] === 1).length;

  test("the truth of a rank is counted from the population", () => {
    const found = truth(population, 9999);
    expect(found.coverage).toBe(0.5);
    expect(found.risk).toBe(population.isWrong.slice(0, 10_000).filter((one) => one === 1).length / 10_000);
    expect(truth(population, -1)).toEqual({ coverage: 0, risk: 0 });
  });

  test("what each one finds passes its own test, counted anew", () => {
    const level = {
      SGR: 0.05 / Math.ceil(Math.log2(sample.ranks.length)),
      "fixed sequence": 0.05,
      "uncorrected scan": 0.05,
    };
    for (const [name, spent] of Object.entries(level)) {
      const rank = procedures[name as keyof typeof level](population, sample, contract);
      expect(rank).toBeGreaterThan(0);
      expect(tailByHand(wrong(rank), accepted(rank), 0.01)).toBeLessThanOrEqual(spent);
    }
    const rank = procedures.naive(population, sample, contract);
    expect(wrong(rank) / accepted(rank)).toBeLessThanOrEqual(0.01);
  });

  test("the uncorrected scan is the most generous point of all that passes, fixed sequences stop at the first that fails", () => {
    const rank = procedures["uncorrected scan"](population, sample, contract);
    const beyond = [...new Set(sample.ranks)].filter((one) => one > rank);
    for (const one of beyond) expect(tailByHand(wrong(one), accepted(one), 0.01)).toBeGreaterThan(0.05);
    const sequence = procedures["fixed sequence"](population, sample, contract);
    const next = [...new Set(sample.ranks)].find((one) => one > sequence) ?? 0;
    expect(tailByHand(wrong(next), accepted(next), 0.01)).toBeGreaterThan(0.05);
  });
});
