import { readFileSync } from "node:fs";
import path from "node:path";
import { createHash } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { ok } from "../../protocol/index.ts";
import { manifestSchema, type Manifest } from "../../models/index.ts";
import { decodePicture, onnxruntimeNode, readModelBytes } from "../../models/index.node.ts";
import { inlineHost } from "../../models/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { shared } from "../support/models-fixtures.ts";

const models = path.join(shared ?? "", "models");

/** ImageNet's labels; its two cranes are told apart, because labels must differ. */
function imagenetLabels(): readonly string[] {
  const named = JSON.parse(
    readFileSync(path.join(models, "squeezenet-fp16-onnx", "imagenet_labels.json"), "utf8"),
  ) as Readonly<Record<string, string>>;
  return Array.from({ length: 1000 }, (_, i) => `${i} ${named[String(i)] ?? ""}`);
}

function describeModel(file: string, changes: Readonly<Record<string, unknown>>): Manifest {
  const bytes = readFileSync(file);
  return manifestSchema.parse({
    holdpoint: 1,
    name: path.basename(file, ".onnx"),
    version: "1.0.0",
    task: "things",
    file: path.basename(file),
    digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
    bytes: bytes.byteLength,
    licence: "see PROVENANCE.md",
    labels: imagenetLabels(),
    ...changes,
  });
}

const picture224 = {
  kind: "image",
  width: 224,
  height: 224,
  channels: 3,
  resize: { shortSide: 224, filter: "bilinear" },
  crop: "center",
};

const hosts: ReturnType<typeof inlineHost>[] = [];
afterAll(async () => {
  await Promise.all(hosts.map((host) => host.close()));
});

/** Best label of a picture and its probability. */
async function look(file: string, manifest: Manifest, picture: string): Promise<readonly [string, number]> {
  const host = inlineHost({
    runtime: onnxruntimeNode,
    decode: decodePicture,
    clock: systemClock,
    timers: systemTimers,
    find: (wanted) => Promise.resolve(ok({ wanted, manifest, file, bytes: null, batchProven: null })),
    read: () => readModelBytes(file, manifest),
  });
  hosts.push(host);
  const [state] = await host.apply([{ task: "things", source: { kind: "path", path: file }, batchSize: 8 }]);
  if (state?.problem) throw new Error(state.problem.message);
  const data = readFileSync(picture);
  const result = await host.predict("things", "1", { kind: "image", encoding: "png", data });
  if (!result.ok) throw new Error(result.message);
  const { probabilities } = result.prediction;
  const best = probabilities.indexOf(Math.max(...probabilities));
  return [result.by.labels[best] ?? "", probabilities[best] ?? 0];
}

// Skipped where HOLDPOINT_SHARED is unset: the networks and pictures are not copied into the repository.
describe.runIf(shared !== null)("published networks under a manifest", () => {
  const squeezenet = path.join(models, "squeezenet-fp16-onnx", "SqueezeNet_fp16.onnx");
  const kitten = path.join(models, "squeezenet-fp16-onnx", "kitten_224.png");
  const halfPrecision = {
    inputs: [{ name: "data_0", dtype: "float16", shape: [1, 3, 224, 224], layout: "NCHW" }],
    outputs: [{ name: "softmaxout_1", dtype: "float16", shape: [1, 1000, 1, 1], meaning: "probabilities" }],
    batch: { max: 1, invariant: false },
  };

  it("SqueezeNet in half precision sees the tabby, blue first and without division by 255", async () => {
    const features = { ...picture224, colour: "bgr", mean: [104, 117, 123] };
    const [label, share] = await look(squeezenet, describeModel(squeezenet, { ...halfPrecision, features }), kitten);
    expect(label).toMatch(/^281 tabby/);
    expect(share).toBeGreaterThan(0.9);
  });

  it("SqueezeNet sees anything but a tabby with another network's normalisation: pre-processing is part of the model", async () => {
    const features = {
      ...picture224,
      colour: "rgb",
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    };
    const [label] = await look(squeezenet, describeModel(squeezenet, { ...halfPrecision, features }), kitten);
    expect(label).not.toMatch(/tabby/);
  });

  it.each([
    ["kitten_224.png", /^281 tabby/, 0.85],
    ["fish.png", /^0 tench/, 0.7],
  ])("MobileNetV2 in int8 sees what is on %s", async (picture, label, atLeast) => {
    const file = path.join(models, "mobilenetv2-int8-onnx", "mobilenetv2-12-int8.onnx");
    const manifest = describeModel(file, {
      inputs: [{ name: "input", dtype: "float32", shape: ["batch", 3, 224, 224], layout: "NCHW" }],
      outputs: [{ name: "output", dtype: "float32", shape: ["batch", 1000], meaning: "logits" }],
      features: {
        ...picture224,
        colour: "rgb",
        scale: 1 / 255,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
      },
      batch: { max: 8, invariant: true },
    });
    const [best, given] = await look(file, manifest, path.join(models, "squeezenet-fp16-onnx", picture));
    expect(best).toMatch(label);
    expect(given).toBeGreaterThan(atLeast);
  });
});

describe("the model that ships", () => {
  const folder = new URL("../../models/zoo/product-id/", import.meta.url);

  it("has a manifest that is valid, belongs to its file and answers its golden input", async () => {
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8")));
    const bytes = readFileSync(new URL(manifest.file, folder));
    expect(bytes.byteLength).toBe(manifest.bytes);
    const { proveModel } = await import("../../models/index.node.ts");
    expect(await proveModel(bytes, manifest)).toBe(manifest.batch.max);
  });
});
