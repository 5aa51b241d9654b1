import { z } from "zod";
import { type Hasher } from "../../../protocol/index.ts";
import { inScope } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { StoreConfigs, type StoreTexts } from "../config/config-check.ts";
import { readStoreTexts } from "../config/config-reading.ts";
import { fleetScope, hubLayers, type HubLayer } from "../config/config-tables.ts";
import { type HubParts } from "../room.ts";

/** Lines of the answer; it says how many there are beside them. */
const linesMax = 100;
const key = "retention.input_keep";
/** A text without any of them says nothing of it: most stores' layers need not be read. A backslash may spell the others. */
const words = ["input_keep", "locked", "\\"];
const nothing: StoreTexts = { fleet: "", region: "", store: "" };

const edgeRetention = z.strictObject({
  /** What holds where no layer says anything. */
  defaultMs: z.number(),
  items: z.array(
    z.strictObject({
      /** The layer that says so; `default`: none does. */
      layer: z.enum(["default", ...hubLayers]),
      scope: z.string(),
      keepMs: z.number(),
      /** Stores in which it holds. */
      stores: z.number(),
    }),
  ),
  more: z.number(),
});
type EdgeRetention = z.input<typeof edgeRetention>;
type Line = EdgeRetention["items"][number];

/** How long the boxes keep the input of a decided case: their config says it, so it is read here and changed there. */
export function edgeRetentionRoute({ database, hasher }: HubParts): HubRoute {
  return personRoute("config.read", {
    ...{ method: "GET", path: "/v1/retention/edge" },
    operation: { id: "readEdgeRetention", summary: "Read how long stores keep inputs, by layers", tag: "privacy" },
    reply: edgeRetention,
    handle: async ({ caller }) => {
      const stores = await database.read((db) => readStoreTexts(db, { layer: "fleet", scope: fleetScope }));
      return edgeRetentionOf(
        stores.filter(({ store }) => inScope(caller.stores, store)),
        hasher,
      );
    },
  });
}

function edgeRetentionOf(stores: Awaited<ReturnType<typeof readStoreTexts>>, hasher: Hasher): EdgeRetention {
  const configs = new StoreConfigs(hasher);
  const lines = new Map<string, Line>();
  const known = new Map<string, { readonly layer: Line["layer"]; readonly keepMs: number }>();
  for (const { store, region, texts } of stores) {
    const telling = tellingTexts(texts);
    const same = JSON.stringify(telling);
    const held = known.get(same) ?? heldBy(configs, telling);
    known.set(same, held);
    const scope = scopeOf(held.layer, store, region);
    const line = `${held.layer}/${scope}`;
    lines.set(line, { ...held, scope, stores: (lines.get(line)?.stores ?? 0) + 1 });
  }
  const all = [...lines.values()].sort((a, b) => rank(a) - rank(b) || (a.scope < b.scope ? -1 : 1));
  const { keepMs: defaultMs } = heldBy(configs, nothing);
  return { defaultMs, items: all.slice(0, linesMax), more: Math.max(0, all.length - linesMax) };
}

function tellingTexts(texts: StoreTexts): StoreTexts {
  const telling = (text: string): string => (words.some((word) => text.includes(word)) ? text : "");
  return { fleet: telling(texts.fleet), region: telling(texts.region), store: telling(texts.store) };
}

/** What holds under these texts, and which of them says so. The store's name has no part in it. */
function heldBy(configs: StoreConfigs, texts: StoreTexts): { readonly layer: Line["layer"]; readonly keepMs: number } {
  const { config, provenance } = configs.resolve("any", texts);
  const from = provenance.get(key)?.layer;
  return { layer: hubLayers.find((layer) => layer === from) ?? "default", keepMs: config.retention.inputKeepMs };
}

function scopeOf(layer: Line["layer"], store: string, region: string | null): string {
  if (layer === "store") return store;
  return layer === "region" ? (region ?? fleetScope) : fleetScope;
}

function rank({ layer }: Line): number {
  return layer === "default" ? -1 : hubLayers.indexOf(layer satisfies HubLayer);
}
