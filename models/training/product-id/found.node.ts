import { type RowBuffer } from "../../features/rows.ts";
import { type Manifest, parseManifest } from "../../manifest.ts";
import { type Found } from "./answers.ts";
import { type LabelledPicture } from "./field.node.ts";
import { type MeasuredModel, softmax } from "./measured-model.node.ts";
import { thumbnail } from "./near-duplicates.ts";

/** Runs the model over the pictures; `pixels` is what it sees of them, in the same order. */
export async function findAll(
  model: MeasuredModel,
  pictures: readonly LabelledPicture[],
  pixels: RowBuffer,
): Promise<Found> {
  return {
    truths: pictures.map((one) => indexOf(model.manifest.labels, one.label)),
    thumbnails: pictures.map((one) => thumbnail(one.picture)),
    probabilities: (await model.logits(pixels)).map(softmax),
  };
}

/** The manifest as serving reads it, so that nothing is written that it would refuse. */
export function served(value: unknown, file: string): Manifest {
  const parsed = parseManifest(value);
  if (!parsed.ok) throw new Error(`${file}: ${parsed.error.message}`);
  return parsed.value;
}

function indexOf(labels: readonly string[], label: string): number {
  const index = labels.indexOf(label);
  if (index < 0) throw new Error(`"${label}" is no label of the model`);
  return index;
}
