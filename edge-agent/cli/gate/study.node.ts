import { Command, Option } from "commander";
import { canaryStudy } from "../../../models/measure/study/canary-study.ts";
import { driftStudy } from "../../../models/measure/study/drift-study.ts";
import { overTimeStudy } from "../../../models/measure/study/over-time-study.ts";
import { reviewerStudy } from "../../../models/measure/study/reviewer-study.ts";
import { studyContracts, validityStudy } from "../../../models/measure/study/validity-study.ts";
import { printJson, printLine } from "../output.node.ts";
import { progressLine } from "../progress.node.ts";
import { wholeOf } from "./contract-options.ts";
import { canaryTable, driftTable, overTimeTable, reviewerTable, validityTables } from "./study-tables.ts";

interface StudyFlags {
  readonly part?: string;
  readonly draws: string;
  readonly seed: string;
  readonly json?: boolean;
}

/** What a part is asked for. */
interface Asked {
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
  validity: part((asked) => validityStudy({ ...asked, contracts: studyContracts }), validityTables),
  time: part(overTimeStudy, overTimeTable),
  drift: part(driftStudy, driftTable),
  canary: part(canaryStudy, canaryTable),
  reviewers: part(reviewerStudy, reviewerTable),
} as const;

const drawsMax = 100_000;

/** `holdpoint gate study`: the tables of docs/gate-study.md. */
export function gateStudyCommand(): Command {
  return new Command("study")
    .description(
      "Hold the gate's statistics against simulated populations whose truth is known; prints Markdown tables.",
    )
    .addOption(new Option("--part <name>", "one part alone").choices(Object.keys(parts)))
    .option("--draws <n>", `simulated data sets, up to ${drawsMax}`, "2000")
    .option("--seed <n>", "seed of everything that is drawn", "1")
    .option("--json", "rows for machines")
    .action((flags: StudyFlags) => {
      const [draws, seed] = [wholeOf("--draws", flags.draws, 1, drawsMax), wholeOf("--seed", flags.seed, 0, 2 ** 31)];
      const asked = Object.entries(parts).filter(([name]) => flags.part === undefined || flags.part === name);
      const studied = asked.map(([name, run]) => {
        const progress = progressLine();
        const found = run({ draws, seed, onProgress: (share) => progress.show(share, name) });
        progress.clear();
        return [name, found] as const;
      });
      if (flags.json)
        printJson({ draws, seed, ...Object.fromEntries(studied.map(([name, { rows }]) => [name, rows])) });
      else for (const [, { lines }] of studied) for (const line of lines) printLine(line);
    });
}
