import { Command } from "commander";
import { openJournalReadOnly } from "../journal/journal-read-only.node.ts";
import { dataOption } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";

/** `holdpoint audit verify`: whether the journal still says what it said when it was written. */
export function auditCommand(): Command {
  return new Command("audit").description("Check the agent's journal.").addCommand(verifyCommand());
}

function verifyCommand(): Command {
  return new Command("verify")
    .description("Recompute the journal's hash chain and hold every body and kept input against its record.")
    .addOption(dataOption())
    .option("--json", "{ records, intact, fault, head } for machines")
    .action(async (options: { data: string; json?: boolean }) => {
      const journal = await openJournalReadOnly(options.data);
      const progress = progressLine();
      try {
        const report = await journal.verify(progress.show);
        progress.clear();
        const { records, intact, fault, head } = report;
        if (options.json) printJson({ epoch: journal.epoch, ...report });
        else if (fault === null) printLine(`intact: ${records} records, head ${head}`);
        else printLine(`broken at record ${fault.n}: ${fault.message} (${records} records before it follow)`);
        process.exitCode = intact ? 0 : 1;
      } finally {
        progress.clear();
        await journal.close();
      }
    });
}

const quietMs = 2000;

/** On a terminal, a count of what has been done once it takes longer than two seconds; nothing anywhere else. */
function progressLine(): { readonly show: (records: number) => void; readonly clear: () => void } {
  const startedMs = performance.now();
  let shown = false;
  return {
    show: (records) => {
      if (!process.stderr.isTTY || performance.now() - startedMs < quietMs) return;
      shown = true;
      process.stderr.write(`\r${records} records verified`);
    },
    clear: () => {
      if (shown) process.stderr.write("\r\u001b[K");
      shown = false;
    },
  };
}
