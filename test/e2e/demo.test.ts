import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DemoSummary } from "../../edge-agent/cli/demo/tally.ts";
import { type HeldCases } from "../../protocol/index.ts";
import { root } from "../support/agent-process.ts";
import { openBrowser, type TestBrowser } from "../support/hub-people.ts";
import { sharedFile, whyNoShared } from "../support/shared-data.ts";

const noPictures = whyNoShared("data/grocery/field.tar");

/** Signs in at the hub of the demo that is starting in this folder, with what it wrote down. */
async function signedIn(folder: string, data: string): Promise<TestBrowser> {
  const file = join(folder, ".holdpoint/demo-credentials.json");
  // The file of an earlier demo names a hub that is gone.
  await rm(file, { force: true });
  for (let looks = 0; looks < 600; looks += 1) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text.endsWith("}\n")) {
      const { hub } = JSON.parse(text) as { hub: { url: string; login: string; password: string } };
      const browser = openBrowser(hub.url);
      const { login, password } = hub;
      expect(await browser.call("POST", "/v1/session", { login, password })).toMatchObject({ status: 200 });
      return browser;
    }
    await sleep(50);
  }
  throw new Error(`no demo has started in ${data}`);
}

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

  it("takes an answer at the hub back to the device", async () => {
    const data = join(folder, "answered");
    const running = demo("--duration", "25s", "--rate", "1", "--data", data, "--hub-port", "0");
    const browser = await signedIn(folder, data);
    const labels = new Map<string, string>();
    for (let looks = 0; labels.size < 3 && looks < 100; looks += 1) {
      const { cases = [] } = (await browser.call("POST", "/v1/review/next", {})).json as Partial<HeldCases>;
      for (const { id, suggestions, lease } of cases) {
        const label = suggestions[0]?.label ?? "";
        const answer = { answer: { kind: "label", label }, generation: lease?.generation, reviewId: id, tookMs: 500 };
        expect(await browser.call("POST", `/v1/review/cases/${id}/submit`, answer)).toMatchObject({ status: 200 });
        labels.set(id, label);
      }
      await sleep(100);
    }
    const summary = await running;
    addsUp(summary);
    // What nobody answered stays pending: the surplus was decided by a person.
    expect(summary.finals).toBeGreaterThanOrEqual(summary.accepted + summary.abstained + labels.size);
  }, 120_000);

  it("refuses a path without pictures with exit code 2", async () => {
    await expect(demo("--images", join(folder, "nothing-here"))).rejects.toMatchObject({ code: 2 });
  });
});
