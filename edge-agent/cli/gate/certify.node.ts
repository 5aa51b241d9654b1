import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { type ErrorContract } from "../../../models/measure/certify.ts";
import { printJson, printLine, printNote } from "../output.node.ts";
import { progressLine } from "../progress.node.ts";
import { byColumns, contractOf, type ScoreFlags, scoresFile } from "./contract-options.ts";
import { certificateOf, type GroupCertificate } from "./group-report.ts";
import { reportHtml } from "./report.node.ts";
import { type Scores } from "./score-table.ts";
import { readScores } from "./scores-file.node.ts";
import { certificateLines, notesOf } from "./wording.ts";

/** `holdpoint gate certify`. Exit code 0 also where nothing can be certified: that is a result. */
export function gateCertifyCommand(): Command {
  return new Command("certify")
    .description("Certify the lowest gate threshold at which labelled scores prove a contract.")
    .option("--scores <file>", "CSV with at least the columns confidence,correct (0 to 1, 0 or 1); - for stdin")
    .option("--max-error <share>", "share of wrong answers among the accepted that is tolerated, for instance 0.01")
    .option("--delta <share>", "chance that the certificate is wrong, for each group", "0.05")
    .option("--by <columns>", "columns whose values make groups, each with a certificate of its own: store,task")
    .option("--html <file>", "also write a report that needs nothing but a browser")
    .option("--json", "the certificates for machines")
    .action(async (flags: ScoreFlags) => {
      const contract = contractOf(flags);
      const scores = await readScores(scoresFile(flags), byColumns(flags), progressLine());
      const { whole, groups } = certifyAll(scores, contract);
      if (flags.html !== undefined) await writeFile(flags.html, reportHtml(scores, contract));
      for (const note of notesOf(scores)) printNote(note);
      if (flags.json) printJson(resultOf(whole, groups, contract, scores));
      else for (const line of certificateLines(whole, groups, contract)) printLine(line);
    });
}

interface Certified {
  readonly whole: GroupCertificate;
  readonly groups: readonly GroupCertificate[];
}

function certifyAll(scores: Scores, contract: ErrorContract): Certified {
  const progress = progressLine();
  const groups = scores.groups.map((group, at) => {
    progress.show(at / scores.groups.length, `${at} of ${scores.groups.length} groups certified`);
    return certificateOf(group, contract);
  });
  progress.clear();
  return { whole: certificateOf(scores.whole, contract), groups };
}

/** design: `{ threshold, n, errors, coverage, upperBound, maxError, delta, method, labelsNeeded, groups }` and more. */
function resultOf(
  whole: GroupCertificate,
  groups: readonly GroupCertificate[],
  { maxError, delta }: ErrorContract,
  { rows, duplicates, contradictions, baskets }: Scores,
): object {
  // JSON leaves out what is undefined: the file as a whole is no group.
  return {
    ...whole,
    group: undefined,
    maxError,
    delta,
    method: "fallback_auto",
    groups,
    rows,
    duplicates,
    contradictions,
    baskets,
  };
}
