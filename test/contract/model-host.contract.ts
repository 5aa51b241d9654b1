import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type ModelHost } from "../../models/index.ts";
import { importModel, openRegistry } from "../../models/index.node.ts";
import {
  dynamicallyQuantisedModel,
  linearModel,
  nanModel,
  pair,
  temporaryFolder,
  wanted,
  wantedAt,
  writeModel,
} from "../support/models-fixtures.ts";

export interface HostUnderTest {
  readonly registryDir: string;
  readonly queueRowsMax?: number;
}

/** What every ModelHost promises, on real onnxruntime. */
export function modelHostContract(name: string, open: (options: HostUnderTest) => ModelHost): void {
  describe(`a model host, ${name}`, () => {
    const root = temporaryFolder();
    const registryDir = path.join(root.path, "registry");
    const hosts: ModelHost[] = [];
    const host = (options: Partial<HostUnderTest> = {}): ModelHost => {
      const opened = open({ registryDir, ...options });
      hosts.push(opened);
      return opened;
    };
    afterEach(async () => {
      await Promise.all(hosts.splice(0).map((one) => one.close()));
    });
    afterAll(() => root.remove());

    it("predicts with probabilities in the order of the labels, and says what ran", async () => {
      const models = host();
      const [state] = await models.apply([wantedAt("sides", writeModel(root.path, "plain"))]);
      expect(state?.problem).toBeNull();
      const result = await models.predict("sides", "1", pair(0, 1));
      if (!result.ok) throw new Error(result.message);
      const [left = 0, right = 0] = result.prediction.probabilities;
      expect(right).toBeCloseTo(Math.exp(4) / (1 + Math.exp(4)), 6);
      expect(left + right).toBeCloseTo(1, 6);
      expect(result.by.provider).toBe("cpu");
      expect(result.by.runtime).toMatch(/^onnxruntime-node \d+\.\d+\.\d+ all /);
      expect(result.by.reference).toMatchObject({ name: "sides", version: "1.0.0" });
      expect(result.prediction.runMs).toBeGreaterThan(0);
    });

    it("batches what comes together and answers every row as its own", async () => {
      const models = host();
      await models.apply([wantedAt("sides", writeModel(root.path, "batches"))]);
      const rows = Array.from({ length: 50 }, (_, i) => pair(i / 50, 0.5));
      const results = await Promise.all(rows.map((row, i) => models.predict("sides", String(i), row)));
      results.forEach((result, i) => {
        if (!result.ok) throw new Error(result.message);
        const wantedLeft = 1 / (1 + Math.exp(4 * (0.5 - i / 50)));
        expect(result.prediction.probabilities[0]).toBeCloseTo(wantedLeft, 5);
      });
      expect(Math.max(...results.map((result) => (result.ok ? result.prediction.batch : 0)))).toBe(8);
    });

    it("runs a model one row at a time if its rows depend on each other, whatever its manifest says", async () => {
      const models = host();
      const folder = writeModel(root.path, "dynamic", { model: dynamicallyQuantisedModel() });
      const [state] = await models.apply([wantedAt("sides", folder)]);
      expect(state?.running?.batchMax).toBe(1);
    });

    it("answers no_model for a task that nobody serves, with the problem of the one that should", async () => {
      const models = host();
      const [state] = await models.apply([wantedAt("sides", path.join(root.path, "nowhere.onnx"))]);
      expect(state?.problem?.code).toBe("HP_MODEL_NOT_FOUND");
      expect(await models.predict("sides", "1", pair(0, 1))).toMatchObject({ ok: false, reason: "no_model" });
      expect(await models.predict("other", "1", pair(0, 1))).toMatchObject({ ok: false, reason: "no_model", by: null });
    });

    it("gives a reason for an input that does not fit, and predicts the rows beside it", async () => {
      const models = host();
      await models.apply([wantedAt("sides", writeModel(root.path, "misfits"))]);
      const [good, wrongKind, wrongShape, notFinite] = await Promise.all([
        models.predict("sides", "1", pair(1, 0)),
        models.predict("sides", "2", { kind: "features", values: { a: 1 } }),
        models.predict("sides", "3", { kind: "tensor", dtype: "float32", shape: [1], data: new Uint8Array(4) }),
        models.predict("sides", "4", pair(NaN, 0)),
      ]);
      expect(good.ok).toBe(true);
      expect(wrongKind).toMatchObject({ ok: false, reason: "bad_input" });
      expect(wrongShape).toMatchObject({ ok: false, reason: "bad_input" });
      expect(notFinite).toMatchObject({ ok: false, reason: "not_finite" });
    });

    it("never passes on a NaN, and only the row that has it fails", async () => {
      const models = host();
      await models.apply([wantedAt("sides", writeModel(root.path, "nan", { model: nanModel() }))]);
      const [good, bad] = await Promise.all([
        models.predict("sides", "1", pair(1, 4)),
        models.predict("sides", "2", pair(-1, 4)),
      ]);
      expect(good.ok).toBe(true);
      expect(bad).toMatchObject({ ok: false, reason: "not_finite" });
    });

    it("finds outputs that are not the probabilities that the manifest promises", async () => {
      const models = host();
      const manifest = { outputs: [{ name: "y", dtype: "float32", shape: ["batch", 2], meaning: "probabilities" }] };
      await models.apply([wantedAt("sides", writeModel(root.path, "unlikely", { manifest }))]);
      expect(await models.predict("sides", "1", pair(3, 9))).toMatchObject({ ok: false, reason: "model_output" });
      expect((await models.predict("sides", "2", pair(0.05, 0.2))).ok).toBe(true);
    });

    it.each([
      [
        "a name that is not there",
        { outputs: [{ name: "z", dtype: "float32", shape: ["batch", 2], meaning: "logits" }] },
        "HP_MODEL_OUTPUT",
      ],
      [
        "another dtype",
        { outputs: [{ name: "y", dtype: "float16", shape: ["batch", 2], meaning: "logits" }] },
        "HP_MODEL_OUTPUT",
      ],
      [
        "another number of classes",
        { outputs: [{ name: "y", dtype: "float32", shape: ["batch", 3], meaning: "logits" }], labels: ["a", "b", "c"] },
        "HP_MODEL_OUTPUT",
      ],
      ["another input", { inputs: [{ name: "x", dtype: "float32", shape: ["batch", 3] }] }, "HP_MODEL_MANIFEST"],
      ["another digest", { digest: `sha256:${"0".repeat(64)}` }, "HP_MODEL_DIGEST"],
      [
        "another golden answer",
        { golden: { pattern: "lcg", seed: 1, logits: [9, 9], tolerance: 0.001 } },
        "HP_MODEL_GOLDEN",
      ],
    ])("refuses a model whose manifest states %s", async (what, manifest, code) => {
      const models = host();
      const folder = writeModel(root.path, what.replaceAll(" ", "-"), { manifest });
      const [bad, good] = await models.apply([
        wantedAt("sides", folder),
        wantedAt("others", writeModel(root.path, "good")),
      ]);
      expect(bad?.problem?.code).toBe(code);
      expect(good?.problem).toBeNull();
      expect((await models.predict("others", "1", pair(1, 0))).ok).toBe(true);
    });

    it("refuses bytes that are no model, and a file that is cut off", async () => {
      const models = host();
      const garbage = writeModel(root.path, "garbage", { model: Uint8Array.of(1, 2, 3, 4) });
      const cut = writeModel(root.path, "cut", { model: linearModel().subarray(0, 60) });
      const states = await models.apply([wantedAt("a", garbage), wantedAt("b", cut)]);
      expect(states.map((state) => state.problem?.code)).toEqual(["HP_MODEL_LOAD", "HP_MODEL_LOAD"]);
    });

    it("serves two labels from one score", async () => {
      const models = host();
      const manifest = {
        inputs: [{ name: "x", dtype: "float32", shape: ["batch", 2] }],
        outputs: [{ name: "y", dtype: "float32", shape: ["batch", 1], meaning: "score" }],
      };
      const { scoreModel } = await import("../support/models-score.ts");
      await models.apply([wantedAt("sides", writeModel(root.path, "score", { model: scoreModel(), manifest }))]);
      const result = await models.predict("sides", "1", pair(2, 0));
      if (!result.ok) throw new Error(result.message);
      const score = 1 / (1 + Math.exp(-2));
      expect(result.prediction.probabilities[0]).toBeCloseTo(1 - score, 6);
      expect(result.prediction.probabilities[1]).toBeCloseTo(score, 6);
    });

    it("sheds what does not fit into its queue, by name", async () => {
      const models = host({ queueRowsMax: 10 });
      await models.apply([wantedAt("sides", writeModel(root.path, "queue"))]);
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, i) => models.predict("sides", String(i), pair(1, 0))),
      );
      const shed = results.filter((result) => !result.ok && result.reason === "overload").length;
      expect(shed).toBe(50);
      expect((await models.predict("sides", "later", pair(1, 0))).ok).toBe(true);
    });

    it("does not run what nobody waits for, and runs what stands beside it", async () => {
      const models = host();
      await models.apply([wantedAt("sides", writeModel(root.path, "patience"))]);
      const results = await Promise.all(
        Array.from({ length: 40 }, (_, i) => models.predict("sides", String(i), pair(1, 0), i % 2 === 0 ? 60_000 : 0)),
      );
      for (const [i, result] of results.entries()) {
        if (i % 2 === 0) expect(result.ok).toBe(true);
        // The first of them may have come before the host expects anything of the model.
        else expect(["overload", "timeout"]).toContain(result.ok ? "answered" : result.reason);
        expect(result.by?.reference.name).toBe("sides");
      }
    });

    it("answers everybody while far more comes than it can run in time, and serves as before when that is over", async () => {
      const models = host({ queueRowsMax: 100_000 });
      await models.apply([wantedAt("sides", writeModel(root.path, "too-much"))]);
      const results = await Promise.all(
        Array.from({ length: 20_000 }, (_, i) => models.predict("sides", String(i), pair(1, 0), 20)),
      );
      const reasons = new Set(results.map((result) => (result.ok ? "answered" : result.reason)));
      expect([...reasons].filter((reason) => !["answered", "overload", "timeout"].includes(reason))).toEqual([]);
      expect(results.some((result) => !result.ok)).toBe(true);
      expect((await models.predict("sides", "later", pair(1, 0), 60_000)).ok).toBe(true);
    });

    it("swaps models without a gap: every prediction is answered by one of the two", async () => {
      const models = host();
      const first = writeModel(root.path, "swap-1");
      const second = writeModel(root.path, "swap-2", { model: linearModel(8), manifest: { version: "2.0.0" } });
      await models.apply([wantedAt("sides", first)]);
      const versions: (string | undefined)[] = [];
      let swapped = false;
      const load = async (worker: number): Promise<void> => {
        for (let i = 0; !swapped || i % 10 !== 0; i += 1) {
          const result = await models.predict("sides", `${worker}-${i}`, pair(1, 0));
          versions.push(result.ok ? result.by.reference.version : result.reason);
        }
      };
      const loads = Array.from({ length: 8 }, (_, worker) => load(worker));
      const [state] = await models.apply([wantedAt("sides", second)]);
      expect(state?.running?.reference.version).toBe("2.0.0");
      const after = await models.predict("sides", "after", pair(1, 0));
      swapped = true;
      await Promise.all(loads);
      expect(after.ok && after.by.reference.version).toBe("2.0.0");
      expect(new Set(versions)).toEqual(new Set(["1.0.0", "2.0.0"]));
    });

    it("keeps a predecessor that is still wanted, and lets go of one that is not", async () => {
      const models = host();
      const registry = openRegistry(registryDir);
      const bring = async (version: string): Promise<void> => {
        const folder = writeModel(root.path, `keep-${version}`, {
          model: linearModel(Number(version[0])),
          manifest: { name: "keep", version },
        });
        const imported = await importModel(folder, { registryDir, activate: true });
        expect(imported.ok).toBe(true);
      };
      await bring("1.0.0");
      await models.apply([wanted("sides", "keep")]);
      await bring("2.0.0");
      const entry = (await registry.list()).find(({ name: entryName }) => entryName === "keep");
      const digest = entry?.versions.find(({ version }) => version === "2.0.0")?.modelDigest ?? "";
      const blob = path.join(registryDir, "blobs", "sha256", digest.slice(7));
      rmSync(blob);
      writeFileSync(blob, "damaged");
      const [kept] = await models.apply([wanted("sides", "keep")]);
      expect(kept?.problem?.code).toBe("HP_MODEL_DIGEST");
      expect(kept?.running?.reference.version).toBe("1.0.0");
      expect((await models.predict("sides", "1", pair(1, 0))).ok).toBe(true);
      const [gone] = await models.apply([wanted("sides", "keep@^2")]);
      expect(gone?.running).toBeNull();
      expect(await models.predict("sides", "2", pair(1, 0))).toMatchObject({ ok: false, reason: "no_model" });
    });

    it("stops serving a task that is no longer wanted, and everything once it is closed", async () => {
      const models = host();
      const folder = writeModel(root.path, "leaves");
      await models.apply([wantedAt("a", folder), wantedAt("b", folder)]);
      await models.apply([wantedAt("b", folder)]);
      expect(models.states().map(({ task }) => task)).toEqual(["b"]);
      expect(await models.predict("a", "1", pair(1, 0))).toMatchObject({ ok: false, reason: "no_model" });
      const last = models.predict("b", "2", pair(1, 0));
      await models.close();
      expect((await last).ok).toBe(true);
      expect(await models.predict("b", "3", pair(1, 0))).toMatchObject({ ok: false, reason: "no_model" });
    });
  });
}
