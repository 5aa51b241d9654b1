import { Command } from "commander";
import { builtInReviewers } from "../../../models/measure/fleet/fleet-reviewers.ts";
import { type FleetRow, fleetSimulation } from "../../../models/measure/fleet/fleet-simulation.ts";
import { printJson, printLine, printNote } from "../output.node.ts";
import { progressLine } from "../progress.node.ts";
import { contractOf, shareInside, wholeOf } from "./contract-options.ts";
import { readReviewers } from "./reviewers-file.node.ts";
import { fleetTable } from "./study-tables.ts";
import { percent } from "./wording.ts";

interface SimulateFlags {
  readonly stores: string;
  readonly days: string;
  readonly decisions: string;
  readonly maxError: string;
  readonly delta: string;
  readonly globalThreshold: string;
  readonly reviewers?: string;
  readonly reviewerError: string;
  readonly seed: string;
  readonly json?: boolean;
}

/** `holdpoint gate simulate`: what each way to keep gates would do to a fleet. */
export function gateSimulateCommand(): Command {
  return new Command("simulate")
    .description("Simulate a fleet under a global, hand-tuned and certified gates: reviews, wrong accepts, violations.")
    .option("--stores <n>", "stores, each with a calibration of its own; one in four drifts half-way", "12")
    .option("--days <n>", "days that are simulated", "120")
    .option("--decisions <n>", "mean number of decisions of a store a day", "80")
    .option("--max-error <share>", "share of wrong answers among the accepted that is tolerated", "0.02")
    .option("--delta <share>", "chance that a certificate is wrong", "0.05")
    .option("--global-threshold <share>", "the one gate threshold of the global policy", "0.95")
    .option("--reviewers <file>", "CSV (or .csv.gz) of judgements, worker,label,gold: how much people differ")
    .option("--reviewer-error <share>", "mean error that the reviewers of the file are scaled to", "0.05")
    .option("--seed <n>", "seed of everything that is drawn", "1")
    .option("--json", "rows for machines")
    .action(async (flags: SimulateFlags) => {
      const errorMean = shareInside("--reviewer-error", flags.reviewerError);
      const shape = {
        ...contractOf(flags),
        seed: wholeOf("--seed", flags.seed, 0, 2 ** 31),
        stores: wholeOf("--stores", flags.stores, 1, 1000),
        days: wholeOf("--days", flags.days, 1, 3650),
        decisionsPerDay: wholeOf("--decisions", flags.decisions, 1, 100_000),
        globalThreshold: shareInside("--global-threshold", flags.globalThreshold),
      };
      const reviewers =
        flags.reviewers === undefined ? builtInReviewers : await readReviewers(flags.reviewers, errorMean);
      const progress = progressLine();
      const rows = fleetSimulation({ ...shape, reviewers, onProgress: (share) => progress.show(share, "simulated") });
      progress.clear();
      if (flags.json) printJson({ ...shape, reviewers: reviewers.length, policies: rows.map(withShares) });
      else {
        for (const line of fleetTable(rows)) printLine(line);
        printNote(
          `α is ${percent(shape.maxError)}. A week is above it where what was accepted in it was wrong more often.`,
        );
      }
    });
}

function withShares(row: FleetRow): object {
  return { ...row, coverage: row.accepted / row.decisions, risk: row.wrongAccepts / Math.max(1, row.accepted) };
}
