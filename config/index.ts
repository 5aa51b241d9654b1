/** `holdpoint/config`: the store config. Universal: runs in Node and in a browser. */
export { contractFor } from "./certificates.ts";
export { diffConfigs, type ConfigChange } from "./diff.ts";
export { effectiveConfig, type Provenance, type Resolved, type ResolvedConfig } from "./effective.ts";
export { faultText, type ConfigFault, type Faulty } from "./fault.ts";
export { flatConfig, type FlatEntry } from "./flat.ts";
export { keyText } from "./key-path.ts";
export { editLayer } from "./layer-edit.ts";
export { conditionRows, keyRows, keyTableMarkdown, type KeyRow } from "./key-table.ts";
export { keptConfig } from "./kept-config.ts";
export {
  emptyLayered,
  layerNames,
  layerOf,
  lockFaults,
  lockWarnings,
  mergeLayers,
  type ConfigEntry,
  type Layered,
  type LayerName,
  type Segments,
  type Origin,
} from "./layers.ts";
export {
  type BrokerAddress,
  type Condition,
  type ConfigWarning,
  type Contract,
  type Costs,
  type EffectiveConfig,
  type GatePolicy,
  type GateTarget,
  type ModelSource,
  type RetentionPolicy,
  type ReviewCapacity,
  type Rule,
  type Rung,
  type TaskPolicy,
} from "./policy.ts";
export { contractShares, layerSchema } from "./schema.ts";
export { resolveConfig, type LayerText } from "./resolve.ts";
export { configBytesMax, parseLayer, type LayerDocument, type LayerParsed, type Place } from "./store-config.ts";
export { formatBytes, formatDuration, parseBytes, parseDurationMs } from "./units.ts";
