import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type WantedModel } from "../../models/index.ts";
import {
  findModelOnDisk,
  importModel,
  modelOfDigest,
  openModels,
  openRegistry,
  proveModel,
} from "../../models/index.node.ts";
import {
  dynamicallyQuantisedModel,
  linearModel,
  pair,
  temporaryFolder,
  wanted,
  wantedAt,
  writeModel,
} from "../support/models-fixtures.ts";

const root = temporaryFolder();
let made = 0;
const newRegistry = (): string => path.join(root.path, `registry-${(made += 1)}`);
afterAll(() => root.remove());

const folderOf = (version: string, gain = Number(version[0])): string =>
  writeModel(root.path, `v${version}-${gain}`, { model: linearModel(gain), manifest: { version } });

describe("the model registry", () => {
  it("stores by content, stages, activates and rolls back without a network", async () => {
    const registryDir = newRegistry();
    const registry = openRegistry(registryDir);
    for (const version of ["1.0.0", "2.0.0"]) {
      const imported = await importModel(folderOf(version), { registryDir });
      expect(imported).toMatchObject({ ok: true, value: { batchProven: 8 } });
    }
    expect(await registry.resolve("sides")).toMatchObject({ ok: false, error: { code: "HP_MODEL_NOT_FOUND" } });
    await registry.activate("sides@1.0.0");
    await registry.activate("sides@2.0.0");
    expect(await registry.resolve("sides@^2")).toMatchObject({ ok: true, value: { manifest: { version: "2.0.0" } } });
    await registry.rollback("sides");
    expect(await registry.resolve("sides")).toMatchObject({ ok: true, value: { manifest: { version: "1.0.0" } } });
    const [entry] = await registry.list();
    expect(entry).toMatchObject({ name: "sides", active: "1.0.0", previous: "2.0.0", staged: null });
    const blobs = readdirSync(path.join(registryDir, "blobs", "sha256"));
    expect(blobs.sort()).toEqual(entry?.versions.map(({ modelDigest }) => modelDigest.slice(7)).sort());
    expect(readdirSync(registryDir).sort()).toEqual(["blobs", "manifests", "refs"]);
  });

  it("takes the same model twice as one, and other content under the same version not at all", async () => {
    const registryDir = newRegistry();
    expect((await importModel(folderOf("1.0.0"), { registryDir })).ok).toBe(true);
    expect((await importModel(folderOf("1.0.0"), { registryDir })).ok).toBe(true);
    const other = await importModel(folderOf("1.0.0", 9), { registryDir });
    expect(other).toMatchObject({ ok: false, error: { code: "HP_CONFLICT" } });
  });

  it("records that a model must run one row at a time", async () => {
    const registryDir = newRegistry();
    const folder = writeModel(root.path, "dynamic", { model: dynamicallyQuantisedModel() });
    expect(await importModel(folder, { registryDir })).toMatchObject({ ok: true, value: { batchProven: 1 } });
  });

  it("stores nothing of a model that does not pass", async () => {
    const registryDir = newRegistry();
    const golden = { golden: { pattern: "lcg", seed: 1, logits: [9, 9], tolerance: 0.001 } };
    const bad = await importModel(writeModel(root.path, "golden", { manifest: golden }), { registryDir });
    expect(bad).toMatchObject({ ok: false, error: { code: "HP_MODEL_GOLDEN" } });
    expect(await openRegistry(registryDir).list()).toEqual([]);
  });

  it("finds a blob that is damaged or gone, and importing again heals it", async () => {
    const registryDir = newRegistry();
    const registry = openRegistry(registryDir);
    await importModel(folderOf("3.0.0"), { registryDir, activate: true });
    expect(await registry.damaged()).toEqual([]);
    const blobs = path.join(registryDir, "blobs", "sha256");
    const [blob = ""] = readdirSync(blobs);
    const bytes = readFileSync(path.join(blobs, blob));
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    rmSync(path.join(blobs, blob));
    writeFileSync(path.join(blobs, blob), bytes);
    expect(await registry.damaged()).toEqual([`sha256:${blob}`]);
    const host = openModels({ registryDir, isolation: "inline" });
    const [state] = await host.apply([wanted("sides", "sides")]);
    expect(state?.problem?.code).toBe("HP_MODEL_DIGEST");
    await host.close();
    await importModel(folderOf("3.0.0"), { registryDir });
    expect(await registry.damaged()).toEqual([]);
  });

  it("names an unknown model as it was asked for", async () => {
    const registry = openRegistry(newRegistry());
    for (const spec of ["nope", "nope@1.0.0"]) {
      const error = { code: "HP_MODEL_NOT_FOUND", message: `${spec} is not in the registry` };
      expect(await registry.activate(spec)).toMatchObject({ ok: false, error });
    }
  });

  it("says which file is damaged when a ref or a manifest is", async () => {
    const registryDir = newRegistry();
    const registry = openRegistry(registryDir);
    await importModel(folderOf("4.0.0"), { registryDir, activate: true });
    const [manifest = ""] = readdirSync(path.join(registryDir, "manifests"));
    writeFileSync(path.join(registryDir, "manifests", manifest), "{}");
    expect(await registry.resolve("sides")).toMatchObject({ ok: false, error: { code: "HP_MODEL_DIGEST" } });
    writeFileSync(path.join(registryDir, "refs", "sides.json"), '{"v":1');
    const damaged = await registry.resolve("sides");
    expect(damaged).toMatchObject({ ok: false, error: { code: "HP_MODEL_MANIFEST" } });
    expect(!damaged.ok && damaged.error.message).toContain("sides.json");
  });

  it("is not fooled by names that are paths", async () => {
    const registry = openRegistry(newRegistry());
    for (const spec of ["../secrets", "a/b", "", "x@not-a-range", "@1"]) {
      expect(await registry.resolve(spec)).toMatchObject({ ok: false, error: { code: "HP_MODEL_NOT_FOUND" } });
    }
  });

  it("loses no change when several commands write at once, and takes over the lock of one that died", async () => {
    const registryDir = newRegistry();
    mkdirSync(registryDir, { recursive: true });
    writeFileSync(path.join(registryDir, "registry.lock"), "999999999");
    const versions = ["1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"];
    await Promise.all(versions.map((version) => openRegistry(registryDir).import(folderOf(version), proveModel)));
    const [entry] = await openRegistry(registryDir).list();
    expect(entry?.versions.map(({ version }) => version).sort()).toEqual(versions);
  });

  it("tells whoever watches that another version was activated", async () => {
    const registryDir = newRegistry();
    const registry = openRegistry(registryDir);
    await importModel(folderOf("1.0.0"), { registryDir });
    const changed = new Promise<void>((done) => {
      const stop = registry.watch(() => {
        stop();
        done();
      });
    });
    await new Promise((done) => setTimeout(done, 50));
    await registry.activate("sides");
    await changed;
  });

  it("brings back the model of a recorded decision by its digest, bit for bit in a batch of the same size", async () => {
    const registryDir = newRegistry();
    await importModel(folderOf("5.0.0"), { registryDir, activate: true });
    await importModel(folderOf("6.0.0"), { registryDir, activate: true });
    const [entry] = await openRegistry(registryDir).list();
    const digest = entry?.versions.find(({ version }) => version === "5.0.0")?.modelDigest ?? "";
    const host = await modelOfDigest({ registryDir, digest, task: "sides", batch: 4 });
    const result = await host?.predict("sides", "1", pair(1, 0));
    expect(result).toMatchObject({
      ok: true,
      by: { reference: { version: "5.0.0", digest } },
      prediction: { batch: 4 },
    });
    await host?.close();
    expect(await modelOfDigest({ registryDir, digest: `sha256:${"0".repeat(64)}`, task: "sides" })).toBeNull();
  });
});

