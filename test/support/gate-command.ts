import { CommanderError } from "commander";
import { gateCommand } from "../../edge-agent/cli/gate.node.ts";
import { reportFailure } from "../../edge-agent/cli/output.node.ts";

// `holdpoint gate …` alone, as the program runs it.
const command = gateCommand().exitOverride();
for (const child of command.commands) child.exitOverride();
try {
  await command.parseAsync(process.argv);
} catch (cause) {
  process.exitCode = cause instanceof CommanderError ? 2 : reportFailure(cause, process.argv.includes("--json"));
}
