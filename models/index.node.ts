/** `holdpoint/models/node`: models in Node, with onnxruntime-node and sharp as optional peers. */
export { decodePicture } from "./features/decode.node.ts";
export {
  goldenOutput,
  importModel,
  modelOfDigest,
  openModels,
  proveModel,
  type ImportModelOptions,
  type ModelOfDigestOptions,
  type OpenModelsOptions,
} from "./open-models.node.ts";
export { openRegistry, type ModelRegistry, type ProveModel, type ResolvedModel } from "./registry.node.ts";
export { type RegistryEntry, type RegistryVersion } from "./registry-machine.ts";
export { type ChildLimits } from "./runtimes/child-generation.node.ts";
export { childHost, type ChildHost, type ChildHostOptions } from "./runtimes/child-host.node.ts";
export { inspectModel, onnxruntimeNode } from "./runtimes/onnxruntime.node.ts";
export { type ProviderName, type TensorInfo } from "./runtimes/runtime.ts";
export { manifestDraft } from "./manifest-draft.ts";
export { findModelOnDisk, readModelBytes, type ModelOnDisk } from "./source.node.ts";
