import { parseArgs } from "node:util";
import { startHub } from "../../cloud-sync/hub/hub.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { type HubBenchAnswer, type HubBenchQuestion } from "./hub-question.ts";

/** A hub in a process of its own, from the sources: its memory and its processor time can be told from the load's. */
const { values } = parseArgs({
  options: { data: { type: "string" }, database: { type: "string" }, port: { type: "string" } },
});
let token = "";
const hub = await startHub({
  dataDir: values.data ?? "",
  ...(values.database === undefined ? {} : { database: values.database }),
  ...{ host: "127.0.0.1", port: Number(values.port ?? 0), logger: silentLogger },
  // Nobody signs in with a password here.
  passwordCost: { n: 1024, r: 8, p: 1 },
  onAdminToken: (made) => (token = made),
});

function tell(): void {
  const { user, system } = process.cpuUsage();
  const answer = { url: hub.url, token, cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() };
  process.send?.(answer satisfies HubBenchAnswer);
}

process.on("message", (question) => {
  if ((question as HubBenchQuestion).do === "look") tell();
  else void hub.close().then(() => process.disconnect());
});
process.on("disconnect", () => process.exit(0));
tell();
