import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DemoSummary } from "../../edge-agent/cli/demo/tally.ts";
import { root } from "../support/agent-process.ts";
import { sharedFile, whyNoShared } from "../support/shared-data.ts";

const noPictures = whyNoShared("data/grocery/field.tar");

describe("holdpoint demo", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdpoint-demo-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const demo = async (...args: string[]): Promise<DemoSummary> => {
    const entry = join(root, "dist/edge-agent/main.node.js");
    const { stdout } = await promisify(execFile)(process.execPath, [entry, "demo", "--json", ...args], { cwd: folder });
    return JSON.parse(stdout) as DemoSummary;
  };
  const addsUp = (summary: DemoSummary): void => {
    expect(summary.requests).toBeGreaterThan(10);
    expect(summary.accepted + summary.escalated + summary.abstained + summary.refused).toBe(summary.requests);
    expect([summary.lost, summary.doubled]).toEqual([0, 0]);
    expect(summary.p99Ms).toBeGreaterThanOrEqual(summary.p50Ms);
  };

  it("needs nothing: it draws its pictures, says so, and its summary adds up", async () => {
    const summary = await demo("--duration", "3s");
    addsUp(summary);
    expect(summary.source).toBe("drawn");
    // It shows both ways: what the model decides, and what waits for a person.
    expect(Math.min(summary.accepted, summary.escalated)).toBeGreaterThan(0);
    const credentials = JSON.parse(await readFile(join(folder, ".holdpoint/demo-credentials.json"), "utf8")) as {
      devices: readonly unknown[];
    };
    expect(credentials.devices).toHaveLength(3);
  });

  it.skipIf(noPictures !== null)(
    `runs on real pictures${noPictures === null ? "" : ` (skipped: ${noPictures})`}`,
    async () => {
      const images = sharedFile("data/grocery/field.tar") ?? "";
      const summary = await demo("--duration", "4s", "--rate", "8", "--images", images);
      addsUp(summary);
      expect(summary.source).toBe(images);
      expect(summary.accepted).toBeGreaterThan(summary.requests / 4);
    },
  );

  it("refuses a path without pictures with exit code 2", async () => {
    await expect(demo("--images", join(folder, "nothing-here"))).rejects.toMatchObject({ code: 2 });
  });
});
