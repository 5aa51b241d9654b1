import { type Certificate, type Hasher } from "../protocol/index.ts";
import { effectiveConfig, type Resolved } from "./effective.ts";
import { faulty, type ConfigFault } from "./fault.ts";
import { emptyLayered, layerNames, layerOf, lockFaults, mergeLayers, type LayerName } from "./layers.ts";
import { parseLayer } from "./store-config.ts";

/** The text of one layer; `file` is its name in messages and provenance. */
export interface LayerText {
  readonly layer: LayerName;
  readonly file: string;
  readonly text: string;
}

/**
 * From the layers' texts to the effective config: read, checked, merged fleet first and device last. The faults of all
 * files come together. Never throws. `certificates`: good ones for this store; without them nothing that is under a
 * contract is accepted.
 *
 * @example
 * const resolved = resolveConfig([{ layer: "store", file: "store.yaml", text: "store_id: store_123" }], universalHasher);
 */
export function resolveConfig(
  layers: readonly LayerText[],
  hasher: Hasher,
  certificates: readonly Certificate[] = [],
): Resolved {
  const faults: ConfigFault[] = [];
  let merged = emptyLayered;
  const inOrder = layers.toSorted((a, b) => layerNames.indexOf(a.layer) - layerNames.indexOf(b.layer));
  for (const { layer, file, text } of inOrder) {
    const parsed = parseLayer(text, file);
    const found = parsed.ok ? lockFaults(parsed.document) : parsed.faults;
    faults.push(...found);
    if (parsed.ok) merged = mergeLayers(merged, layerOf(layer, parsed.document));
  }
  const [first, ...others] = faults;
  return first === undefined ? effectiveConfig(merged, hasher, certificates) : faulty([first, ...others]);
}
