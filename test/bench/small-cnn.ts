import { writeModel } from "../support/models-fixtures.ts";
import { onnxFile, tensor, type OnnxNode } from "../support/models-onnx.ts";

/**
 * The small network that "a picture" means in these rows: `pixels` 64 × 64 × 3 as bytes, normalised inside the graph,
 * three convolutions of 16, 32 and 64 channels at stride 2, a mean over the picture, 81 classes. Its weights are drawn
 * by a fixed generator: what it says is worthless, what it costs is not.
 */
export const cnn = { name: "small-cnn", task: "shelf_picture", side: 64, classes: 81, pixels: 64 * 64 * 3 } as const;

export const cnnConfig = `store_id: store_1
models:
  ${cnn.task}: { model: ${cnn.name}@^1, batch_size: 8 }
thresholds: { ${cnn.task}: 0.9 }
tasks:
  ${cnn.task}: { audit_share: 0, fallback: [safe_action], safe_action: { label: ask } }
`;

const channels = [3, 16, 32, 64] as const;

/** One picture as a device sends it. */
export const cnnPixels: Uint8Array = new Uint8Array(cnn.pixels).map((_, i) => (i * 7) % 251);

export const cnnInput = {
  kind: "pixels",
  width: cnn.side,
  height: cnn.side,
  channels: 3,
  data: cnnPixels,
} as const;

export function cnnModel(): Uint8Array {
  const next = generator(20261120);
  const weights = (name: string, shape: readonly number[], fanIn: number): readonly number[] => {
    const count = shape.reduce((product, size) => product * size, 1);
    return tensor(
      name,
      "float32",
      shape,
      Array.from({ length: count }, () => next() * Math.sqrt(6 / fanIn)),
    );
  };
  const layers = channels.slice(1).map((out, i) => ({ out, into: channels[i] ?? 0, name: `conv${i}` }));
  const nodes: OnnxNode[] = [
    { op: "Cast", inputs: ["pixels"], outputs: ["bytes"], attributes: { to: 1 } },
    { op: "Sub", inputs: ["bytes", "mean"], outputs: ["centred"] },
    { op: "Mul", inputs: ["centred", "scale"], outputs: ["scaled"] },
    { op: "Transpose", inputs: ["scaled"], outputs: ["relu-1"], attributes: { perm: [0, 3, 1, 2] } },
    ...layers.flatMap(({ name }, i): OnnxNode[] => [
      {
        op: "Conv",
        inputs: [`relu${i - 1}`, `${name}.w`, `${name}.b`],
        outputs: [name],
        attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
      },
      { op: "Relu", inputs: [name], outputs: [`relu${i}`] },
    ]),
    { op: "GlobalAveragePool", inputs: [`relu${layers.length - 1}`], outputs: ["pooled"] },
    { op: "Flatten", inputs: ["pooled"], outputs: ["flat"] },
    { op: "Gemm", inputs: ["flat", "head.w", "head.b"], outputs: ["logits"] },
  ];
  const last = channels[3];
  return onnxFile({
    nodes,
    constants: [
      tensor("mean", "float32", [3], [123.7, 116.3, 103.5]),
      tensor("scale", "float32", [3], [1 / 58.4, 1 / 57.1, 1 / 57.4]),
      ...layers.flatMap(({ name, out, into }) => [
        weights(`${name}.w`, [out, into, 3, 3], into * 9),
        weights(`${name}.b`, [out], 600),
      ]),
      weights("head.w", [last, cnn.classes], last),
      // One class is always sure, so that the rows measure decisions that the model makes.
      tensor(
        "head.b",
        "float32",
        [cnn.classes],
        Array.from({ length: cnn.classes }, (_, i) => (i === 7 ? 20 : 0)),
      ),
    ],
    inputs: [{ name: "pixels", type: "uint8", shape: ["batch", cnn.side, cnn.side, 3] }],
    outputs: [{ name: "logits", type: "float32", shape: ["batch", cnn.classes] }],
  });
}

/** Writes the model with its manifest below `folder`; returns the model's folder. */
export function writeCnn(folder: string): string {
  return writeModel(folder, cnn.name, {
    model: cnnModel(),
    manifest: {
      name: cnn.name,
      task: cnn.task,
      inputs: [{ name: "pixels", dtype: "uint8", shape: ["batch", cnn.side, cnn.side, 3], layout: "NHWC" }],
      features: {
        kind: "image",
        width: cnn.side,
        height: cnn.side,
        channels: 3,
        colour: "rgb",
        resize: { exact: true },
        crop: "none",
      },
      outputs: [{ name: "logits", dtype: "float32", shape: ["batch", cnn.classes], meaning: "logits" }],
      labels: Array.from({ length: cnn.classes }, (_, i) => `product-${i}`),
      batch: { max: 32, invariant: true },
    },
  });
}

/** Numbers in (−1, 1), the same on every machine (Numerical Recipes' generator, its high bits). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
