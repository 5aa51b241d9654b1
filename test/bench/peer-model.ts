import { fromBase64, toBase64 } from "../../protocol/index.ts";
import { onnxFile, tensor } from "../support/models-onnx.ts";

/** A small tabular model, the same for everyone measured: 8 numbers, 16 hidden units, 2 labels. */
export interface PeerModel {
  readonly features: number;
  readonly hidden: number;
  readonly labels: readonly string[];
  readonly gateThreshold: number;
  /** Row-major, [features, hidden]. */
  readonly w1: readonly number[];
  readonly b1: readonly number[];
  /** Row-major, [hidden, labels]. */
  readonly w2: readonly number[];
}

/** A request without id and time, and the label that is right for it. */
export interface PeerCase {
  readonly label: string;
  readonly request: {
    readonly v: 1;
    readonly task: string;
    readonly input: {
      readonly kind: "tensor";
      readonly dtype: "float32";
      readonly shape: number[];
      readonly data: string;
    };
    readonly context: Readonly<Record<string, string>>;
  };
}

export const peerTask = "late_delivery";

function numbers(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return (x / 2 ** 31 - 1) * 2;
  };
}

export function peerModel(): PeerModel {
  const next = numbers(7);
  const [features, hidden, labels] = [8, 16, ["on_time", "late"]];
  const many = (count: number): number[] => Array.from({ length: count }, () => Math.fround(next()));
  return {
    ...{ features, hidden, labels, gateThreshold: 0.9 },
    ...{ w1: many(features * hidden), b1: many(hidden), w2: many(hidden * labels.length) },
  };
}

export function peerOnnx({ features, hidden, labels, w1, b1, w2 }: PeerModel): Uint8Array {
  return onnxFile({
    nodes: [
      { op: "MatMul", inputs: ["x", "w1"], outputs: ["product"] },
      { op: "Add", inputs: ["product", "b1"], outputs: ["sum"] },
      { op: "Relu", inputs: ["sum"], outputs: ["hidden"] },
      { op: "MatMul", inputs: ["hidden", "w2"], outputs: ["y"] },
    ],
    constants: [
      tensor("w1", "float32", [features, hidden], w1),
      tensor("b1", "float32", [hidden], b1),
      tensor("w2", "float32", [hidden, labels.length], w2),
    ],
    inputs: [{ name: "x", type: "float32", shape: ["batch", features] }],
    outputs: [{ name: "y", type: "float32", shape: ["batch", labels.length] }],
  });
}

export function softmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const exps = values.map((value) => Math.exp(value - Math.max(...values)));
  const sum = exps.reduce((total, value) => total + value, 0);
  return exps.map((value) => value / sum);
}

function sharesOf({ features, hidden, labels, w1, b1, w2 }: PeerModel, row: readonly number[]): number[] {
  const layer = b1.map((bias, j) => {
    let sum = bias;
    for (let i = 0; i < features; i += 1) sum += (row[i] ?? 0) * (w1[i * hidden + j] ?? 0);
    return Math.max(0, sum);
  });
  const logits = labels.map((_, k) =>
    layer.reduce((sum, value, j) => sum + value * (w2[j * labels.length + k] ?? 0), 0),
  );
  return softmax(logits);
}

/** Inputs that the model is sure of, as many of each label, far enough from the gate that no rounding matters. */
export function peerCases(model: PeerModel, each = 16): readonly PeerCase[] {
  const next = numbers(11);
  const byLabel = model.labels.map((): PeerCase[] => []);
  while (byLabel.some((cases) => cases.length < each)) {
    const row = Float32Array.from({ length: model.features }, next);
    const shares = sharesOf(model, [...row]);
    const best = shares.indexOf(Math.max(...shares));
    const cases = byLabel[best];
    if (cases && cases.length < each && (shares[best] ?? 0) > model.gateThreshold + 0.05) {
      cases.push({ label: model.labels[best] ?? "", request: requestOf(row) });
    }
  }
  return Array.from({ length: each }, (_, i) => byLabel.flatMap((cases) => cases[i] ?? [])).flat();
}

function requestOf(row: Float32Array): PeerCase["request"] {
  return {
    v: 1,
    task: peerTask,
    input: { kind: "tensor", dtype: "float32", shape: [1, row.length], data: toBase64(new Uint8Array(row.buffer)) },
    context: { basket: "b-17", camera: "aisle-3", shelf: "C2" },
  };
}

/** The same with bytes instead of base64, for MessagePack. */
export function inBytes({ request }: PeerCase): Readonly<Record<string, unknown>> {
  return { ...request, input: { ...request.input, data: fromBase64(request.input.data) } };
}
