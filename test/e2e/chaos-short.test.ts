import { describe, expect, it } from "vitest";
import { type ChaosOptions, type ChaosReport, type Skipped } from "../chaos/chaos-report.ts";
import { clock } from "../chaos/clock.ts";
import { configUnderLoad } from "../chaos/config-under-load.ts";
import { damage } from "../chaos/damage.ts";
import { diskFull } from "../chaos/disk-full.ts";
import { killChild } from "../chaos/kill-child.ts";
import { modelSwap } from "../chaos/model-swap.ts";
import { readOnly } from "../chaos/read-only.ts";
import { sevenDays } from "../chaos/seven-days.ts";
import { suspend } from "../chaos/suspend.ts";
import { tornWal } from "../chaos/torn-wal.ts";
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

/** Skips with a line what the machine does not let happen. */
function expectKeptOrSkip(report: ChaosReport | Skipped, skip: (reason: string) => void): void {
  if ("skipped" in report) skip(report.skipped);
  else expectKept(report);
}

describe("under load the agent keeps its promises", () => {
  it("when its disk is filled, greedily too, and when it is told to end, or killed, and started on the full disk", async ({
    skip,
  }) => {
    expectKeptOrSkip(await diskFull(options(3)), skip);
  }, 120_000);

  it("when its disk becomes read-only, for a while and for good", async ({ skip }) => {
    expectKeptOrSkip(await readOnly(options(2)), skip);
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

  it("when the box sleeps for eight hours", async () => {
    expectKept(await suspend(options(2)));
  }, 120_000);

  it("when the wall clock jumps by ten years", async () => {
    expectKept(await clock(options(2)));
  }, 120_000);

  it("when its journal has flipped bits, and when its disk answers EIO", async ({ skip }) => {
    const report = await tornWal({ ...options(1), synchronous: "FULL" });
    if ("skipped" in report) skip(report.skipped);
    else expectKept(await damage({ ...options(2), kinds: ["bit flips", "EIO"] }));
  }, 120_000);
});

describe("the journal keeps its promises", () => {
  it("when the power is cut between two disk calls, and what was not synced is torn", async ({ skip }) => {
    expectKeptOrSkip(await tornWal({ ...options(150), synchronous: "FULL" }), skip);
  }, 120_000);

  it("and the control without FULL loses what it acknowledged", async ({ skip }) => {
    const report = await tornWal({ ...options(60), synchronous: "NORMAL" });
    if ("skipped" in report) skip(report.skipped);
    else expect(report.lost).toBeGreaterThan(0);
  }, 120_000);

  it("when days pass offline and its bytes run out", async () => {
    const days = { budgetBytes: 4e6, pictureBytes: 2000, daySeconds: 1280 };
    expectKept(await sevenDays({ ...options(2), ...days }));
  }, 120_000);
});
