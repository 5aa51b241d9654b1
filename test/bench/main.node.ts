import { parseArgs } from "node:util";
import { type BenchRow } from "./bench-row.ts";
import { daemonRows } from "./daemon-rows.ts";
import { gateRows } from "./gate-rows.ts";
import { idleRows } from "./idle-rows.ts";
import { latencyRows } from "./latency-rows.ts";
import { mqttRows } from "./mqtt-rows.ts";
import { peerRows } from "./peer-rows.ts";
import { slowDiskRows } from "./slow-disk-rows.ts";

/**
 * `npm run bench [-- --json] [-- --only mqtt]`: ratios measured in one run. Never a pass or fail on absolute time.
 */
const groups: Readonly<Record<string, () => Promise<readonly BenchRow[]>>> = {
  gate: gateRows,
  latency: latencyRows,
  mqtt: mqttRows,
  daemon: daemonRows,
  peers: peerRows,
  idle: idleRows,
  "slow-disk": slowDiskRows,
};

const { values } = parseArgs({ options: { json: { type: "boolean" }, only: { type: "string" } } });
if (values.only !== undefined && !Object.hasOwn(groups, values.only)) {
  console.error(`no group ${values.only}: ${Object.keys(groups).join(", ")}`);
  process.exit(2);
}
const rows: BenchRow[] = [];
for (const [name, measure] of Object.entries(groups)) {
  if (values.only === undefined || values.only === name) rows.push(...(await measure()));
}
if (values.json === true) console.log(JSON.stringify(rows));
else {
  console.log("| measured | ratio | target | met | detail |\n| --- | --- | --- | --- | --- |");
  for (const { name, ratio, target, met, detail } of rows) {
    console.log(`| ${name} | ${ratio} | ${target} | ${met ? "yes" : "no"} | ${detail} |`);
  }
}
