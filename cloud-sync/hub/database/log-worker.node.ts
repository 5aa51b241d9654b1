import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { copyLog } from "../../../protocol/platform/log-gauge.node.ts";
import { openDatabase } from "../../../protocol/platform/sqlite.node.ts";

/** Entry of the thread that copies SQLite's log into the hub's database. */
const { dir } = workerData as { readonly dir: string };

const database = await openDatabase(join(dir, "hub.db"), { mustExist: true });
parentPort?.on("message", (asked: "copy" | "close") => {
  if (asked === "close") {
    database.close();
    parentPort?.close();
    return;
  }
  copyLog(database);
  parentPort?.postMessage("copied");
});
parentPort?.postMessage("copied");
