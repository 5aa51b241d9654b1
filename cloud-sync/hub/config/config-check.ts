import {
  diffConfigs,
  effectiveConfig,
  emptyLayered,
  flatConfig,
  layerOf,
  lockFaults,
  lockWarnings,
  mergeLayers,
  parseLayer,
  type ConfigChange,
  type ConfigFault,
  type EffectiveConfig,
  type Layered,
  type ResolvedConfig,
} from "../../../config/index.ts";
import { type Certificate, type Hasher } from "../../../protocol/index.ts";
import { hubLayers, type HubLayer } from "./config-tables.ts";

/** The layers of one store as the hub holds them; blank text says nothing. */
export type StoreTexts = Readonly<Record<HubLayer, string>>;

/** The name of a layer in messages and provenance: `fleet`, `region/north`, `store/store_1`. */
export function layerFile(layer: HubLayer, scope: string): string {
  return layer === "fleet" ? "fleet" : `${layer}/${scope}`;
}

/**
 * What is wrong with a text as that layer, with lines. Pure. Blank text is good: the layer says nothing. Only the hub
 * says which store an agent belongs to, so a layer may give `store_id` only where it repeats that.
 */
export function layerFaults(layer: HubLayer, scope: string, text: string): readonly ConfigFault[] {
  if (text.trim() === "") return [];
  const file = layerFile(layer, scope);
  const parsed = parseLayer(text, file);
  if (!parsed.ok) return parsed.faults;
  const { values, placeOf } = parsed.document;
  const foreign = values.store_id !== undefined && (layer !== "store" || values.store_id !== scope);
  const faults = lockFaults(parsed.document);
  if (!foreign) return faults;
  const message = layer === "store" ? `must be ${scope}` : "is of one store; this layer is of many";
  const hint = "Take the line out; the hub knows which store an agent belongs to.";
  return [{ file, ...placeOf(["store_id"]), key: "store_id", message, hint }, ...faults];
}

/**
 * Reads texts once, however many stores they are of. Texts that are bad now (a newer schema refuses what an older one
 * took) count as blank: an agent refuses them as well and keeps its last good config.
 */
export class StoreConfigs {
  readonly #hasher: Hasher;
  readonly #layers = new Map<string, Layered>();

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /** What the agents of a store run where no file of the box itself says otherwise, with the certificates that it is sent. */
  resolve(store: string, texts: StoreTexts, certificates: readonly Certificate[] = []): ResolvedConfig {
    const merged = this.#merged(texts);
    const named = mergeLayers(merged, this.#layer("store", `store_id: ${JSON.stringify(store)}`));
    const resolved = effectiveConfig(merged.entries.has("store_id") ? merged : named, this.#hasher, certificates);
    if (!resolved.ok) throw new Error(`the config of ${store} has no store_id`, { cause: resolved.error });
    return resolved.value;
  }

  /** What a layer says there and a lock of a higher one keeps out. */
  lockedOut(texts: StoreTexts, layer: HubLayer): Layered["ignored"] {
    return this.#merged(texts).ignored.filter(({ entry }) => entry.origin.layer === layer);
  }

  #merged(texts: StoreTexts): Layered {
    return hubLayers.map((layer) => this.#layer(layer, texts[layer])).reduce(mergeLayers, emptyLayered);
  }

  #layer(layer: HubLayer, text: string): Layered {
    if (text.trim() === "") return emptyLayered;
    const key = `${layer}\n${text}`;
    const known = this.#layers.get(key);
    if (known) return known;
    const parsed = parseLayer(text, layer);
    const read = parsed.ok ? layerOf(layer, parsed.document) : emptyLayered;
    this.#layers.set(key, read);
    return read;
  }
}

interface StoreChange {
  readonly stores: readonly string[];
  readonly changes: readonly ConfigChange[];
}

/** A key of a text that counts nothing in some stores, because a layer above has locked it. */
interface LockedKey {
  readonly key: string;
  readonly line: number;
  readonly by: HubLayer;
  /** How many. */
  readonly stores: number;
}

export interface ChangePreview {
  readonly changes: readonly StoreChange[];
  readonly locked: readonly LockedKey[];
}

/**
 * What a new text would change, by stores that it changes in the same way (those in which nothing changes are left out),
 * and what of it is locked. Pure. `texts` are the layers as they are; stores whose layers are the same are looked at once.
 */
export function previewChange(
  stores: readonly { readonly store: string; readonly texts: StoreTexts }[],
  change: { readonly layer: HubLayer; readonly text: string },
  hasher: Hasher,
): ChangePreview {
  const configs = new StoreConfigs(hasher);
  const locked = new Map<string, LockedKey>();
  const changes = storesAlike(stores).flatMap(({ texts, stores: same }) => {
    const [store = ""] = same;
    const changed = { ...texts, [change.layer]: change.text };
    for (const key of lockedKeys(configs.lockedOut(changed, change.layer))) {
      const known = locked.get(`${key.by} ${key.key}`);
      locked.set(`${key.by} ${key.key}`, { ...key, stores: same.length + (known?.stores ?? 0) });
    }
    const before = configs.resolve(store, texts);
    const after = configs.resolve(store, changed);
    const differing = withoutDefaults(changesOf(before.config, after.config), before, after);
    return differing.length === 0 ? [] : [{ stores: same, changes: differing }];
  });
  return { changes, locked: [...locked.values()] };
}

function storesAlike(
  stores: readonly { readonly store: string; readonly texts: StoreTexts }[],
): readonly { readonly texts: StoreTexts; readonly stores: readonly string[] }[] {
  const groups = new Map<string, { readonly texts: StoreTexts; readonly stores: string[] }>();
  for (const { store, texts } of stores) {
    const key = hubLayers.map((layer) => `${texts[layer].length}:${texts[layer]}`).join("");
    const group = groups.get(key) ?? { texts, stores: [] };
    group.stores.push(store);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function lockedKeys(ignored: Layered["ignored"]): readonly Omit<LockedKey, "stores">[] {
  return ignored.flatMap(({ entry, lock }) => {
    const by = hubLayers.find((layer) => layer === lock.origin.layer);
    const [warning] = lockWarnings({ ...emptyLayered, ignored: [{ entry, lock }] });
    return by && warning ? [{ key: warning.key, line: entry.origin.line ?? 1, by }] : [];
  });
}

/**
 * A task that a text names for the first time, or no longer, comes with a dozen values that nobody wrote: among them one
 * looks in vain for what was. Only where nothing else changes do they stay.
 */
function withoutDefaults(
  changes: readonly ConfigChange[],
  before: ResolvedConfig,
  after: ResolvedConfig,
): readonly ConfigChange[] {
  const isDefault = ({ provenance }: ResolvedConfig, key: string) => provenance.get(key)?.layer === "default";
  const written = changes.filter(
    ({ key, from, to }) =>
      !(from === undefined && isDefault(after, key)) && !(to === undefined && isDefault(before, key)),
  );
  return written.length === 0 ? changes : written;
}

/** As `diffConfigs`, and also what is no part of the digest. */
function changesOf(before: EffectiveConfig, after: EffectiveConfig): readonly ConfigChange[] {
  const changes = diffConfigs(before, after);
  if (changes.length > 0) return changes;
  const [from, to] = [flatConfig(before).get("broker")?.value, flatConfig(after).get("broker")?.value];
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ key: "broker", from, to }];
}
