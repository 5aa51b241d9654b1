import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { HoldpointError } from "../../protocol/index.ts";
import { errorOf } from "./commit-queue.node.ts";
import {
  type CopiedMessage,
  type QueryReply,
  type ProgressMessage,
  type ReadyMessage,
  type WorkerData,
  type BatchReply,
} from "./journal-wire.ts";

/** Starting a journal thread and telling when it ended. */

export type ThreadMessage = BatchReply | QueryReply | ProgressMessage | CopiedMessage;

export interface JournalThread {
  readonly port: MessagePort;
  /** Sends the close message and waits until the thread has ended. */
  close(): Promise<void>;
}

/** Where the entry may lie: beside this source file; in the build, beside or below the chunk that this code ended up in. */
const places = [
  "./journal-worker.node.ts",
  "./journal-worker.node.js",
  "./journal/journal-worker.node.js",
  "./edge-agent/journal/journal-worker.node.js",
  "../edge-agent/journal/journal-worker.node.js",
];

function entry(): URL {
  const found = places.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(fileURLToPath(url)));
  if (found !== undefined) return found;
  throw new HoldpointError("HP_JOURNAL", "journal-worker.node.js is not beside the agent's files", {
    hint: "Install holdpoint again; the package is not whole.",
  });
}

/** Errors: what the thread could not open, as HP_JOURNAL, HP_DISK_FULL, HP_LOCKED or HP_RUNTIME_MISSING. */
export async function startThread(
  data: WorkerData,
  onMessage: (message: ThreadMessage) => void,
  onDeath: (error: HoldpointError) => void,
): Promise<JournalThread> {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(entry(), {
    name: `journal-${data.role}`,
    workerData: { ...data, port: port2 },
    transferList: [port2],
    // Flags of the parent (a test runner's loader, an inspector) are not the thread's.
    execArgv: [],
  });
  let closing = false;
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  const died = (cause: unknown): HoldpointError =>
    new HoldpointError("HP_JOURNAL", `the journal's ${data.role} thread ended`, { cause });
  await new Promise<void>((resolve, reject) => {
    worker.on("error", (cause) => {
      reject(died(cause));
      onDeath(died(cause));
    });
    worker.once("exit", () => {
      reject(died(null));
      if (!closing) onDeath(died(null));
    });
    port1.once("message", ({ failure }: ReadyMessage) => {
      if (failure === null) resolve();
      else reject(errorOf(failure));
    });
  });
  port1.on("message", onMessage);
  return {
    port: port1,
    close: async () => {
      closing = true;
      port1.postMessage({ kind: "close" });
      await ended;
    },
  };
}
