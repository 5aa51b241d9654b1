import { readFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { openAuditDesk, readCheckpoint } from "../../cloud-sync/hub/audit/audit-desk.node.ts";
import { HoldpointError } from "../../protocol/index.ts";
import { openJournalReadOnly } from "../journal/journal-read-only.node.ts";
import { dataOption, postgresUrl } from "./options.node.ts";
import { printJson, printLine } from "./output.node.ts";
import { progressLine } from "./progress.node.ts";

/** `holdpoint audit`: whether an agent's journal or a hub's audit log still says what it said when it was written. */
export function auditCommand(): Command {
  return new Command("audit")
    .description("Check an agent's journal, or a hub's audit log.")
    .addCommand(verifyCommand())
    .addCommand(exportCommand());
}

interface VerifyFlags {
  readonly data: string;
  readonly hubData?: string;
  readonly database?: string;
  readonly checkpoint?: string;
  readonly json?: boolean;
}

function verifyCommand(): Command {
  return new Command("verify")
    .description("Recompute the journal's hash chain and hold every body and kept input against its record.")
    .addOption(dataOption())
    .option("--hub-data <dir>", "instead the audit log of the hub with that data directory")
    .option("--database <url>", "instead the audit log of the hub on that PostgreSQL", postgresUrl)
    .option("--checkpoint <file>", "with a hub: what `audit export` wrote earlier; shows a log that was cut off too")
    .option("--json", "{ records, intact, fault, head } for machines")
    .action(async (flags: VerifyFlags) => {
      const hub = flags.database ?? flags.hubData;
      if (hub === undefined && flags.checkpoint !== undefined) {
        throw new HoldpointError("HP_USAGE", "--checkpoint goes with --hub-data or --database");
      }
      const progress = progressLine();
      const source = hub === undefined ? await openJournal(flags.data) : await openAuditLog(hub, flags.checkpoint);
      try {
        const report = await source.verify((records) => progress.show(null, `${records} records verified`));
        progress.clear();
        const { records, intact, fault, head } = report;
        if (flags.json) printJson(report);
        else if (fault === null) printLine(`intact: ${records} records, head ${head}`);
        else printLine(`broken at record ${fault.n}: ${fault.message} (${records} records before it follow)`);
        process.exitCode = intact ? 0 : 1;
      } finally {
        progress.clear();
        await source.close();
      }
    });
}

interface Chain {
  verify(show: (records: number) => void): Promise<{
    readonly records: number;
    readonly intact: boolean;
    readonly fault: { readonly n: number; readonly message: string } | null;
    readonly head: string | null;
  }>;
  close(): Promise<void>;
}

async function openJournal(dir: string): Promise<Chain> {
  const journal = await openJournalReadOnly(dir);
  return {
    verify: async (show) => ({ epoch: journal.epoch, ...(await journal.verify(show)) }),
    close: () => journal.close(),
  };
}

async function openAuditLog(url: string, checkpointFile: string | undefined): Promise<Chain> {
  const checkpoint = checkpointFile === undefined ? null : readCheckpoint(await readText(checkpointFile));
  const desk = await openAuditDesk(url);
  return { verify: (show) => desk.verify(checkpoint, show), close: () => desk.close() };
}

async function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: unknown) => {
    throw new HoldpointError("HP_USAGE", `${file} cannot be read`, { cause });
  });
}

function exportCommand(): Command {
  const command = new Command("export")
    .description("Print a signed checkpoint of a hub's audit log: keep it where the hub cannot change it.")
    .addOption(new Option("--hub-data <dir>", "data directory of the hub").default(".holdpoint-hub"))
    .option("--database <url>", "postgres://… of the hub instead", postgresUrl);
  return command.action(async (flags: { readonly hubData: string; readonly database?: string }) => {
    const desk = await openAuditDesk(flags.database ?? flags.hubData);
    try {
      printJson(await desk.checkpoint());
    } finally {
      await desk.close();
    }
  });
}