describe("a model named by its path", () => {
  const codeOf = async (given: string): Promise<string> => {
    const found = await findModelOnDisk(given);
    return found.ok ? "found" : found.error.code;
  };

  it("is found as a folder, a manifest, or a file with a manifest beside it", async () => {
    const folder = folderOf("1.0.0");
    const onnx = path.join(folder, "model.onnx");
    expect(await codeOf(folder)).toBe("found");
    expect(await codeOf(path.join(folder, "manifest.json"))).toBe("found");
    expect(await codeOf(onnx)).toBe("found");
    const alone = path.join(root.path, "alone");
    mkdirSync(alone);
    const manifest = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8")) as object;
    writeFileSync(path.join(alone, "tracking.onnx"), readFileSync(onnx));
    writeFileSync(
      path.join(alone, "tracking.onnx.manifest.json"),
      JSON.stringify({ ...manifest, file: "tracking.onnx" }),
    );
    expect(await codeOf(path.join(alone, "tracking.onnx"))).toBe("found");
  });

  it("is refused with what to do next", async () => {
    const bare = path.join(root.path, "bare");
    mkdirSync(bare);
    writeFileSync(path.join(bare, "model.onnx"), linearModel());
    writeFileSync(path.join(bare, "model.pkl"), "pickle");
    writeFileSync(path.join(bare, "broken.json"), "{");
    expect(await codeOf(path.join(bare, "missing.onnx"))).toBe("HP_MODEL_NOT_FOUND");
    expect(await codeOf(path.join(bare, "model.pkl"))).toBe("HP_MODEL_FORMAT");
    expect(await codeOf(path.join(bare, "broken.json"))).toBe("HP_MODEL_MANIFEST");
    const found = await findModelOnDisk(path.join(bare, "model.onnx"));
    expect(!found.ok && found.error.code).toBe("HP_MODEL_NO_MANIFEST");
    expect(!found.ok && found.error.hint).toContain("holdpoint model init");
  });

  it("does not stop the tasks of other models", async () => {
    const host = openModels({ registryDir: newRegistry(), isolation: "inline" });
    const wantedModels: readonly WantedModel[] = [
      wantedAt("good", folderOf("1.0.0")),
      wantedAt("pickle", path.join(root.path, "bare", "model.pkl")),
      wanted("absent", "nothing@^1"),
    ];
    const states = await host.apply(wantedModels);
    expect(states.map(({ problem }) => problem?.code ?? "runs")).toEqual([
      "runs",
      "HP_MODEL_FORMAT",
      "HP_MODEL_NOT_FOUND",
    ]);
    await host.close();
  });
});
