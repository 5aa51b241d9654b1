import { fork } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type PredictionResult } from "../../models/index.ts";
import { childHost, type ChildHost, type ChildHostOptions } from "../../models/index.node.ts";
import {
  findByPath,
  hungryModel,
  linearModel,
  loopingModel,
  pair,
  temporaryFolder,
  wantedAt,
  writeModel,
} from "../support/models-fixtures.ts";

const killerEntry = fileURLToPath(new URL("../support/models-killer-child.ts", import.meta.url));
const root = temporaryFolder();
const hosts: ChildHost[] = [];

/** A host over models named by path; bounds are short so that the tests are. */
function open(options: Partial<ChildHostOptions> = {}): ChildHost {
  const host = childHost({ find: findByPath, ...options });
  hosts.push(host);
  return host;
}

const labelsOf = (results: readonly PredictionResult[]): readonly string[] =>
  results.map((result) => (result.ok ? "answered" : result.reason));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(condition: () => boolean, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("it did not happen in time");
    await sleep(10);
  }
}

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});
afterAll(() => root.remove());

describe("the supervised inference child", () => {
  it("answers everything although it is killed again and again while it works", async () => {
    const host = open({
      limits: { restarts: { restartsMax: 50, windowMs: 60_000, pauseFirstMs: 1, pauseMaxMs: 10, downMs: 1000 } },
    });
    await host.apply([wantedAt("sides", writeModel(root.path, "killed"))]);
    const results: PredictionResult[] = [];
    let stop = false;
    const load = async (worker: number): Promise<void> => {
      for (let i = 0; !stop; i += 1) results.push(await host.predict("sides", `${worker}-${i}`, pair(1, 0)));
    };
    const loads = Array.from({ length: 16 }, (_, worker) => load(worker));
    for (let kill = 0; kill < 4; kill += 1) {
      await until(() => host.pids().length === 1 && host.problems().length === 0);
      // However slow the machine is, each child has worked before it is killed.
      const before = results.length;
      await until(() => results.length >= before + 32, 30_000);
      const [pid] = host.pids();
      if (pid !== undefined) process.kill(pid, "SIGKILL");
      await until(() => host.pids()[0] !== pid);
    }
    await until(() => host.problems().length === 0);
    stop = true;
    await Promise.all(loads);
    expect(results.length).toBeGreaterThan(4 * 32);
    expect(new Set(labelsOf(results))).toEqual(new Set(["answered"]));
  });

  it("finds the one case that crashes it, quarantines it and answers its neighbours", async () => {
    const host = open({ entry: killerEntry });
    await host.apply([wantedAt("sides", writeModel(root.path, "killer"))]);
    const rows = Array.from({ length: 24 }, (_, i) => (i === 13 ? pair(666, 0) : pair(1, 0)));
    const results = await Promise.all(rows.map((row, i) => host.predict("sides", `case-${i}`, row)));
    const expected = rows.map((_, i) => (i === 13 ? "quarantined" : "answered"));
    expect(labelsOf(results)).toEqual(expected);
    await until(() => host.pids().length > 0); // The child that case 13 ended is being replaced.
    const [pid] = host.pids();
    expect(await host.predict("sides", "case-13", pair(666, 0))).toMatchObject({ ok: false, reason: "quarantined" });
    // It was not even tried.
    expect(host.pids()).toEqual([pid]);
    expect((await host.predict("sides", "case-99", pair(1, 0))).ok).toBe(true);
  });

  it("ends a model that hangs in a run, and quarantines only the case that it hangs on", async () => {
    const host = open({ limits: { runMsMax: 300 } });
    await host.apply([wantedAt("sides", writeModel(root.path, "loops", { model: loopingModel() }))]);
    const rows = Array.from({ length: 6 }, (_, i) => (i === 2 ? pair(1e18, 0) : pair(0, -1)));
    const results = await Promise.all(rows.map((row, i) => host.predict("sides", `hang-${i}`, row)));
    expect(labelsOf(results)).toEqual(["answered", "answered", "quarantined", "answered", "answered", "answered"]);
  });

  it("ends a model that takes more memory than it may", async () => {
    const host = open({ limits: { rssBytesMax: 400 * 1024 * 1024, heartbeatMs: 20, runMsMax: 20_000 } });
    const [state] = await host.apply([wantedAt("sides", writeModel(root.path, "hungry", { model: hungryModel() }))]);
    expect(state?.problem).toBeNull();
    const [small, large] = await Promise.all([
      host.predict("sides", "small", pair(0, 0)),
      host.predict("sides", "large", pair(150e6, 0)),
    ]);
    expect(labelsOf([small, large])).toEqual(["answered", "quarantined"]);
    expect((await host.predict("sides", "next", pair(0, 0))).ok).toBe(true);
  });

  it("replaces a child that is frozen, while it is idle and while it works", async () => {
    const host = open({ limits: { runMsMax: 400, heartbeatMs: 50, silenceMsMax: 200 } });
    await host.apply([wantedAt("sides", writeModel(root.path, "frozen"))]);
    const [first = 0] = host.pids();
    process.kill(first, "SIGSTOP");
    await until(() => host.pids()[0] !== first && host.problems().length === 0);
    expect((await host.predict("sides", "1", pair(1, 0))).ok).toBe(true);
    const [second = 0] = host.pids();
    process.kill(second, "SIGSTOP");
    expect((await host.predict("sides", "2", pair(1, 0))).ok).toBe(true);
    expect(host.pids()).not.toContain(second);
  });

  it("leaves out a model that crashes it while it is loaded, and serves the others", async () => {
    const host = open({ entry: killerEntry });
    const [bad, good] = await host.apply([
      wantedAt("bad", writeModel(root.path, "crash", { manifest: { name: "crash-on-load" } })),
      wantedAt("good", writeModel(root.path, "good")),
    ]);
    expect(bad?.problem?.code).toBe("HP_MODEL_LOAD");
    expect(good?.problem).toBeNull();
    expect((await host.predict("good", "1", pair(1, 0))).ok).toBe(true);
  });

  it("refuses at once instead of waiting when its restart budget is spent, says so, and tries again later", async () => {
    const restarts = { restartsMax: 1, windowMs: 60_000, pauseFirstMs: 1, pauseMaxMs: 1, downMs: 300 };
    const host = open({ limits: { restarts } });
    await host.apply([wantedAt("sides", writeModel(root.path, "budget"))]);
    for (let kill = 0; kill < 2; kill += 1) {
      await until(() => host.pids().length === 1 && host.problems().length === 0);
      const [pid = 0] = host.pids();
      process.kill(pid, "SIGKILL");
      await until(() => host.pids()[0] !== pid);
    }
    expect(host.problems().map(({ code }) => code)).toEqual(["HP_INFERENCE_DOWN"]);
    expect(await host.predict("sides", "1", pair(1, 0))).toMatchObject({ ok: false, reason: "model_error" });
    await until(() => host.problems().length === 0);
    expect((await host.predict("sides", "2", pair(1, 0))).ok).toBe(true);
  });

  it("gives a reason when a model's file is gone by the time that the child starts again", async () => {
    const host = open();
    const folder = writeModel(root.path, "vanishes");
    await host.apply([wantedAt("sides", folder)]);
    rmSync(path.join(folder, "model.onnx"));
    const [pid = 0] = host.pids();
    process.kill(pid, "SIGKILL");
    expect(await host.predict("sides", "1", pair(1, 0))).toMatchObject({ ok: false, reason: "model_error" });
  });

  it("swaps models under load without dropping a case, and ends every child that it replaced", async () => {
    const host = open();
    const folders = [1, 2].map((version) =>
      writeModel(root.path, `turn-${version}`, {
        model: linearModel(version),
        manifest: { version: `${version}.0.0` },
      }),
    );
    await host.apply([wantedAt("sides", folders[0] ?? "")]);
    const results: PredictionResult[] = [];
    const seen = new Set<number>();
    let stop = false;
    const load = async (worker: number): Promise<void> => {
      for (let i = 0; !stop; i += 1) {
        results.push(await host.predict("sides", `${worker}-${i}`, pair(1, 0)));
        for (const pid of host.pids()) seen.add(pid);
      }
    };
    const loads = Array.from({ length: 16 }, (_, worker) => load(worker));
    for (let swap = 1; swap <= 6; swap += 1) {
      const [state] = await host.apply([wantedAt("sides", folders[swap % 2] ?? "")]);
      expect(state?.running?.reference.version).toBe(`${(swap % 2) + 1}.0.0`);
    }
    stop = true;
    await Promise.all(loads);
    expect(new Set(labelsOf(results))).toEqual(new Set(["answered"]));
    const [last] = host.pids().slice(-1);
    await until(() => [...seen].every((pid) => pid === last || !isAlive(pid)));
    expect(seen.size).toBeGreaterThan(6);
  });

  it("does not start a second child when nothing has changed", async () => {
    const host = open();
    const folder = writeModel(root.path, "same");
    await host.apply([wantedAt("sides", folder)]);
    const before = host.pids();
    await host.apply([wantedAt("sides", folder)]);
    expect(host.pids()).toEqual(before);
  });

  it("reports a provider that does not run here, and records the one that does", async () => {
    const host = open({ providers: ["cuda", "cpu"] });
    const [state] = await host.apply([wantedAt("sides", writeModel(root.path, "provider"))]);
    if (state?.running?.provider === "cuda") return;
    expect(state?.running?.provider).toBe("cpu");
    expect(host.problems()).toEqual([
      { code: "HP_PROVIDER", message: expect.stringContaining("not on cuda") as string },
    ]);
    const result = await host.predict("sides", "1", pair(1, 0));
    expect(result.ok && result.by.provider).toBe("cpu");
  });

  it.runIf(process.platform === "linux")(
    "ends with its parent, even in the middle of a run that never ends",
    async () => {
      const folder = writeModel(root.path, "orphan", { model: loopingModel() });
      const parent = fork(fileURLToPath(new URL("../support/models-parent.ts", import.meta.url)), [folder], {
        stdio: "ignore",
        env: { ...process.env, NODE_OPTIONS: "" },
      });
      const child = await new Promise<number>((done) => parent.once("message", (pid) => done(pid as number)));
      const isBusy = (): boolean => readFileSync(`/proc/${child}/stat`, "latin1").includes(" R ");
      await until(isBusy);
      parent.kill("SIGKILL");
      await until(() => !isAlive(child) || readFileSync(`/proc/${child}/stat`, "latin1").includes(" Z "), 5000);
    },
  );
});
