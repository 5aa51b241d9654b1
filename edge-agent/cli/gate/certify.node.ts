import { Command, Option } from "commander";
import { type ErrorContract } from "../../../models/measure/certify.ts";
import { newId } from "../../../protocol/index.ts";
import { systemClock, systemRandom } from "../../../protocol/platform/clock.node.ts";
import { printJson, printLine, printNote, writeNamed } from "../output.node.ts";
import { progressLine } from "../progress.node.ts";
import { certificateDocuments, type DocumentFlags } from "./certificate-document.ts";
import { byColumns, contractOf, costsOf, type ScoreFlags, scoresFile, withCosts } from "./contract-options.ts";
import { certificateOf, type GroupCertificate } from "./group-report.ts";
import { withModel } from "./document-model.node.ts";
import { reportHtml } from "./report.node.ts";
import { type Scores } from "./score-table.ts";
import { readScores } from "./scores-file.node.ts";
import { certificateLines, contractNotes, notesOf } from "./wording.ts";

interface CertifyFlags extends ScoreFlags, DocumentFlags {
  readonly write?: string;
}

/** `holdpoint gate certify`. Exit code 0 also where nothing can be certified: that is a result. */
export function gateCertifyCommand(): Command {
  const command = new Command("certify")
    .description("Certify the lowest gate threshold at which labelled scores prove a contract.")
    .option("--scores <file>", "CSV with at least the columns confidence,correct (0 to 1, 0 or 1); - for stdin")
    .option("--max-error <share>", "share of wrong answers among the accepted that is tolerated, for instance 0.01")
    .option("--delta <share>", "chance that the certificate is wrong, for each group", "0.05")
    .option("--by <columns>", "columns whose values make groups, each with a certificate of its own: store,task")
    .option("--html <file>", "also write a report that needs nothing but a browser")
    .option("--write <file>", "also write the certificates as documents that deciders and agents take (JSON)")
    .option("--model <path>", "with --write: folder or manifest of the model that gave the scores; says the next three")
    .option("--task <task>", "with --write: the task")
    .option("--model-digest <digest>", "with --write: sha256:… of the model that gave the scores")
    .option("--calibration <digest>", "with --write: sha256:… of that model's own calibration, or none")
    .option("--scope <scope>", "with --write: fleet, store:NAME or region:NAME; --by store or region instead", "fleet")
    .option("--label <label>", "with --write: the class that the contract is for, where it is for one")
    .addOption(new Option("--rung <rung>", "with --write: which answer").choices(["fine", "coarse"]).default("fine"))
    .option("--lapse-after-days <n>", "with --write: days without a renewal after which people decide again", "14")
    .option("--lapse-accepts <n>", "with --write: accepted decisions without one", "50000")
    .option("--json", "the certificates for machines")
    .action(async (flags: CertifyFlags) => {
      const [contract, costs] = [contractOf(flags), costsOf(flags)];
      const scores = await readScores(scoresFile(flags), byColumns(flags), progressLine());
      const { whole, groups } = certifyAll(scores, contract);
      if (flags.html !== undefined) await writeNamed("--html", flags.html, reportHtml(scores, contract, costs));
      if (flags.write !== undefined) {
        const stamp = { id: () => newId(systemClock, systemRandom), issuedAtMs: systemClock.wallMs() };
        const documents = certificateDocuments(whole, groups, contract, await withModel(flags), stamp);
        await writeNamed("--write", flags.write, `${JSON.stringify(documents, null, 2)}\n`);
      }
      for (const note of [...contractNotes(contract), ...notesOf(scores)]) printNote(note);
      if (flags.json) printJson(resultOf(whole, groups, contract, scores));
      else for (const line of certificateLines(whole, groups, contract)) printLine(line);
    });
  return withCosts(command);
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
