import { CommanderError } from "commander";
import { modelCommand } from "../../edge-agent/cli/model.node.ts";
import { reportFailure } from "../../edge-agent/cli/output.node.ts";

// `holdpoint model …` alone, as the program runs it.
try {
  await modelCommand().exitOverride().parseAsync(process.argv);
} catch (cause) {
  process.exitCode = cause instanceof CommanderError ? 2 : reportFailure(cause, process.argv.includes("--json"));
}
