import { z } from "zod";
import { limits } from "./limits.ts";

/** The eight kinds of input (design: request). They differ in data and in nothing else; one pipeline serves them all. */

const text = z.string().min(1).max(limits.textCharsMax);
const finite = z.number().refine(Number.isFinite, { error: "must be finite" });
const scalar = z.union([finite, z.string().max(limits.textCharsMax), z.boolean(), z.null()]);
const values = z
  .record(text, scalar)
  .refine((record) => Object.keys(record).length <= limits.featuresMax, { error: "too many features" });

/** Never validated byte by byte: its length against the shape is what is checked. */
const data = z
  .custom<Uint8Array>((value) => value instanceof Uint8Array, { error: "must be bytes (base64 in JSON)" })
  .refine((bytes) => bytes.byteLength > 0, { error: "must not be empty" })
  .refine((bytes) => bytes.byteLength <= limits.dataBytesMax, { error: "too large" });

export const dtypes = ["float32", "float64", "int32", "int64", "uint8", "int8", "bool"] as const;
export type Dtype = (typeof dtypes)[number];
const dtypeBytes: Readonly<Record<Dtype, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  int8: 1,
  bool: 1,
};

const dimension = z.number().int().min(1).max(1_000_000);

const imageInput = z.strictObject({ kind: z.literal("image"), encoding: z.enum(["jpeg", "png", "webp"]), data });

const pixelsInput = z
  .strictObject({
    kind: z.literal("pixels"),
    width: z.number().int().min(1).max(limits.pictureSideMax),
    height: z.number().int().min(1).max(limits.pictureSideMax),
    channels: z.union([z.literal(1), z.literal(3), z.literal(4)]),
    data,
  })
  .refine((input) => input.data.byteLength === input.width * input.height * input.channels, {
    error: "data must hold width × height × channels bytes",
    path: ["data"],
  });

const tensorInput = z
  .strictObject({
    kind: z.literal("tensor"),
    dtype: z.enum(dtypes),
    shape: z.array(dimension).min(1).max(limits.tensorRankMax),
    data,
  })
  .refine((input) => input.data.byteLength === input.shape.reduce((a, b) => a * b, dtypeBytes[input.dtype]), {
    error: "data must hold the product of the shape times the size of the dtype",
    path: ["data"],
  });

const featuresInput = z.strictObject({ kind: z.literal("features"), values });

const sequenceInput = z
  .strictObject({
    kind: z.literal("sequence"),
    channels: z.array(text).min(1).max(limits.channelsMax),
    hertz: finite.positive().max(1_000_000),
    data,
  })
  .refine((input) => input.data.byteLength % (4 * input.channels.length) === 0, {
    error: "data must hold whole float32 samples of every channel",
    path: ["data"],
  });

const itemsInput = z.strictObject({
  kind: z.literal("items"),
  items: z
    .array(
      z.strictObject({
        label: text,
        count: z.number().int().min(0).max(100_000),
        confidence: z.number().min(0).max(1).optional(),
      }),
    )
    .max(limits.itemsMax),
  grams: finite.optional(),
});

const eventInput = z.strictObject({ kind: z.literal("event"), entity: text, values });
const entityInput = z.strictObject({ kind: z.literal("entity"), entity: text });

export const inputSchema = z.discriminatedUnion("kind", [
  imageInput,
  pixelsInput,
  tensorInput,
  featuresInput,
  sequenceInput,
  itemsInput,
  eventInput,
  entityInput,
]);

export type Input = z.infer<typeof inputSchema>;
export type InputKind = Input["kind"];
export type Scalar = z.infer<typeof scalar>;

/** The bytes of an input, or null for the kinds that have none. */
export function inputData(input: Input): Uint8Array | null {
  return "data" in input ? input.data : null;
}

/**
 * The first non-finite number in float data, as an index, or -1. Models accept NaN without a word, so it is refused
 * at the door. Reads little-endian floats wherever they start in their buffer.
 */
export function firstNotFinite(input: Input): number {
  if (input.kind !== "sequence" && !(input.kind === "tensor" && input.dtype.startsWith("float"))) return -1;
  const width = input.kind === "tensor" && input.dtype === "float64" ? 8 : 4;
  const view = new DataView(input.data.buffer, input.data.byteOffset, input.data.byteLength);
  for (let offset = 0; offset < input.data.byteLength; offset += width) {
    const value = width === 8 ? view.getFloat64(offset, true) : view.getFloat32(offset, true);
    if (!Number.isFinite(value)) return offset / width;
  }
  return -1;
}
