import { z } from "zod";
import { limits } from "../protocol/index.ts";

/**
 * How an input becomes the numbers that the model was trained on, as data. `buildFeatures` executes it, in training and
 * in serving alike.
 */

const finite = z.number().refine(Number.isFinite, { error: "must be finite" });
const positive = finite.positive();
const side = z.number().int().min(1).max(4096);
const name = z.string().min(1).max(limits.textCharsMax);
const perChannel = z.array(finite).min(1).max(4);

const shortSideResize = z.strictObject({
  /** The short side gets this length, the long one keeps the picture's proportions. */
  shortSide: side,
  filter: z.literal("bilinear"),
  /**
   * Rounding of the long side and of the crop's offset. "pillow": round half to even, offset rounded down (the zoo's
   * own training). "torchvision": long side rounded down, offset half to even (`Resize` and `CenterCrop`).
   */
  rounding: z.enum(["pillow", "torchvision"]).optional(),
});
const stretchResize = z.strictObject({
  /** Both sides to the model's width and height, proportions ignored. */
  stretch: z.literal(true),
  filter: z.literal("bilinear"),
});
const exactResize = z.strictObject({
  /** No resize: a picture of another size is refused. */
  exact: z.literal(true),
});

const imageFeaturesSchema = z
  .strictObject({
    kind: z.literal("image"),
    width: side,
    height: side,
    channels: z.union([z.literal(1), z.literal(3)]),
    colour: z.enum(["rgb", "bgr"]),
    resize: z.union([shortSideResize, stretchResize, exactResize]),
    crop: z.enum(["center", "none"]),
    /** Float inputs only: the model gets (byte · scale − mean[c]) / std[c], channels in the order of `colour`. */
    scale: positive.optional(),
    mean: perChannel.optional(),
    std: z.array(positive).min(1).max(4).optional(),
  })
  .refine((spec) => spec.mean === undefined || spec.mean.length === spec.channels, { error: "one mean a channel" })
  .refine((spec) => spec.std === undefined || spec.std.length === spec.channels, { error: "one std a channel" })
  .refine((spec) => !("shortSide" in spec.resize) || spec.resize.shortSide >= Math.max(spec.width, spec.height), {
    error: "the short side must cover the crop",
    path: ["resize", "shortSide"],
  })
  .refine((spec) => !("shortSide" in spec.resize) || spec.crop === "center", {
    error: 'a short-side resize needs "crop": "center"',
    path: ["crop"],
  });
export type ImageFeatures = z.infer<typeof imageFeaturesSchema>;

const tensorFeaturesSchema = z.strictObject({ kind: z.literal("tensor") });

const numberColumn = z.strictObject({
  name,
  type: z.literal("number"),
  mean: finite.default(0),
  std: positive.default(1),
  /** Stands in (before scaling) where the value is absent or null; without it such an input is refused. */
  missing: finite.optional(),
});
const categoryColumn = z.strictObject({
  name,
  type: z.literal("category"),
  /** One-hot, in this order. */
  values: z
    .array(z.union([z.string(), z.number(), z.boolean()]))
    .min(1)
    .max(4096),
  /** A value outside the list: all zeros, or refused. */
  unknown: z.enum(["zeros", "refuse"]).default("zeros"),
});
const tabularFeaturesSchema = z.strictObject({
  kind: z.literal("tabular"),
  columns: z
    .array(z.discriminatedUnion("type", [numberColumn, categoryColumn]))
    .min(1)
    .max(limits.featuresMax),
});
export type TabularFeatures = z.infer<typeof tabularFeaturesSchema>;

const sequenceFeaturesSchema = z
  .strictObject({
    kind: z.literal("sequence"),
    channels: z.array(name).min(1).max(limits.channelsMax),
    /** The input is resampled to this rate. */
    hertz: positive,
    /** Length of the window that the model sees: the newest samples; a shorter input is padded in front. */
    samples: z.number().int().min(1).max(1_000_000),
    mean: z.array(finite).optional(),
    std: z.array(positive).optional(),
  })
  .refine((spec) => spec.mean === undefined || spec.mean.length === spec.channels.length, {
    error: "one mean a channel",
  })
  .refine((spec) => spec.std === undefined || spec.std.length === spec.channels.length, { error: "one std a channel" });
export type SequenceFeatures = z.infer<typeof sequenceFeaturesSchema>;

const itemsFeaturesSchema = z.strictObject({
  kind: z.literal("items"),
  /** Per label: its count, then its lowest confidence (1 where none is stated, 0 where the label is absent). */
  labels: z.array(name).min(1).max(4096),
});
export type ItemsFeatures = z.infer<typeof itemsFeaturesSchema>;

const windowStatistics = ["count", "sum", "mean", "last", "max"] as const;
const windowsFeaturesSchema = z.strictObject({
  kind: z.literal("windows"),
  columns: z
    .array(
      z.strictObject({
        /** Key in the events' values; `count` counts the events that carry it, or all of them for "*". */
        value: name,
        statistic: z.enum(windowStatistics),
        windowMs: z
          .number()
          .int()
          .min(1)
          .max(400 * 86_400_000),
        mean: finite.default(0),
        std: positive.default(1),
      }),
    )
    .min(1)
    .max(limits.featuresMax),
});
export type WindowsFeatures = z.infer<typeof windowsFeaturesSchema>;

export const featuresSchema = z.discriminatedUnion("kind", [
  imageFeaturesSchema,
  tensorFeaturesSchema,
  tabularFeaturesSchema,
  sequenceFeaturesSchema,
  itemsFeaturesSchema,
  windowsFeaturesSchema,
]);
export type FeatureSpec = z.infer<typeof featuresSchema>;

/** Numbers in one row of features, or null where the input's own shape decides (`tensor`). */
export function featureCount(spec: FeatureSpec): number | null {
  switch (spec.kind) {
    case "image":
      return spec.width * spec.height * spec.channels;
    case "tensor":
      return null;
    case "tabular":
      return spec.columns.reduce((sum, column) => sum + (column.type === "number" ? 1 : column.values.length), 0);
    case "sequence":
      return spec.samples * spec.channels.length;
    case "items":
      return spec.labels.length * 2 + 1;
    case "windows":
      return spec.columns.length;
  }
}
