import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Manifest } from "../../manifest.ts";
import { type Found } from "./answers.ts";
import { readPictures, type LabelledPicture } from "./field.node.ts";
import { findAll, served } from "./found.node.ts";
import { MeasuredModel } from "./measured-model.node.ts";
import { nearDuplicateGroups } from "./near-duplicates.ts";

const shared = process.env["HOLDPOINT_SHARED"] ?? "../shared";

/** Options of the commands that look at `field`, as `parseArgs` takes them. */
export const fieldOptions = {
  data: { type: "string", default: path.join(shared, "data/grocery") },
  model: { type: "string", default: "models/zoo/product-id" },
} as const;

/** What the shipped model said of the `field` pictures, each looked at once, in groups of near-duplicates. */
export interface FieldLook {
  readonly manifest: Manifest;
  readonly pictures: readonly LabelledPicture[];
  readonly found: Found;
  readonly groups: ReturnType<typeof nearDuplicateGroups>;
}

export async function lookAtField(values: { readonly data: string; readonly model: string }): Promise<FieldLook> {
  const manifestFile = path.join(values.model, "manifest.json");
  const manifest = served(JSON.parse(await readFile(manifestFile, "utf8")), manifestFile);
  const model = await MeasuredModel.open(values.model, manifest);
  const pictures = await readPictures(path.join(values.data, "field.tar"));
  const found = await findAll(model, pictures, model.pixels(pictures.map((one) => one.picture)));
  return { manifest, pictures, found, groups: nearDuplicateGroups(found.thumbnails, found.truths) };
}
