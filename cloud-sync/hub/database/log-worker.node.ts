import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "../../../protocol/platform/sqlite.node.ts";

/** Entry of the thread that copies SQLite's log into the hub's database. */
const { dir } = workerData as { readonly dir: string };

/** Each round copies what came during the one before: soon nothing comes during one. */
const roundsMax = 4;

interface Copied {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

const database = await openDatabase(join(dir, "hub.db"), { mustExist: true });
parentPort?.on("message", (asked: "copy" | "close") => {
  if (asked === "close") {
    database.close();
    parentPort?.close();
    return;
  }
  try {
    for (let round = 0; round < roundsMax; round += 1) {
      const [row] = database.pragma("wal_checkpoint(PASSIVE)") as readonly Copied[];
      if (row === undefined || row.busy !== 0 || row.checkpointed >= row.log) break;
    }
  } catch {
    // A disk that does not take it tells the writer so, with the next commit that it does not take.
  }
  parentPort?.postMessage("copied");
});
parentPort?.postMessage("copied");
