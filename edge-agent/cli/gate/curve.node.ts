import { Command } from "commander";
import { printJson, printLine, printNote, writeNamed } from "../output.node.ts";
import { progressLine } from "../progress.node.ts";
import { byColumns, contractOf, costsOf, type ScoreFlags, scoresFile, wholeOf, withCosts } from "./contract-options.ts";
import { curveOf, shownLevel } from "./group-report.ts";
import { reportHtml } from "./report.node.ts";
import { readScores } from "./scores-file.node.ts";
import { curveLines, notesOf } from "./wording.ts";

interface CurveFlags extends ScoreFlags {
  readonly points: string;
}

const pointsMax = 10_000;

/** `holdpoint gate curve`: what each gate threshold would have done to the labels. It proves nothing. */
export function gateCurveCommand(): Command {
  const command = new Command("curve")
    .description("Show risk and coverage of every gate threshold on labelled scores, and how calibrated they are.")
    .option("--scores <file>", "CSV with at least the columns confidence,correct (0 to 1, 0 or 1); - for stdin")
    .option("--by <columns>", "columns whose values make groups, each with a curve of its own: store,task")
    .option("--points <n>", `points of a curve at most, up to ${pointsMax}`, "20")
    .option("--html <file>", "also write a report that needs nothing but a browser; takes --max-error")
    .option("--max-error <share>", "contract that the report certifies")
    .option("--delta <share>", "chance that the report's certificate is wrong, for each group", "0.05")
    .option("--json", "curves for machines")
    .action(async (flags: CurveFlags) => {
      const points = wholeOf("--points", flags.points, 1, pointsMax);
      const contract = flags.html === undefined ? null : contractOf(flags);
      const costs = costsOf(flags);
      const scores = await readScores(scoresFile(flags), byColumns(flags), progressLine());
      if (flags.html !== undefined && contract !== null)
        await writeNamed("--html", flags.html, reportHtml(scores, contract, costs));
      for (const note of notesOf(scores)) printNote(note);
      const whole = curveOf(scores.whole, points);
      const groups = scores.groups.map((group) => curveOf(group, points));
      if (flags.json) printJson({ ...whole, group: undefined, method: "clopper_pearson", level: shownLevel, groups });
      else for (const line of curveLines(whole, groups)) printLine(line);
    });
  return withCosts(command);
}
