import path from "node:path";
import { Command, Option } from "commander";
import { type ErrorContract } from "../../../models/measure/certify.ts";
import { canaryStudy } from "../../../models/measure/study/canary-study.ts";
import { driftStudy } from "../../../models/measure/study/drift-study.ts";
import { overTimeStudy } from "../../../models/measure/study/over-time-study.ts";
import { type Population, populationOf, studyPopulations } from "../../../models/measure/study/populations.ts";
import { reviewerStudy } from "../../../models/measure/study/reviewer-study.ts";
import { studyContracts, validityStudy } from "../../../models/measure/study/validity-study.ts";
import { HoldpointError } from "../../../protocol/index.ts";
import { printJson, printLine, printNote } from "../output.node.ts";
import { progressLine } from "../progress.node.ts";
import { shareInside, wholeOf } from "./contract-options.ts";
import { readScores } from "./scores-file.node.ts";
import { canaryTable, driftTable, overTimeTable, reviewerTable, validityTables } from "./study-tables.ts";

interface StudyFlags {
  readonly part?: string;
  readonly draws: string;
  readonly seed: string;
  readonly scores?: string;
  readonly labels?: string;
  readonly maxError?: string;
  readonly delta?: string;
  readonly json?: boolean;
}

/** What a part is asked for. The first two are for `validity` alone. */
interface Asked {
  readonly populations: readonly Population[];
  readonly contracts: readonly ErrorContract[];
  readonly draws: number;
  readonly seed: number;
  readonly onProgress: (share: number) => void;
}

interface Part<Row> {
  readonly run: (asked: Asked) => readonly Row[];
  readonly tables: (rows: readonly Row[]) => readonly string[];
}

function part<Row>(run: Part<Row>["run"], tables: Part<Row>["tables"]): (asked: Asked) => Studied {
  return (asked) => {
    const rows = run(asked);
    return { rows, lines: tables(rows) };
  };
}

interface Studied {
  readonly rows: readonly unknown[];
  readonly lines: readonly string[];
}

const parts = {
  validity: part(validityStudy, validityTables),
  time: part(overTimeStudy, overTimeTable),
  drift: part(driftStudy, driftTable),
  canary: part(canaryStudy, canaryTable),
  reviewers: part(reviewerStudy, reviewerTable),
} as const;

const drawsMax = 100_000;
const labelsMax = 1_000_000;

/** How to read a cell, for whoever has not read docs/gate-study.md. */
const validityNote =
  "validity: in how many of the draws the promise was broken (at most δ is promised), and the mean coverage";

/** `holdpoint gate study`: the tables of docs/gate-study.md. */
export function gateStudyCommand(): Command {
  return new Command("study")
    .description("Hold the gate's statistics against populations whose truth is known; prints Markdown tables.")
    .addOption(new Option("--part <name>", "one part alone").choices(Object.keys(parts)))
    .option("--draws <n>", `simulated data sets, up to ${drawsMax}`, "2000")
    .option("--seed <n>", "seed of everything that is drawn", "1")
    .option("--scores <file>", "validity alone: the population is this CSV (confidence,correct) and not simulated")
    .option(
      "--labels <n>",
      "validity alone: size of the certification sets; as many as the file has rows, or the shape's",
    )
    .option("--max-error <share>", "validity alone: this contract in the place of 2, 1 and 0.5 %")
    .option("--delta <share>", "validity alone: this chance in the place of 0.05 and 0.001")
    .option("--json", "rows for machines")
    .action(async (flags: StudyFlags) => {
      const [draws, seed] = [wholeOf("--draws", flags.draws, 1, drawsMax), wholeOf("--seed", flags.seed, 0, 2 ** 31)];
      const only = partOf(flags);
      const [contracts, populations] = [contractsOf(flags), await populationsOf(flags, seed)];
      const asked = Object.entries(parts).filter(([name]) => only === undefined || only === name);
      const studied = asked.map(([name, run]) => {
        const progress = progressLine();
        const onProgress = (share: number): void => progress.show(share, name);
        const found = run({ populations, contracts, draws, seed, onProgress });
        progress.clear();
        return [name, found] as const;
      });
      if (flags.json)
        printJson({ draws, seed, ...Object.fromEntries(studied.map(([name, { rows }]) => [name, rows])) });
      else {
        for (const [, { lines }] of studied) for (const line of lines) printLine(line);
        if (only === undefined || only === "validity") printNote(validityNote);
      }
    });
}

/** The part that is asked for; undefined for all. Throws HP_USAGE where an option is for another part. */
function partOf(flags: StudyFlags): string | undefined {
  const own = (["scores", "labels", "maxError", "delta"] as const).find((name) => flags[name] !== undefined);
  if (own === undefined) return flags.part;
  if (flags.part === undefined || flags.part === "validity") return "validity";
  const option = `--${own === "maxError" ? "max-error" : own}`;
  throw new HoldpointError("HP_USAGE", `${option} is for the part validity, not for ${flags.part}`);
}

function contractsOf({ maxError, delta }: StudyFlags): readonly ErrorContract[] {
  const tolerated = maxError === undefined ? null : shareInside("--max-error", maxError);
  const chance = delta === undefined ? null : shareInside("--delta", delta);
  const chosen = studyContracts.map((one) => ({ maxError: tolerated ?? one.maxError, delta: chance ?? one.delta }));
  const known = new Map(chosen.map((one) => [`${one.maxError} ${one.delta}`, one]));
  return [...known.values()];
}

async function populationsOf({ scores, labels }: StudyFlags, seed: number): Promise<readonly Population[]> {
  const asked = labels === undefined ? undefined : wholeOf("--labels", labels, 1, labelsMax);
  if (scores === undefined) return studyPopulations(seed, asked);
  const { confidence, correct } = (await readScores(scores, [], progressLine())).whole;
  return [populationOf(path.basename(scores), asked ?? confidence.length, confidence, correct)];
}
