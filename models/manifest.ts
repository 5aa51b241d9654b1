import { z } from "zod";
import { limits, namePattern, ok, refused, taskNameSchema, type Result } from "../protocol/index.ts";
import { featureCount, featuresSchema } from "./feature-spec.ts";
import { type Calibration } from "./prediction.ts";

/**
 * The manifest of a model: everything that onnxruntime does not know about the file and that a decision depends on.
 * docs/models.md is its reference. A model without one is HP_MODEL_NO_MANIFEST.
 */

const finite = z.number().refine(Number.isFinite, { error: "must be finite" });
const text = z.string().min(1).max(limits.textCharsMax);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, { error: "must be sha256:<64 hex digits>" });
/** Semantic Versioning 2.0.0 without build metadata: two builds of one version would not be the same model. */
const version = z.string().regex(/^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/, {
  error: "must be a semantic version, for instance 1.0.0",
});

export const modelDtypes = ["float32", "float16", "uint8", "int64"] as const;
export type ModelDtype = (typeof modelDtypes)[number];

const dimension = z.union([z.literal("batch"), z.number().int().min(1).max(1_000_000)]);
const shape = z.array(dimension).min(1).max(limits.tensorRankMax);
export type ModelShape = z.infer<typeof shape>;

const inputSchema = z.strictObject({
  name: text,
  dtype: z.enum(modelDtypes),
  /** "batch" may stand in front only; a number there is a model of exactly that batch. */
  shape,
  layout: z.enum(["NHWC", "NCHW", "NC", "NTC", "NCT"]).optional(),
});

const outputSchema = z.strictObject({
  name: text,
  dtype: z.enum(modelDtypes),
  shape,
  /**
   * logits: softmax is applied. probabilities: used as they are, renormalised. score: one number in [0, 1], the
   * probability of the second of exactly two labels.
   */
  meaning: z.enum(["logits", "probabilities", "score"]),
});

const coefficient = finite.min(-1e6).max(1e6);
const calibrationSchema = z.discriminatedUnion("method", [
  z.strictObject({ method: z.literal("identity") }),
  z.strictObject({ method: z.literal("beta"), a: coefficient, b: coefficient, c: coefficient }),
  z.strictObject({ method: z.literal("platt"), a: coefficient, b: coefficient }),
  z.strictObject({ method: z.literal("temperature"), t: z.number().positive().max(1e6) }),
]) satisfies z.ZodType<Calibration>;

const goldenSchema = z.strictObject({
  /** The input: high bytes of the generator x ← 1664525·x + 1013904223 mod 2³² (see golden.ts). */
  pattern: z.literal("lcg"),
  seed: z.number().int().min(0).max(0xffff_ffff),
  /** The raw first output for that one row, whatever its meaning. */
  logits: z.array(finite).min(1),
  /** Largest absolute difference that still counts as the same model. */
  tolerance: z.number().positive(),
});
export type Golden = z.infer<typeof goldenSchema>;

const source = z.strictObject({ name: text, licence: text, url: z.string().max(limits.textCharsMax).optional() });

export const manifestSchema = z
  .strictObject({
    holdpoint: z.literal(1),
    name: z.string().regex(namePattern, { error: "must be a name: letters, digits, _ . -" }),
    version,
    task: taskNameSchema,
    /** File name of the model, beside the manifest. */
    file: z.string().regex(/^[^/\\]+\.onnx$/, { error: "must be the name of an .onnx file beside the manifest" }),
    digest,
    bytes: z.number().int().min(1),
    licence: text,
    sources: z.array(source).default([]),
    trainingData: z.array(source.extend({ items: z.number().int().min(0).optional() })).default([]),
    inputs: z.array(inputSchema).length(1, { error: "exactly one input is served" }),
    features: featuresSchema,
    /** The first output is the prediction; further ones are not read. */
    outputs: z.array(outputSchema).min(1),
    labels: z.array(text).min(2).max(100_000),
    /** `of[i]` is the index in `coarse.labels` of fine label i. */
    coarse: z.strictObject({ labels: z.array(text).min(1), of: z.array(z.number().int().min(0)) }).optional(),
    calibration: calibrationSchema.optional(),
    coarseCalibration: calibrationSchema.optional(),
    batch: z.strictObject({
      max: z.number().int().min(1).max(1024),
      /** Whether a row's answer does not depend on the rows beside it. It is proved; unproven, one row runs at a time. */
      invariant: z.boolean(),
    }),
    golden: goldenSchema.optional(),
    metrics: z.record(z.string(), z.unknown()).default({}),
  })
  .superRefine((manifest, context) => {
    for (const { path, message } of contradictions(manifest)) context.addIssue({ code: "custom", path, message });
  });
