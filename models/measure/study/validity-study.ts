import type { ErrorContract } from "../certify.ts";
import { drawSample, type Population, studyPopulations, truth } from "./populations.ts";
import { type ProcedureName, procedures } from "./rivals.ts";
import { seededDraw } from "../seeded-draw.ts";

/** What a procedure did to one shape under one contract. */
export interface ValidityRow extends ErrorContract {
  readonly shape: string;
  readonly labels: number;
  readonly procedure: ProcedureName;
  readonly draws: number;
  /** Draws after which the true selective risk was above the contract. */
  readonly violations: number;
  /** Mean of the true coverage over all draws, 0 where nothing was certified. */
  readonly coverage: number;
}

export interface StudyOptions {
  readonly seed: number;
  readonly draws: number;
  readonly contracts: readonly ErrorContract[];
  /** What is drawn from; left out, the shapes of `studyPopulations`. */
  readonly populations?: readonly Population[] | undefined;
  /** Called after each draw with the share that is done. */
  readonly onProgress?: (share: number) => void;
}

/** α of 2, 1 and 0.5 %, each at δ = 0.05 and 0.001. */
export const studyContracts: readonly ErrorContract[] = [0.02, 0.01, 0.005].flatMap((maxError) =>
  [0.05, 0.001].map((delta) => ({ maxError, delta })),
);

/**
 * Certifies again and again on sets drawn with replacement from populations whose truth is known: how often the promise
 * is broken, and how much is automated. Every procedure sees the same sets.
 */
export function validityStudy(options: StudyOptions): readonly ValidityRow[] {
  const { seed, draws, contracts, populations = studyPopulations(seed), onProgress } = options;
  const names = Object.keys(procedures) as ProcedureName[];
  const draw = seededDraw(seed + 1);
  return populations.flatMap((population, at) => {
    const tallies = contracts.flatMap((contract) =>
      names.map((procedure) => ({ contract, procedure, violations: 0, coverage: 0 })),
    );
    for (let round = 0; round < draws; round += 1) {
      const sample = drawSample(population, draw);
      for (const tally of tallies) {
        const found = truth(population, procedures[tally.procedure](population, sample, tally.contract));
        tally.violations += found.risk > tally.contract.maxError ? 1 : 0;
        tally.coverage += found.coverage / draws;
      }
      onProgress?.((at + (round + 1) / draws) / populations.length);
    }
    return tallies.map(({ contract, procedure, violations, coverage }) => {
      return { shape: population.name, labels: population.labels, ...contract, procedure, draws, violations, coverage };
    });
  });
}
