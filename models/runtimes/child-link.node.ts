import { fork, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Input, type Logger } from "../../protocol/index.ts";
import { BatchMemory } from "./batch-memory.node.ts";
import { type FromChild, type ToChild } from "./child-messages.ts";
import { packInputs } from "./input-pack.ts";

/** One child process and its channel. */
export interface ChildLink {
  readonly pid: number;
  send(message: Exclude<ToChild, { kind: "run" }>): void;
  run(batch: number, model: number, inputs: readonly Input[]): void;
  kill(): void;
  /** Resident memory in bytes, or null where the system does not say. */
  rssBytes(): number | null;
}

export interface ChildLinkOptions {
  readonly entry: string;
  readonly logger: Logger;
  readonly onMessage: (message: FromChild) => void;
  /** Once, when the process is gone or could not be started. */
  readonly onExit: (how: string) => void;
}

export function openChildLink(options: ChildLinkOptions): ChildLink {
  const { logger } = options;
  const memory = BatchMemory.open();
  const child = fork(options.entry, [], {
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc", memory?.fd ?? "ignore"],
    env: childEnvironment(),
    execArgv: [],
  });
  const pid = child.pid ?? 0;
  let gone = false;
  const exit = (how: string): void => {
    if (gone) return;
    gone = true;
    memory?.close();
    options.onExit(how);
  };
  // A channel that is closing says so by the exit that follows; what was in flight is sent again then.
  const send = (message: ToChild): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  child.on("message", (given) => {
    const message = given as FromChild;
    if (message.kind === "answer") memory?.free(message.batch);
    options.onMessage(message);
  });
  child.on("exit", (code, signal) => exit(signal ?? `code ${code ?? "unknown"}`));
  child.on("error", (cause) => {
    logger.warn("inference_child_error", { pid, cause });
    if (child.pid === undefined) exit("not started");
  });
  forwardLines(child, logger, pid);
  return {
    pid,
    send,
    run: (batch, model, inputs) => {
      if (gone) return;
      const packed = packInputs(inputs, (rows, bytes) => memory?.place(batch, rows, bytes) ?? null);
      send({ kind: "run", batch, model, inputs: packed });
    },
    kill: () => void child.kill("SIGKILL"),
    rssBytes: () => residentBytes(pid),
  };
}

/** Secrets of the agent are not the child's business, and loaders of the parent would break it. */
function childEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("HOLDPOINT_") && name !== "NODE_OPTIONS" && name !== "NODE_CHANNEL_FD",
  );
  return Object.fromEntries(kept);
}

const lineCharsMax = 500;

/** Native libraries print; their lines go into the log, cut, so that the pipe never fills and stalls the child. */
function forwardLines(child: ChildProcess, logger: Logger, pid: number): void {
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => {
      const line = text.trim().slice(0, lineCharsMax);
      if (line !== "") logger.debug("inference_child_said", { pid, line });
    });
    stream?.on("error", () => undefined);
  }
}

const pageBytes = 4096;

function residentBytes(pid: number): number | null {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]);
    return Number.isFinite(pages) ? pages * pageBytes : null;
  } catch {
    return null;
  }
}

/** The entry lies beside this file in a checkout, and below `models/runtimes` of the package once it is bundled. */
export function inferenceChildEntry(): string {
  const names = ["./inference-child.node.ts", "./inference-child.node.js"];
  for (const up of [".", "..", "../..", "../../.."]) {
    names.push(`${up}/models/runtimes/inference-child.node.js`);
  }
  const found = names.map((name) => fileURLToPath(new URL(name, import.meta.url))).find((file) => existsSync(file));
  if (found === undefined) throw new Error("the entry of the inference child is missing from the package");
  return found;
}
