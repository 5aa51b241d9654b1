import { parseArgs } from "node:util";
import { type BenchRow } from "./bench-row.ts";
import { burstRows } from "./burst-rows.ts";
import { certifyRows } from "./certify-rows.ts";
import { daemonRows } from "./daemon-rows.ts";
import { gateRows } from "./gate-rows.ts";
import { hubRows } from "./hub-rows.ts";
import { idleRows } from "./idle-rows.ts";
import { journalRows } from "./journal-rows.ts";
import { latencyRows } from "./latency-rows.ts";
import { mqttRows } from "./mqtt-rows.ts";
import { peerRows } from "./peer-rows.ts";
import { slowDiskRows } from "./slow-disk-rows.ts";

/**
 * `npm run bench [-- --json] [-- --only mqtt] [-- --long]`: ratios measured in one run. Never a pass or fail on
 * absolute time.
 */
const groups: Readonly<Record<string, (long: boolean) => Promise<readonly BenchRow[]>>> = {
  gate: gateRows,
  certify: certifyRows,
  latency: latencyRows,
  mqtt: mqttRows,
  daemon: daemonRows,
  peers: peerRows,
  idle: idleRows,
  "slow-disk": slowDiskRows,
  journal: journalRows,
  burst: burstRows,
  hub: hubRows,
};
/** What takes minutes and is measured with `--long` only. */
const longForms: Readonly<Record<string, string>> = {
  journal: "the journal with 10⁷ records (25 GB of disk)",
  burst: "a burst of 60 s instead of 10 s",
  hub: "the next case of a million; 10,000 agents instead of 1,000; ten times the backlog",
};

const { values } = parseArgs({
  options: { json: { type: "boolean" }, only: { type: "string" }, long: { type: "boolean" } },
});
const long = values.long === true;
if (values.only !== undefined && !Object.hasOwn(groups, values.only)) {
  console.error(`no group ${values.only}: ${Object.keys(groups).join(", ")}`);
  process.exit(2);
}
const chosen = Object.entries(groups).filter(([name]) => values.only === undefined || values.only === name);
const rows: BenchRow[] = [];
for (const [name, measure] of chosen) {
  try {
    rows.push(...(await measure(long)));
  } catch (error) {
    // The rows of the other groups are worth having all the same.
    console.error(`the group ${name} failed:`, error);
    process.exitCode = 1;
  }
}
for (const [name] of chosen) {
  if (!long && longForms[name] !== undefined) console.error(`left out without --long: ${longForms[name]}`);
}
if (values.json === true) console.log(JSON.stringify(rows));
else {
  console.log("| measured | ratio | target | met | detail |\n| --- | --- | --- | --- | --- |");
  for (const { name, ratio, target, met, detail } of rows) {
    console.log(`| ${name} | ${ratio} | ${target} | ${met ? "yes" : "no"} | ${detail} |`);
  }
}
