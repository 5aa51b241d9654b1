import { describe, expect, it } from "vitest";
import { type ChaosOptions } from "../chaos/chaos-report.ts";
import { cpuCap } from "../chaos/cpu-cap.ts";
import { killClient } from "../chaos/kill-client.ts";
import { memoryCap, startsWithin } from "../chaos/memory-cap.ts";
import { seededRandom } from "../support/requests.ts";

/** More short forms of `npm run chaos`: what the machine gives, and the devices' side. */
function options(rounds: number): ChaosOptions {
  const seed = Number(process.env["CHAOS_SEED"] ?? 1);
  const source = seededRandom(seed);
  return { rounds, seed, random: () => source.uniform(), say: () => undefined };
}

const kept = { lost: 0, doubled: 0, chain: { intact: true }, violations: [] };

describe("an agent with little", () => {
  it("stays up within 512 MB, with pictures, config changes and model swaps", async ({ skip }) => {
    const report = await memoryCap(options(2));
    if ("skipped" in report) skip(report.skipped);
    else expect(report).toMatchObject({ ...kept, detail: { killedByTheKernel: 0 } });
  }, 120_000);

  it("does not start within 48 MB: the control that shows that the cap is one", async ({ skip }) => {
    const started = await startsWithin(48 * 1024 ** 2);
    if (typeof started === "object") skip(started.skipped);
    else expect(started).toBe(false);
  }, 120_000);

  it("sheds near its deadline with a tenth of a core, and recovers", async ({ skip }) => {
    const report = await cpuCap(options(1));
    if ("skipped" in report) skip(report.skipped);
    else expect(report).toMatchObject(kept);
  }, 120_000);
});

describe("a device that is killed", () => {
  const killed = { way: "mqtt", lifeMs: [20, 400] } as const;

  it("loses nothing that it was told is durable, and is answered once", async () => {
    expect(await killClient({ ...options(3), ...killed, outbox: "file" })).toMatchObject(kept);
  }, 120_000);

  it("loses with its outbox in memory: the control", async () => {
    const report = await killClient({ ...options(3), ...killed, outbox: "memory" });
    expect(report.lost).toBeGreaterThan(0);
  }, 120_000);
});
