/** `holdpoint/models`: what a model is and how its input is built. Universal: runs in Node and in a browser. */
export { applyCalibration } from "./calibration.ts";
export { featureCount, type FeatureSpec } from "./feature-spec.ts";
export { buildFeatures, featureBuilder, type DecodedInput, type FeatureBuilder } from "./features/build.ts";
export { type DecodePicture } from "./features/decode.ts";
export { readPictureHeader, type PictureHeader } from "./features/picture-header.ts";
export { PictureWriter, type Picture } from "./features/picture.ts";
export { createRows, type FeatureResult, type RowBuffer } from "./features/rows.ts";
export { longestWindowMs, noHistory, type EntityEvent, type EventHistory } from "./features/windows.ts";
export { goldenRows } from "./golden.ts";
export { manifestSchema, parseManifest, type Manifest, type ModelDtype } from "./manifest.ts";
export {
  type Calibration,
  type ModelHost,
  type ModelState,
  type Prediction,
  type PredictionResult,
  type RunningModel,
  type WantedModel,
} from "./prediction.ts";
export { inlineHost, type InlineHostOptions } from "./runtimes/inline-host.ts";
export { type Candidate } from "./runtimes/candidate.ts";
export { parseProviders, providerNames, type ProviderName, type Runtime } from "./runtimes/runtime.ts";
export { stubRuntime, type StubAnswer, type StubOptions } from "./runtimes/stub.ts";
export { parseModelSpec } from "./version-range.ts";
