import { type FeatureSpec } from "./feature-spec.ts";
import { modelDtypes, type ModelDtype } from "./manifest.ts";
import { type TensorInfo } from "./runtimes/runtime.ts";

export interface DraftFacts {
  readonly name: string;
  readonly task: string;
  readonly file: string;
  readonly digest: string;
  readonly bytes: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** null: one TODO a class. */
  readonly labels: readonly string[] | null;
}

/** A manifest as far as the file tells it, and what only a person knows. */
export interface ManifestDraft {
  readonly manifest: Readonly<Record<string, unknown>>;
  /** What to fill in or to check, one line each. */
  readonly todo: readonly string[];
}

/** The skeleton that `holdpoint model init` writes. Pure; not valid where a TODO stands in it. */
export function manifestDraft(facts: DraftFacts): ManifestDraft {
  const todo: string[] = [];
  const [input] = facts.inputs;
  if (facts.inputs.length !== 1) todo.push(`inputs: the model has ${facts.inputs.length}; exactly one is served`);
  const output = facts.outputs.find(({ dtype }) => dtype.startsWith("float")) ?? facts.outputs[0];
  const classes = lastSize(output);
  const score = classes === 1;
  const labels = facts.labels ?? Array.from({ length: score ? 2 : (classes ?? 2) }, (_, i) => `TODO ${i}`);
  if (facts.labels === null) todo.push("labels: name the classes in the order of the outputs (--labels FILE)");
  else if (!score && classes !== null && facts.labels.length !== classes) {
    todo.push(`labels: ${facts.labels.length} are given, the model has ${classes} outputs`);
  }
  todo.push("licence: under which the model may be used; sources and trainingData: where it comes from");
  todo.push("outputs[0].meaning: logits, probabilities or score");
  const shape: Shape = input ? shapeOf(input) : ["batch", 1];
  const features = featuresOf(input, shape, todo);
  const isBatched = shape[0] === "batch";
  const manifest = {
    holdpoint: 1,
    name: facts.name,
    version: "1.0.0",
    task: facts.task,
    file: facts.file,
    digest: facts.digest,
    bytes: facts.bytes,
    licence: "TODO",
    sources: [],
    trainingData: [],
    inputs: [
      {
        name: input?.name ?? "TODO",
        dtype: dtypeOf(input, "inputs", todo),
        shape,
        ...(features.kind === "image" ? { layout: layoutOf(shape) } : {}),
      },
    ],
    features,
    outputs: [
      {
        name: output?.name ?? "TODO",
        dtype: dtypeOf(output, "outputs", todo),
        shape: output ? shapeOf(output) : ["batch", labels.length],
        meaning: score ? "score" : "logits",
      },
    ],
    labels,
    calibration: { method: "identity" },
    batch: { max: isBatched ? 32 : 1, invariant: isBatched },
    metrics: {},
  };
  return { manifest, todo };
}

type Shape = readonly (number | "batch")[];

/** A free first dimension is the batch; a free one elsewhere must be filled in. */
function shapeOf(tensor: TensorInfo): Shape {
  return tensor.shape.map((size, i) => (typeof size === "number" ? size : i === 0 ? "batch" : 1));
}

function lastSize(tensor: TensorInfo | undefined): number | null {
  const sizes = tensor?.shape.slice(1).filter((size) => typeof size === "number") ?? [];
  return sizes.length > 0 ? sizes.reduce((product, size) => product * size, 1) : null;
}

function dtypeOf(tensor: TensorInfo | undefined, side: string, todo: string[]): ModelDtype {
  const known = modelDtypes.find((dtype) => dtype === tensor?.dtype);
  if (!known)
    todo.push(`${side}: ${tensor?.dtype ?? "no tensor"} is not served; export with ${modelDtypes.join(", ")}`);
  return known ?? "float32";
}

function layoutOf(shape: Shape): "NHWC" | "NCHW" {
  return shape[1] === 1 || shape[1] === 3 ? "NCHW" : "NHWC";
}

/** Four dimensions with one or three channels are a picture; anything else is left as a tensor. */
function featuresOf(input: TensorInfo | undefined, shape: Shape, todo: string[]): FeatureSpec {
  const free = input?.shape.slice(1).some((size) => typeof size !== "number") ?? false;
  if (free) todo.push("inputs[0].shape: give the free dimensions their sizes");
  const nchw = layoutOf(shape) === "NCHW";
  const [height, width, channels] = nchw ? [shape[2], shape[3], shape[1]] : [shape[1], shape[2], shape[3]];
  const isPicture = shape.length === 4 && (channels === 1 || channels === 3);
  if (!isPicture || typeof height !== "number" || typeof width !== "number") {
    todo.push("features: tabular, sequence, items or windows, if the agent is to build the numbers; else tensor");
    return { kind: "tensor" };
  }
  todo.push("features: colour, resize, crop, scale, mean and std exactly as in training; nothing else shows a mistake");
  const normalise = input?.dtype === "uint8" ? {} : { scale: 1 / 255, mean: fill(channels, 0), std: fill(channels, 1) };
  return {
    kind: "image",
    width,
    height,
    channels,
    colour: "rgb",
    resize: { shortSide: Math.max(width, height), filter: "bilinear" },
    crop: "center",
    ...normalise,
  };
}

function fill(length: number, value: number): number[] {
  return Array.from({ length }, () => value);
}
