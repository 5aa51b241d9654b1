import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type LogGauge } from "../../../protocol/platform/log-gauge.node.ts";
import { threadEntry } from "../../../protocol/platform/thread-entry.node.ts";

/**
 * Has SQLite's write-ahead log copied into the database by a thread. SQLite does that within the commit that finds the log
 * long, and the whole hub waits for megabytes to be written and synced. It is a help and no part of any promise: without
 * it, or where it cannot keep up, the bound on the log holds as ever. The thread is started when there is something to copy.
 */
export interface LogCopier {
  /** Called behind each commit. */
  committed(): void;
  /** Resolves when the thread has closed its connection. */
  close(): Promise<void>;
}

/** A copy begins once the log has this share of what a commit lets it have. */
const copyShare = 1 / 4;

/** `entry`: where the thread starts. */
export function createLogCopier(dir: string, log: LogGauge, entry: () => URL = besideThis): LogCopier {
  const pagesMin = Math.max(1, Math.floor(log.pagesMax * copyShare));
  let worker: Worker | null = null;
  let isBusy = false;
  let isOver = false;

  const start = (): Worker => {
    // Flags of the parent (a test runner's loader, a profiler) are not the thread's.
    const made = new Worker(entry(), { name: "log", execArgv: [], workerData: { dir } });
    const ended = (): void => {
      worker = null;
      isBusy = false;
    };
    // No room for another connection, or a fault: from here on commits copy for themselves.
    made.on("error", () => (isOver = true));
    made.on("exit", ended);
    made.on("message", () => (isBusy = false));
    // Whoever forgets to close the database is not kept alive by it.
    made.unref();
    return made;
  };

  return {
    committed: () => {
      if (isBusy || isOver || log.pagesToCopy() < pagesMin) return;
      isBusy = true;
      if (worker !== null) {
        worker.postMessage("copy");
        return;
      }
      try {
        worker = start();
      } catch {
        // Whoever has just committed must not hear that it failed.
        isOver = true;
      }
    },
    close: async () => {
      isOver = true;
      const left = worker;
      if (left === null) return;
      left.ref();
      left.postMessage("close");
      await once(left, "exit");
    },
  };
}

function besideThis(): URL {
  return threadEntry(import.meta.url, "cloud-sync/hub/database", "log-worker");
}
