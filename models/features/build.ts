import { type Input } from "../../protocol/index.ts";
import { type FeatureSpec } from "../feature-spec.ts";
import { type Manifest } from "../manifest.ts";
import { buildItems } from "./items.ts";
import { PictureWriter, type Picture } from "./picture.ts";
import { unfit, type FeatureResult, type RowBuffer } from "./rows.ts";
import { buildSequence } from "./sequence.ts";
import { buildTabular } from "./tabular.ts";
import { buildTensor } from "./tensor.ts";
import { buildWindows, noHistory, type EventHistory } from "./windows.ts";

/** An input whose picture file, if it is one, has been decoded. */
export type DecodedInput = Exclude<Input, { kind: "image" }> | ({ readonly kind: "pixels" } & Picture);

/** Builds rows for one model. Keeps scratch memory, so one builder serves one model at a time. */
export interface FeatureBuilder {
  /** Writes one input as row `row` of `target`. The same code in training and in serving. */
  build(input: DecodedInput, target: RowBuffer, row: number): FeatureResult;
}

/** Input kinds that a model of the feature kind takes. */
const accepted: Readonly<Record<FeatureSpec["kind"], readonly DecodedInput["kind"][]>> = {
  image: ["pixels"],
  tensor: ["tensor"],
  tabular: ["features"],
  sequence: ["sequence"],
  items: ["items"],
  windows: ["event", "entity"],
};

/** @param history where the windows of an entity come from; only models over events read it */
export function featureBuilder(manifest: Manifest, history: EventHistory = noHistory): FeatureBuilder {
  const { features } = manifest;
  const [modelInput] = manifest.inputs;
  if (!modelInput) throw new RangeError("a manifest has one input");
  const pictures = features.kind === "image" ? new PictureWriter(features, modelInput) : null;
  const build = (input: DecodedInput, target: RowBuffer, row: number): FeatureResult => {
    if (features.kind === "image" && input.kind === "pixels" && pictures) return pictures.write(input, target, row);
    // Whoever has prepared the numbers already may send them as they enter the model.
    if (input.kind === "tensor") return buildTensor(modelInput, input, target, row);
    if (features.kind === "tabular" && input.kind === "features") {
      return buildTabular(features, input.values, target, row);
    }
    if (features.kind === "sequence" && input.kind === "sequence") {
      return buildSequence(features, modelInput, input, target, row);
    }
    if (features.kind === "items" && input.kind === "items") return buildItems(features, input, target, row);
    if (features.kind === "windows" && (input.kind === "event" || input.kind === "entity")) {
      const current = input.kind === "event" ? input.values : null;
      return buildWindows(features, input.entity, current, history, target, row);
    }
    return unfit("bad_input", `the model takes ${accepted[features.kind].join(" or ")} input, not ${input.kind}`);
  };
  return { build };
}

/** One row without keeping a builder: for training scripts and tests. */
export function buildFeatures(
  manifest: Manifest,
  input: DecodedInput,
  target: RowBuffer,
  row: number,
  history: EventHistory = noHistory,
): FeatureResult {
  return featureBuilder(manifest, history).build(input, target, row);
}
