import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { agentCommand } from "./agent.node.ts";
import { auditCommand } from "./audit.node.ts";
import { configCheckCommand, configKeysCommand } from "./config-check.node.ts";
import { demoCommand } from "./demo.node.ts";
import { deviceCommand } from "./device.node.ts";
import { doctorCommand } from "./doctor.node.ts";
import { modelCommand } from "./model.node.ts";
import { printNote, reportFailure } from "./output.node.ts";
import { replayCommand } from "./replay.node.ts";
import { whyCommand } from "./why.node.ts";

/** Runs the command line and returns the exit code: 0, 1 for a failure, 2 for bad input. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const program = new Command("holdpoint")
    .description("Confidence-gated decisions for stores: a model where it is sure, a person where it is not.")
    .version(packageVersion())
    .showSuggestionAfterError()
    .configureOutput({ writeErr: (text) => printNote(text.trimEnd()) });
  for (const command of commands()) program.addCommand(command);
  quietly(program);
  try {
    await program.parseAsync(argv);
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : 2;
    return reportFailure(cause, argv.includes("--json"));
  }
}

function commands(): readonly Command[] {
  const config = new Command("config")
    .description("Work with store configs.")
    .addCommand(configCheckCommand())
    .addCommand(configKeysCommand());
  return [
    demoCommand(),
    agentCommand(),
    doctorCommand(),
    deviceCommand(),
    config,
    modelCommand(),
    whyCommand(),
    replayCommand(),
    auditCommand(),
  ];
}

/** Commander ends the process by itself unless every command is told to throw. */
function quietly(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) quietly(child);
}

/** The package.json is one folder up in the package and two in the checkout. */
function packageVersion(): string {
  for (const path of ["../../package.json", "../package.json", "../../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as Record<
        string,
        string
      >;
      if (name === "holdpoint" && version !== undefined) return version;
    } catch {
      continue;
    }
  }
  return "unknown";
}
