import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { linearModel, temporaryFolder, writeModel } from "../support/models-fixtures.ts";

const root = temporaryFolder();
afterAll(() => root.remove());
const entry = fileURLToPath(new URL("../support/models-command.ts", import.meta.url));

/** Runs `holdpoint model …` as a process of its own. */
function model(...args: string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const env = { ...process.env, NODE_OPTIONS: "" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { encoding: "utf8", env });
  return { code: status, out: stdout, err: stderr };
}

describe("holdpoint model", () => {
  it("goes from a bare ONNX file to a model that serves, and back", () => {
    const folder = path.join(root.path, "bare");
    mkdirSync(folder);
    const file = path.join(folder, "sides.onnx");
    writeFileSync(file, linearModel());
    writeFileSync(path.join(folder, "labels.txt"), "left\nright\n");
    const init = model("init", file, "--labels", path.join(folder, "labels.txt"), "--task", "sides");
    expect(init.code).toBe(0);
    expect(init.out).toContain("to do: licence");
    const manifestFile = `${file}.manifest.json`;
    const draft = JSON.parse(readFileSync(manifestFile, "utf8")) as Record<string, unknown>;
    expect(draft).toMatchObject({
      labels: ["left", "right"],
      inputs: [{ name: "x", dtype: "float32", shape: ["batch", 2] }],
    });
    expect(model("init", file).code).toBe(2);
    expect(model("check", file, "--write-golden").out).toContain("now in the manifest");
    expect(model("check", file).out).toMatch(
      /sides@1\.0\.0 serves sides: 2 labels.*\nthe golden input answers as stated\nrows are equal/,
    );
    const registry = ["--registry", path.join(root.path, "registry")];
    expect(JSON.parse(model("import", file, ...registry, "--json").out)).toMatchObject({
      name: "sides",
      state: "staged",
    });
    expect(JSON.parse(model("activate", "sides", ...registry, "--json").out)).toMatchObject({ active: "1.0.0" });
    writeModel(root.path, "second", { model: linearModel(2), manifest: { version: "2.0.0" } });
    expect(model("import", path.join(root.path, "second"), "--activate", ...registry).out).toContain(
      "sides@2.0.0 is active",
    );
    expect(model("rollback", "sides", ...registry).code).toBe(0);
    const list = JSON.parse(model("list", "--verify", "--json", ...registry).out) as unknown;
    expect(list).toMatchObject({ models: [{ active: "1.0.0", previous: "2.0.0" }], damaged: [] });
  }, 120_000);

  it("names the field that is wrong, and exits with 2", () => {
    const folder = writeModel(root.path, "wrong");
    const file = path.join(folder, "manifest.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...manifest, labels: ["one"] }));
    const check = model("check", folder);
    expect(check.code).toBe(2);
    expect(check.err).toMatch(/HP_MODEL_MANIFEST: .*labels/);
  });
});