export type Manifest = z.infer<typeof manifestSchema>;

interface Contradiction {
  readonly path: (string | number)[];
  readonly message: string;
}

type Parts = Pick<
  z.infer<typeof manifestSchema>,
  "inputs" | "features" | "outputs" | "labels" | "coarse" | "batch" | "golden"
>;

/** What each part alone allows and all of them together do not. */
function contradictions(manifest: Parts): readonly Contradiction[] {
  const found: Contradiction[] = [];
  const report = (message: string, ...path: (string | number)[]): void => void found.push({ path, message });
  const { inputs, outputs, labels, coarse, batch, golden, features } = manifest;
  const input = inputs[0];
  const output = outputs[0];
  if (!input || !output) return found;
  for (const [side, tensor] of [["inputs", input] as const, ["outputs", output] as const]) {
    if (tensor.shape.slice(1).includes("batch")) report('"batch" may be the first dimension only', side, 0, "shape");
    if (batch.max > 1 && tensor.shape[0] !== "batch")
      report("a model of a fixed batch has batch.max 1", "batch", "max");
    if (tensor.shape[0] !== "batch" && tensor.shape[0] !== 1) report("a fixed batch must be 1", side, 0, "shape", 0);
  }
  const wanted = featureCount(features);
  if (wanted !== null && wanted !== rowElements(input.shape)) {
    report(`the features give ${wanted} numbers a row, the input takes ${rowElements(input.shape)}`, "features");
  }
  if (features.kind === "image") imageContradictions(input, features, report);
  if (output.meaning === "score") {
    if (labels.length !== 2) report("a score needs exactly two labels", "labels");
    if (rowElements(output.shape) !== 1) report("a score is one number a row", "outputs", 0, "shape");
  } else if (rowElements(output.shape) !== labels.length) {
    report(`${labels.length} labels for ${rowElements(output.shape)} outputs a row`, "labels");
  }
  if (new Set(labels).size !== labels.length) report("labels must differ", "labels");
  if (golden && golden.logits.length !== rowElements(output.shape)) report("one number an output", "golden", "logits");
  if (coarse) {
    if (coarse.of.length !== labels.length) report("one coarse index a label", "coarse", "of");
    if (coarse.of.some((index) => index >= coarse.labels.length)) report("an index has no label", "coarse", "of");
  }
  return found;
}

function imageContradictions(
  input: Parts["inputs"][number],
  features: Extract<Parts["features"], { kind: "image" }>,
  report: (message: string, ...path: (string | number)[]) => void,
): void {
  const { width, height, channels } = features;
  const expected = input.layout === "NCHW" ? [channels, height, width] : [height, width, channels];
  if (input.layout !== "NCHW" && input.layout !== "NHWC") report("a picture is NHWC or NCHW", "inputs", 0, "layout");
  else if (input.shape.slice(1).join() !== expected.join()) {
    report(`a picture as ${input.layout} has the shape [batch, ${expected.join(", ")}]`, "inputs", 0, "shape");
  }
  if (input.dtype === "uint8" && (features.scale ?? features.mean ?? features.std) !== undefined) {
    report("scale, mean and std are for float inputs; a uint8 model normalises inside", "features");
  }
  if (input.dtype === "int64") report("a picture is uint8, float16 or float32", "inputs", 0, "dtype");
}

/** Numbers in one row: the product of the dimensions behind the batch. */
export function rowElements(dimensions: ModelShape): number {
  return dimensions.slice(1).reduce<number>((product, size) => product * (size === "batch" ? 1 : size), 1);
}

/** Checks a manifest that was read from somewhere. Errors: HP_MODEL_MANIFEST, which names every bad field. */
export function parseManifest(value: unknown): Result<Manifest> {
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const lines = parsed.error.issues
    .slice(0, 8)
    .map((issue) => `${issue.path.join(".") || "manifest"}: ${issue.message}`);
  return refused("HP_MODEL_MANIFEST", `the manifest is not valid: ${lines.join("; ")}`);
}

/** Rows that may share one run: what was asked for, within what the manifest claims. */
export function batchLimit(manifest: Manifest, wanted: number): number {
  return manifest.batch.invariant ? Math.max(1, Math.min(wanted, manifest.batch.max)) : 1;
}
