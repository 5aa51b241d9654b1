import { parseArgs } from "node:util";
import { simulateAgent, type SimulationReport } from "../support/agent-simulation.ts";

/** `npm run simulate -- --seeds 5000 --from 1`: as many seeds as there is time for. Exit code 1 where one fails. */

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    log: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const seeds = Number(values.seeds);
const from = Number(values.from);
if (!Number.isInteger(seeds) || !Number.isInteger(from) || seeds < 1) {
  console.error("usage: npm run simulate -- [--seeds N] [--from S] [--log] [--json]");
  process.exit(2);
}

const progressEveryMs = 10_000;
const startedMs = performance.now();
const totals = { seeds: 0, failed: 0, asked: 0, acknowledged: 0, escalated: 0, expired: 0, reviewed: 0, lives: 0 };
let commits = 0;
let simulatedMs = 0;
let toldMs = startedMs;

for (let seed = from; seed < from + seeds; seed += 1) {
  const report = await simulateAgent(seed, values.log ? { log: (line) => console.log(line) } : {});
  add(report);
  if (report.violations.length > 0) {
    console.error(`seed ${seed} failed (npm run simulate -- --from ${seed} --seeds 1 --log):`);
    for (const violation of report.violations) console.error(`  ${violation}`);
  }
  if (performance.now() - toldMs > progressEveryMs && !values.json) {
    toldMs = performance.now();
    console.error(`${totals.seeds} of ${seeds} seeds, ${totals.failed} failed`);
  }
}

const tookMs = Math.round(performance.now() - startedMs);
const summary = { ...totals, commits, simulatedHours: Math.round(simulatedMs / 36_000) / 100, tookMs };
if (values.json) console.log(JSON.stringify(summary));
else for (const [name, value] of Object.entries(summary)) console.log(`${name.padEnd(16)}${value}`);
process.exitCode = totals.failed > 0 ? 1 : 0;

function add(report: SimulationReport): void {
  totals.seeds += 1;
  totals.failed += report.violations.length > 0 ? 1 : 0;
  totals.asked += report.asked;
  totals.acknowledged += report.acknowledged;
  totals.escalated += report.escalated;
  totals.expired += report.expired;
  totals.reviewed += report.reviewed;
  totals.lives += report.lives;
  commits += report.commits;
  simulatedMs += report.simulatedMs;
}
