import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { featureCount, goldenRows, parseManifest, type Manifest } from "../../models/index.ts";
import { fromHalfBits, toHalfBits } from "../../models/features/half.ts";
import { linearModel, manifestOf } from "../support/models-fixtures.ts";

const good = manifestOf(linearModel());
const problemOf = (changes: Readonly<Record<string, unknown>>): string => {
  const parsed = parseManifest({ ...good, ...changes });
  if (parsed.ok) return "accepted";
  expect(parsed.error.code).toBe("HP_MODEL_MANIFEST");
  return parsed.error.message;
};
const picture = {
  inputs: [{ name: "p", dtype: "uint8", shape: ["batch", 4, 6, 3], layout: "NHWC" }],
  features: {
    kind: "image",
    width: 6,
    height: 4,
    channels: 3,
    colour: "rgb",
    resize: { shortSide: 6, filter: "bilinear" },
    crop: "center",
  },
};

describe("a manifest", () => {
  it("is taken if everything in it agrees", () => {
    expect(problemOf({})).toBe("accepted");
    expect(problemOf(picture)).toBe("accepted");
  });

  it.each([
    ["an unknown key", { surprise: 1 }, /surprise/],
    ["a version that is none", { version: "1.0" }, /version/],
    ["a file outside its folder", { file: "../model.onnx" }, /file/],
    ["a pickled model", { file: "model.pkl" }, /\.onnx/],
    ["labels that repeat", { labels: ["a", "a"] }, /differ/],
    ["more labels than outputs", { labels: ["a", "b", "c"] }, /3 labels for 2 outputs/],
    ["a fixed batch that is batched", { inputs: [{ name: "x", dtype: "float32", shape: [1, 2] }] }, /batch\.max/],
    ["two inputs", { inputs: [...good.inputs, ...good.inputs] }, /exactly one input/],
    ["a golden answer of another length", { golden: { pattern: "lcg", seed: 1, logits: [1], tolerance: 1 } }, /golden/],
    ["a coarse index without a label", { coarse: { labels: ["all"], of: [0, 1] } }, /coarse\.of/],
    ["a negative temperature", { calibration: { method: "temperature", t: -1 } }, /calibration/],
    ["features that do not fill the input", { features: { kind: "items", labels: ["a"] } }, /3 numbers a row/],
    ["a score with one label too many", { ...score(3) }, /exactly two labels/],
    ["a transposed picture", { ...picture, inputs: [{ ...picture.inputs[0], layout: "NCHW" }] }, /NCHW has the shape/],
    ["bytes that are normalised", { ...picture, features: { ...picture.features, scale: 0.5 } }, /normalises inside/],
    [
      "a resize below the crop",
      { ...picture, features: { ...picture.features, resize: { shortSide: 5, filter: "bilinear" } } },
      /cover/,
    ],
  ])("is refused with %s", (_what, changes, message) => {
    expect(problemOf(changes)).toMatch(message);
  });

  it("names its golden input so that any language can draw it", () => {
    const manifest = parseManifest({ ...good, ...picture });
    const rows = goldenRows((manifest as { value: Manifest }).value, 42);
    // The generator by hand: x ← 1664525·x + 1013904223 mod 2³², its high byte.
    let x = 42n;
    const expected = Array.from({ length: 72 }, () => {
      x = (1664525n * x + 1013904223n) % 2n ** 32n;
      return Number(x >> 24n);
    });
    expect(Array.from(rows.data, Number)).toEqual(expected);
    expect(Array.from(goldenRows(good, 42).data, Number)).toEqual(
      expected.slice(0, 2).map((byte) => Math.fround(byte / 255)),
    );
  });

  it("counts the numbers of every kind of features", () => {
    expect(featureCount({ kind: "items", labels: ["a", "b"] })).toBe(5);
    expect(featureCount({ kind: "tensor" })).toBeNull();
    expect(featureCount({ kind: "sequence", channels: ["g"], hertz: 60, samples: 30 })).toBe(30);
  });
});

describe("docs/models.md", () => {
  it("shows a manifest that is valid", () => {
    const text = readFileSync(new URL("../../docs/models.md", import.meta.url), "utf8");
    const [, json = ""] = /```json\n([^]*?)```/.exec(text) ?? [];
    const parsed = parseManifest(JSON.parse(json));
    expect(parsed.ok || parsed.error.message).toBe(true);
  });
});

describe("half precision", () => {
  it("survives there and back for every one of its numbers", () => {
    for (let bits = 0; bits < 65_536; bits += 1) {
      const value = fromHalfBits(bits);
      if (Number.isNaN(value)) continue;
      expect(toHalfBits(value)).toBe(bits);
    }
  });

  it("rounds to the nearest, ties to even", () => {
    expect(fromHalfBits(toHalfBits(1 + 1 / 2048))).toBe(1);
    expect(fromHalfBits(toHalfBits(1 + 3 / 2048))).toBe(1 + 4 / 2048);
    expect(fromHalfBits(toHalfBits(65_519))).toBe(65_504);
    expect(fromHalfBits(toHalfBits(65_520))).toBe(Infinity);
    expect(fromHalfBits(toHalfBits(2 ** -25))).toBe(0);
    expect(fromHalfBits(toHalfBits(1.5 * 2 ** -25))).toBe(2 ** -24);
  });
});

function score(labels: number): Readonly<Record<string, unknown>> {
  return {
    outputs: [{ name: "y", dtype: "float32", shape: ["batch", 1], meaning: "score" }],
    labels: Array.from({ length: labels }, (_, i) => `label ${i}`),
  };
}
