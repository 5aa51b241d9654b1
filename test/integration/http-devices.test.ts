import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { deviceCommand } from "../../edge-agent/cli/device.node.ts";
import {
  addDevice,
  openDeviceDirectory,
  removeDevice,
  type OpenDirectory,
} from "../../edge-agent/devices/directory.node.ts";
import { createMetrics } from "../../edge-agent/metrics.node.ts";

let dir: string;
let directory: OpenDirectory | null = null;
const open = async (): Promise<OpenDirectory> =>
  (directory = await openDeviceDirectory({ dir, clock: systemClock, timers: systemTimers, logger: silentLogger }));
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "holdpoint-devices-"));
});
afterEach(() => directory?.close());

describe("the devices of an agent", () => {
  test("a secret names its device, is kept as a hash only, and the file is its owner's", async () => {
    const secret = await addDevice(dir, "camera.1", 1);
    expect(secret).toMatch(/^camera\.1\.[\w-]{43}$/);
    const text = readFileSync(join(dir, "devices.json"), "utf8");
    expect(text).not.toContain(secret.slice(9));
    expect(statSync(join(dir, "devices.json")).mode & 0o777).toBe(0o600);
    const devices = await open();
    expect(await devices.verify("camera.1", secret)).toBe(true);
    expect(await devices.verify("camera.1", secret.slice(9))).toBe(true);
    expect(await devices.verify("camera.1", `${secret}x`)).toBe(false);
    expect(await devices.verify("camera.2", secret)).toBe(false);
    expect(await devices.verify("camera.1", "")).toBe(false);
  });

  test("a device that is added or removed counts at once, without a restart", async () => {
    const devices = await open();
    const secret = await addDevice(dir, "till-1", 1);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(await devices.verify("till-1", secret)).toBe(true);
    await removeDevice(dir, "till-1");
    await devices.refresh();
    expect(devices.has("till-1")).toBe(false);
    expect(await devices.verify("till-1", secret)).toBe(false);
    const other = await addDevice(dir, "till-1", 2);
    await devices.refresh();
    expect(await devices.verify("till-1", secret)).toBe(false);
    expect(await devices.verify("till-1", other)).toBe(true);
  });

  test("a file that is broken leaves the last good one in force and says so", async () => {
    const secret = await addDevice(dir, "till-1", 1);
    const devices = await open();
    writeFileSync(join(dir, "devices.json"), "{");
    await devices.refresh();
    expect(devices.problem()).toMatchObject({ code: "HP_CONFIG" });
    expect(await devices.verify("till-1", secret)).toBe(true);
    await expect(addDevice(dir, "till-2", 1)).rejects.toMatchObject({ code: "HP_CONFIG" });
  });

  test("ten devices added at once are all there", async () => {
    await Promise.all(Array.from({ length: 10 }, (_, n) => addDevice(dir, `camera-${n}`, 1)));
    const devices = await open();
    expect(Array.from({ length: 10 }, (_, n) => devices.has(`camera-${n}`))).not.toContain(false);
  });

  test.each(["agents", "", "a/b", "+", "#", "-x", "x".repeat(65), "a b"])("%j is no device name", async (name) => {
    await expect(addDevice(dir, name, 1)).rejects.toMatchObject({ code: "HP_USAGE" });
  });

  test("a name that is taken is not given a second secret", async () => {
    await addDevice(dir, "till-1", 1);
    await expect(addDevice(dir, "till-1", 1)).rejects.toMatchObject({ code: "HP_CONFLICT" });
  });

  test("a secret that was right once costs no scrypt again: ten thousand reconnects take no ten minutes", async () => {
    const secret = await addDevice(dir, "till-1", 1);
    const devices = await open();
    await devices.verify("till-1", secret);
    const startMs = performance.now();
    for (let n = 0; n < 10_000; n += 1) await devices.verify("till-1", secret);
    // Each scrypt would take some 50 ms.
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });

  test("guesses wait in a bounded line and do not hold up a known secret", async () => {
    const secret = await addDevice(dir, "till-1", 1);
    const devices = await open();
    await devices.verify("till-1", secret);
    const guesses = Array.from({ length: 4_200 }, (_, n) =>
      devices.verify("till-1", `guess-${n}`).then(
        () => "checked",
        () => "busy",
      ),
    );
    await expect(devices.verify("till-1", secret)).resolves.toBe(true);
    devices.close();
    const first = await Promise.race([...guesses.slice(4_150)]);
    expect(first).toBe("busy");
  });
});

describe("holdpoint device", () => {
  const run = (...words: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const script = `import { deviceCommand } from "./edge-agent/cli/device.node.ts"; await deviceCommand().parseAsync(${JSON.stringify(words)}, { from: "user" });`;
      execFile(
        process.execPath,
        ["--input-type=module-typescript", "-e", script],
        { cwd: process.cwd() },
        (error, stdout) => (error ? reject(new Error(error.message)) : resolve(stdout)),
      );
    });

  test("adds, lists and removes", async () => {
    expect(deviceCommand().name()).toBe("device");
    const added = JSON.parse(await run("add", "till-1", "--data", dir, "--json")) as { device: string; secret: string };
    const devices = await open();
    expect(await devices.verify(added.device, added.secret)).toBe(true);
    expect(JSON.parse(await run("list", "--data", dir, "--json"))).toMatchObject({
      devices: [{ name: "till-1", disabled: false }],
    });
    expect(await run("remove", "till-1", "--data", dir)).toContain("removed till-1");
    expect(await run("list", "--data", dir)).toContain("no devices");
  });
});

describe("metrics", () => {
  test("are counted by bounded labels", async () => {
    const metrics = createMetrics({ counts: () => Promise.reject(new Error("the journal is closed")) });
    const decision = {
      revision: 1,
      verdict: "accept",
      decidedBy: "model",
      latencyMs: 3,
      reasons: ["confident", "audit"],
    };
    for (let n = 0; n < 80; n += 1) metrics.decided({ ...decision, task: `task-${n}` } as never);
    metrics.refused("mqtt", "HP_SCHEMA");
    metrics.refused("mqtt", "HP_SCHEMA");
    metrics.acknowledged("http");
    metrics.connections("mqtt", 3);
    const { body, contentType } = await metrics.text();
    expect(contentType).toContain("text/plain");
    expect(body).toContain('holdpoint_decisions_total{task="task-0",verdict="accept",decided_by="model"} 1');
    expect(body).toContain('holdpoint_decisions_total{task="other",verdict="accept",decided_by="model"} 16');
    for (const reason of ["confident", "audit"]) {
      expect(body).toContain(`holdpoint_reasons_total{task="other",reason="${reason}"} 16`);
    }
    expect(body).not.toContain("task-64");
    expect(body).toContain('holdpoint_refused_total{door="mqtt",code="HP_SCHEMA"} 2');
    expect(body).toContain('holdpoint_acknowledged_total{door="http"} 1');
    expect(body).toContain('holdpoint_connections{door="mqtt"} 3');
    expect(body).toContain('holdpoint_decision_seconds_bucket{le="0.005",task="task-0"} 1');
    expect(body).toContain("holdpoint_metric_source_failures_total 1");
    expect((await metrics.text()).body).toContain('holdpoint_refused_total{door="mqtt",code="HP_SCHEMA"} 2');
    metrics.close();
  });
});
