import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import { HoldpointError } from "../../protocol/index.ts";
import { threadEntry } from "../../protocol/platform/thread-entry.node.ts";
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

/** Errors: what the thread could not open, as HP_JOURNAL, HP_DISK_FULL, HP_LOCKED or HP_RUNTIME_MISSING. */
export async function startThread(
  data: WorkerData,
  onMessage: (message: ThreadMessage) => void,
  onDeath: (error: HoldpointError) => void,
): Promise<JournalThread> {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(threadEntry(import.meta.url, "edge-agent/journal", "journal-worker"), {
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
