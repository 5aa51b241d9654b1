import { Command, CommanderError } from "commander";
import { HoldpointError } from "../../protocol/index.ts";
import { requireNode } from "./node-version.node.ts";
import { printNote, reportFailure } from "./output.node.ts";
import { packageVersion } from "./package-version.node.ts";

/** Runs the command line and returns the exit code: 0, 1 for a failure, 2 for bad input. */
export async function runProgram(argv: readonly string[], nodeVersion = process.versions.node): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", passClosedPipe);
  const program = new Command("holdpoint")
    .description("Confidence-gated decisions for stores: a model where it is sure, a person where it is not.")
    .version(packageVersion())
    .showSuggestionAfterError()
    // An option belongs to the command that it stands behind: `hub` and `hub person add` both have --data.
    .enablePositionalOptions()
    .configureOutput({ writeErr: (text) => printNote(text.trimEnd()) });
  for (const load of wanted(argv)) program.addCommand(await load());
  quietly(program);
  try {
    const [name] = argv.slice(2).filter((word) => !word.startsWith("-"));
    if (name !== undefined && name !== "help" && !Object.hasOwn(commands, name)) {
      throw new HoldpointError("HP_USAGE", `there is no command "${name}"`);
    }
    // `doctor` says it among all else that it finds.
    if (name !== undefined && name !== "help" && name !== "doctor") requireNode(nodeVersion);
    await program.parseAsync(argv);
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (cause) {
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : 2;
    return reportFailure(cause, argv.includes("--json"));
  }
}

/** `holdpoint why <id> | head -3`: a reader that has enough is no fault, and no reason for an agent to end. */
function passClosedPipe(fault: NodeJS.ErrnoException): void {
  if (fault.code !== "EPIPE") throw fault;
}

/** Each command in the order of the help. Only the named one is loaded: `why` must not wait for a model runtime. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import("./demo.node.ts")).demoCommand(),
  agent: async () => (await import("./agent.node.ts")).agentCommand(),
  hub: async () => (await import("./hub.node.ts")).hubCommand(),
  doctor: async () => (await import("./doctor.node.ts")).doctorCommand(),
  device: async () => (await import("./device.node.ts")).deviceCommand(),
  config: async () => {
    const { configCheckCommand, configKeysCommand } = await import("./config-check.node.ts");
    const config = new Command("config").description("Work with store configs.");
    return config.addCommand(configCheckCommand()).addCommand(configKeysCommand());
  },
  model: async () => (await import("./model.node.ts")).modelCommand(),
  gate: async () => (await import("./gate.node.ts")).gateCommand(),
  review: async () => (await import("./review.node.ts")).reviewCommand(),
  why: async () => (await import("./why.node.ts")).whyCommand(),
  replay: async () => (await import("./replay.node.ts")).replayCommand(),
  audit: async () => (await import("./audit.node.ts")).auditCommand(),
};

function wanted(argv: readonly string[]): readonly (() => Promise<Command>)[] {
  const [name = ""] = argv.slice(2);
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return load ? [load] : Object.values(commands);
}

/** Commander ends the process by itself unless every command is told to throw. */
function quietly(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) quietly(child);
}
