import { describe, expect, it } from "vitest";
import { type ChaosOptions, type ChaosReport } from "../chaos/chaos-report.ts";
import { configUnderLoad } from "../chaos/config-under-load.ts";
import { diskFull } from "../chaos/disk-full.ts";
import { killChild } from "../chaos/kill-child.ts";
import { modelSwap } from "../chaos/model-swap.ts";
import { seededRandom } from "../support/requests.ts";

/** The short forms of `npm run chaos`; docs/chaos.md has the results of the long ones. */
function options(rounds: number): ChaosOptions {
  const seed = Number(process.env["CHAOS_SEED"] ?? 1);
  const source = seededRandom(seed);
  return { rounds, seed, random: () => source.uniform(), say: () => undefined };
}

function expectKept(report: ChaosReport): void {
  expect(report).toMatchObject({ lost: 0, doubled: 0, chain: { intact: true }, violations: [] });
}

describe("under load the agent keeps its promises", () => {
  it("when its disk is filled, greedily too, and when it is killed and started on the full disk", async ({ skip }) => {
    const report = await diskFull(options(3));
    if ("skipped" in report) skip(report.skipped);
    else expectKept(report);
  }, 120_000);

  it("when its inference child is killed", async () => {
    expectKept(await killChild({ ...options(2), freeze: false }));
  }, 120_000);

  it("when gate threshold and model change together", async () => {
    expectKept(await configUnderLoad(options(4)));
  }, 120_000);

  it("when another version of the model is activated", async () => {
    expectKept(await modelSwap({ ...options(4), steadyMs: 500, measure: false }));
  }, 120_000);
});
