import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ok, type Input, type Result } from "../../protocol/index.ts";
import { manifestSchema, type Candidate, type Manifest, type WantedModel } from "../../models/index.ts";
import { findModelOnDisk } from "../../models/index.node.ts";
import { graph, onnxFile, tensor, type OnnxNode } from "./models-onnx.ts";

/** A folder that is removed at the end of the test file. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), "holdpoint-models-"));
  return { path: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const x = { name: "x", type: "float32", shape: ["batch", 2] } as const;
const y = { name: "y", type: "float32", shape: ["batch", 2] } as const;

function twoByTwo(nodes: readonly OnnxNode[], constants: readonly (readonly number[])[] = []): Uint8Array {
  return onnxFile({ nodes, constants, inputs: [x], outputs: [y] });
}

/** Logits x · diag(gain): the larger number wins. */
export function linearModel(gain = 4): Uint8Array {
  return twoByTwo(
    [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
    [tensor("w", "float32", [2, 2], [gain, 0, 0, gain])],
  );
}

/** NaN for a row with a negative number, otherwise log x. */
export function nanModel(): Uint8Array {
  return twoByTwo([{ op: "Sqrt", inputs: ["x"], outputs: ["y"] }]);
}

/** The scale of the quantisation spans the batch, so a row's answer depends on its neighbours. */
export function dynamicallyQuantisedModel(): Uint8Array {
  return twoByTwo([
    { op: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["q", "scale", "zero"] },
    { op: "DequantizeLinear", inputs: ["q", "scale", "zero"], outputs: ["y"] },
  ]);
}

/** Runs a loop as often as the largest number says: with 0 or less at once, with 1e18 for ever. */
export function loopingModel(): Uint8Array {
  const body = graph({
    nodes: [
      { op: "Identity", inputs: ["go"], outputs: ["go_on"] },
      { op: "Add", inputs: ["v", "tiny"], outputs: ["v_next"] },
    ],
    inputs: [
      { name: "i", type: "int64", shape: [] },
      { name: "go", type: "bool", shape: [] },
      { name: "v", type: "float32", shape: ["batch", 2] },
    ],
    outputs: [
      { name: "go_on", type: "bool", shape: [] },
      { name: "v_next", type: "float32", shape: ["batch", 2] },
    ],
  });
  return twoByTwo(
    [
      { op: "ReduceMax", inputs: ["x"], outputs: ["largest"], attributes: { keepdims: 0 } },
      { op: "Cast", inputs: ["largest"], outputs: ["times"], attributes: { to: 7 } },
      { op: "Loop", inputs: ["times", "yes", "x"], outputs: ["y"], graphs: { body } },
    ],
    [tensor("yes", "bool", [], [1]), tensor("tiny", "float32", [], [1e-30])],
  );
}

/** Allocates as many float32 as the largest number says and holds them while it loops. */
export function hungryModel(): Uint8Array {
  const body = graph({
    nodes: [
      { op: "Identity", inputs: ["go"], outputs: ["go_on"] },
      { op: "Add", inputs: ["v", "v"], outputs: ["v_next"] },
    ],
    inputs: [
      { name: "i", type: "int64", shape: [] },
      { name: "go", type: "bool", shape: [] },
      { name: "v", type: "float32", shape: ["n"] },
    ],
    outputs: [
      { name: "go_on", type: "bool", shape: [] },
      { name: "v_next", type: "float32", shape: ["n"] },
    ],
  });
  return twoByTwo(
    [
      { op: "ReduceMax", inputs: ["x"], outputs: ["largest"], attributes: { keepdims: 1, axes: [0, 1] } },
      { op: "Relu", inputs: ["largest"], outputs: ["positive"] },
      { op: "Reshape", inputs: ["positive", "one"], outputs: ["flat"] },
      { op: "Cast", inputs: ["flat"], outputs: ["count"], attributes: { to: 7 } },
      { op: "Max", inputs: ["count", "one"], outputs: ["size"] },
      { op: "ConstantOfShape", inputs: ["size"], outputs: ["memory"] },
      { op: "Loop", inputs: ["count_scalar", "yes", "memory"], outputs: ["held"], graphs: { body } },
      { op: "Squeeze", inputs: ["count"], outputs: ["count_scalar"] },
      { op: "ReduceSum", inputs: ["held"], outputs: ["nothing"], attributes: { keepdims: 0 } },
      { op: "Add", inputs: ["x", "nothing"], outputs: ["y"] },
    ],
    [tensor("yes", "bool", [], [1]), tensor("one", "int64", [1], [1])],
  );
}

export interface ModelChanges {
  readonly model?: Uint8Array;
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** A manifest of the two-number models above, with labels "left" and "right". */
export function manifestOf(model: Uint8Array, changes: Readonly<Record<string, unknown>> = {}): Manifest {
  return manifestSchema.parse({
    holdpoint: 1,
    name: "sides",
    version: "1.0.0",
    task: "sides",
    file: "model.onnx",
    digest: `sha256:${createHash("sha256").update(model).digest("hex")}`,
    bytes: model.byteLength,
    licence: "Apache-2.0",
    inputs: [{ name: "x", dtype: "float32", shape: ["batch", 2] }],
    features: { kind: "tensor" },
    outputs: [{ name: "y", dtype: "float32", shape: ["batch", 2], meaning: "logits" }],
    labels: ["left", "right"],
    batch: { max: 8, invariant: true },
    ...changes,
  });
}

/** Writes a model folder; returns its path. */
export function writeModel(root: string, name: string, { model = linearModel(), manifest }: ModelChanges = {}): string {
  const folder = path.join(root, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "model.onnx"), model);
  writeFileSync(path.join(folder, "manifest.json"), JSON.stringify(manifestOf(model, manifest)));
  return folder;
}

/** One row for the two-number models. */
export function pair(left: number, right: number): Input {
  return { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(Float32Array.of(left, right).buffer) };
}

export function wantedAt(task: string, folder: string, batchSize = 8): WantedModel {
  return { task, source: { kind: "path", path: folder }, batchSize };
}

export function wanted(task: string, spec: string, batchSize = 8): WantedModel {
  return { task, source: { kind: "registry", spec }, batchSize };
}

/** For hosts whose models are all named by path. */
export async function findByPath(wanted: WantedModel): Promise<Result<Candidate>> {
  const found = await findModelOnDisk(wanted.source.kind === "path" ? wanted.source.path : "");
  if (!found.ok) return found;
  const { manifest, modelFile } = found.value;
  return ok({ wanted, manifest, file: modelFile, bytes: null, batchProven: null });
}

/** Where the shared pictures and models are, or null: then the tests that need them are skipped. */
export const shared: string | null = process.env["HOLDPOINT_SHARED"] ?? null;
