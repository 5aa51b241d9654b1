import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { seededRandom } from "../support/requests.ts";
import { type ChaosReport } from "./chaos-report.ts";
import { faults } from "./faults.ts";

/**
 * `npm run chaos -- <name> [--rounds N] [--seed S] [--parallel N] [--json]`: injects one kind of fault into the built agent and counts.
 * Exit code 0 where every promise was kept, 1 where one was broken, 2 for a wrong call.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seed: { type: "string" },
    parallel: { type: "string" },
    json: { type: "boolean" },
  },
});
const [name = ""] = positionals;
const fault = faults[name];
if (fault === undefined) {
  for (const [known, { says, rounds, round }] of Object.entries(faults)) {
    console.error(`${known.padEnd(20)} ${says} [${rounds} × ${round}]`);
  }
  process.exit(2);
}

const seed = wholeNumber("seed", values.seed) ?? randomInt(2 ** 31);
const rounds = wholeNumber("rounds", values.rounds) ?? fault.rounds;
const parallel = Math.max(1, wholeNumber("parallel", values.parallel) ?? Math.min(4, availableParallelism()));
const startedMs = performance.now();
// The seed first: a run that hangs or crashes can be repeated too.
console.error(`${name}, ${rounds} × ${fault.round}, seed ${seed}`);
const source = seededRandom(seed);
const report = await fault.run({
  ...{ rounds, seed, parallel },
  random: () => source.uniform(),
  say: (line) => console.error(line),
});
if ("skipped" in report) {
  console.log(values.json === true ? JSON.stringify({ name, ...report }) : `${name}: skipped, ${report.skipped}`);
  process.exit(0);
}
const seconds = Math.round((performance.now() - startedMs) / 1000);
print(report);
process.exit(report.violations.length === 0 ? 0 : 1);

function print({ acknowledged, lost, doubled, chain, detail, violations }: ChaosReport): void {
  if (values.json === true) {
    console.log(
      JSON.stringify({ name, rounds, seed, seconds, acknowledged, lost, doubled, chain, detail, violations }),
    );
    return;
  }
  const intact = chain.intact ? "intact" : `broken: ${chain.fault ?? ""}`;
  console.log(`${name}: acknowledged ${acknowledged}, lost ${lost}, doubled ${doubled}, chain ${intact}`);
  for (const [key, value] of Object.entries(detail)) console.log(`  ${key}: ${value}`);
  console.log(`  ${rounds} × ${fault?.round ?? ""} in ${seconds} s, seed ${seed}`);
  for (const violation of violations) console.log(`VIOLATION ${violation}`);
}

function wholeNumber(flag: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`--${flag} must be a whole number`);
  process.exit(2);
}
