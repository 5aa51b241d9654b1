import { z } from "zod";
import { keyRows, layerSchema } from "../../../config/index.ts";
import { HoldpointError, limits, namePattern } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { cursorText } from "../api/pages.ts";
import { type HubParts } from "../room.ts";
import { bundleRoute, type BundleParts } from "./config-bundle.ts";
import { layerFaults, previewChange } from "./config-check.ts";
import { changeLayer, moveStore, revertLayer, type LayerKey } from "./config-layers.ts";
import { listHistory, listLayers, readChange, readLayer, readStoreTexts } from "./config-reading.ts";
import { fleetScope, hubLayers } from "./config-tables.ts";

/** A layer's text, characters: what a bundle carries at most (protocol/hub.ts). */
const textCharsMax = 256 * 1024;
/** As JSON a character has at most six bytes. */
const bodyBytesMax = 6 * textCharsMax + 64 * 1024;
const pageMax = 200;
/** Stores that a preview names for each kind of change; it says how many there are. */
const storesShownMax = 20;
const groupsShownMax = 50;

const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const layer = z.enum(hubLayers);
const scope = z.union([z.literal(fleetScope), name]);
const text = z.string().max(textCharsMax);
const why = z.string().trim().min(1).max(limits.textCharsMax);
const revision = z.number().int().min(0);
const count = z.number().int().min(0);
const page = { cursor: cursorText.optional(), limit: z.coerce.number().int().min(1).max(pageMax).default(50) };

const changed = z.strictObject({ layer, scope, revision, agents: count });
const layerState = z.strictObject({
  ...{ layer, scope, revision },
  changedMs: z.number().nullable(),
  changedBy: z.string().nullable(),
});
const changeLine = z.strictObject({
  ...{ change: count, layer, scope, revision, atMs: z.number(), by: z.string(), why: z.string() },
  revertOf: z.number().nullable(),
});
const value = z.unknown().optional();
const checkReply = z.strictObject({
  ok: z.boolean(),
  faults: z.array(
    z.strictObject({
      ...{ file: z.string(), line: z.number(), column: z.number() },
      ...{ key: z.string(), message: z.string(), hint: z.string() },
    }),
  ),
  /** Stores in which the text changes something, together by what it changes. */
  changes: z.array(
    z.strictObject({
      stores: z.array(z.string()),
      storesTotal: count,
      keys: z.array(z.strictObject({ key: z.string(), from: value, to: value })),
    }),
  ),
  /** Kinds of change that are not listed. */
  more: count,
  /** Keys that count nothing in `stores` of the stores, because the layer `by` has locked them. */
  locked: z.array(z.strictObject({ key: z.string(), line: z.number(), by: layer, stores: count })),
});

const tag = "config";

export function configRoutes(parts: BundleParts): readonly HubRoute[] {
  return [bundleRoute(parts), ...readingRoutes(parts), ...editingRoutes(parts)];
}

function readingRoutes(parts: HubParts): readonly HubRoute[] {
  const { database } = parts;
  return [
    personRoute("config.read", {
      method: "GET",
      path: "/v1/config/layers",
      operation: { id: "listConfigLayers", summary: "List the layers of the config, without their texts", tag },
      query: z.strictObject(page),
      reply: z.strictObject({ items: z.array(layerState), cursor: z.string().nullable() }),
      handle: async ({ caller, query: { cursor = null, limit } }) => {
        const found = await database.read((db) => listLayers(db, caller.stores, { cursor, limit }));
        return { ...found, items: [...found.items] };
      },
    }),
    personRoute("config.read", {
      method: "GET",
      path: "/v1/config/layers/:layer/:scope",
      operation: { id: "readConfigLayer", summary: "Read a layer's text; revision 0 was never written", tag },
      reply: layerState.extend({ text: z.string() }),
      handle: ({ caller, params }) => {
        const key = keyOf(params);
        mustSee(caller, key);
        return database.read((db) => readLayer(db, key));
      },
    }),
    personRoute("config.read", {
      method: "GET",
      path: "/v1/config/history",
      operation: { id: "listConfigHistory", summary: "Who changed which layer, when and why, newest first", tag },
      query: z.strictObject({ ...page, layer: layer.optional(), scope: scope.optional() }),
      reply: z.strictObject({ items: z.array(changeLine), cursor: z.string().nullable() }),
      handle: async ({ caller, query }) => {
        const { cursor = null, limit, layer: ofLayer = null, scope: ofScope = null } = query;
        const of = { cursor, limit, layer: ofLayer, scope: ofScope };
        const found = await database.read((db) => listHistory(db, caller.stores, of));
        return { ...found, items: [...found.items] };
      },
    }),
    personRoute("config.read", {
      method: "GET",
      path: "/v1/config/history/:change",
      operation: { id: "readConfigChange", summary: "Read one change: its text and the one that it replaced", tag },
      reply: changeLine.extend({ text: z.string(), before: z.string() }),
      handle: async ({ caller, params }) => {
        const number = Number(params["change"]);
        const found = Number.isSafeInteger(number) ? await database.read((db) => readChange(db, number)) : null;
        if (!found || !maySee(caller, found)) throw new HoldpointError("HP_NOT_FOUND", "no such change");
        return found;
      },
    }),
    personRoute("config.read", {
      method: "GET",
      path: "/v1/config/schema",
      operation: { id: "readConfigSchema", summary: "Read the config's JSON schema and its keys, for a form", tag },
      reply: z.strictObject({
        schema: z.record(z.string(), z.unknown()),
        keys: z.array(z.record(z.string(), z.string())),
      }),
      handle: () => Promise.resolve(schemaReply()),
    }),
  ];
}

function editingRoutes(parts: HubParts): readonly HubRoute[] {
  return [
    personRoute("config.read", {
      method: "POST",
      path: "/v1/config/check",
      operation: { id: "checkConfig", summary: "Say what is wrong with a text and what it would change", tag },
      body: z.strictObject({ layer, scope, text }),
      bodyBytesMax,
      reply: checkReply,
      idempotent: true,
      handle: ({ caller, body }) => check(parts, caller, body),
    }),
    personRoute("config.write", {
      method: "PUT",
      path: "/v1/config/layers/:layer/:scope",
      operation: { id: "changeConfigLayer", summary: "Put a layer's text in force at every agent that it is for", tag },
      body: z.strictObject({ text, why, revision }),
      bodyBytesMax,
      reply: changed,
      handle: ({ caller, params, body }) => {
        const key = keyOf(params);
        mustChange(caller, key);
        return changeLayer(parts, caller, { ...key, ...body });
      },
    }),
    personRoute("config.write", {
      method: "POST",
      path: "/v1/config/revert",
      operation: { id: "revertConfigLayer", summary: "Put an earlier text in force again, as a new revision", tag },
      body: z.strictObject({ layer, scope, to: z.number().int().min(1), revision, why }),
      reply: changed,
      handle: ({ caller, body }) => {
        const key = keyOf(body);
        mustChange(caller, key);
        return revertLayer(parts, caller, { ...body, ...key });
      },
    }),
    personRoute("config.write", {
      method: "PUT",
      path: "/v1/stores/:store",
      operation: { id: "moveStore", summary: "Say which region a store belongs to", tag: "fleet" },
      body: z.strictObject({ region: name.nullable(), why }),
      reply: z.strictObject({ store: name, region: name.nullable(), agents: count }),
      handle: ({ caller, params, body }) => {
        const key = keyOf({ layer: "store", scope: params["store"] });
        // The layers of another region come with the move, so it is for those who may change a region.
        if (caller.stores !== null)
          throw new HoldpointError("HP_FORBIDDEN", "moving stores is for the whole fleet's operators");
        return moveStore(parts, caller, { store: key.scope, ...body });
      },
    }),
  ];
}

const keySchema = z.union([
  z.object({ layer: z.literal("fleet"), scope: z.literal(fleetScope) }),
  z.object({ layer: z.enum(["region", "store"]), scope: name }),
]);

/** Throws HP_NOT_FOUND for what can be no layer. */
function keyOf(given: { readonly layer?: string; readonly scope?: string | undefined }): LayerKey {
  const read = keySchema.safeParse(given);
  if (read.success) return read.data;
  throw new HoldpointError("HP_NOT_FOUND", "no such layer", {
    hint: "Layers are fleet/-, region/<name> and store/<name>.",
  });
}

function maySee({ stores }: PersonCaller, key: LayerKey): boolean {
  return key.layer !== "store" || inScope(stores, key.scope);
}

function mustSee(caller: PersonCaller, key: LayerKey): void {
  if (!maySee(caller, key)) throw new HoldpointError("HP_NOT_FOUND", "no such layer");
}

/** The layers above the stores are of those who are answerable for all of them. */
function mustChange(caller: PersonCaller, key: LayerKey): void {
  mustSee(caller, key);
  if (key.layer === "store" || caller.stores === null) return;
  throw new HoldpointError("HP_FORBIDDEN", `the ${key.layer}'s layer is also of stores that are not yours`, {
    hint: "Change the layer of your store, or ask an operator of the whole fleet.",
  });
}

async function check(
  { database, hasher }: HubParts,
  caller: PersonCaller,
  body: { readonly layer: LayerKey["layer"]; readonly scope: string; readonly text: string },
): Promise<z.input<typeof checkReply>> {
  const key = keyOf(body);
  mustSee(caller, key);
  const faults = [...layerFaults(key.layer, key.scope, body.text)];
  if (faults.length > 0) return { ok: false, faults, changes: [], more: 0, locked: [] };
  const stores = await database.read((db) => readStoreTexts(db, key));
  const seen = stores.filter(({ store }) => inScope(caller.stores, store));
  const { changes, locked } = previewChange(seen, { layer: key.layer, text: body.text }, hasher);
  return {
    ok: true,
    faults,
    changes: changes.slice(0, groupsShownMax).map((change) => ({
      stores: change.stores.slice(0, storesShownMax),
      storesTotal: change.stores.length,
      keys: [...change.changes],
    })),
    more: Math.max(0, changes.length - groupsShownMax),
    locked: locked.slice(0, groupsShownMax),
  };
}

function schemaReply(): { schema: Record<string, unknown>; keys: Record<string, string>[] } {
  // As it is written: durations are text, and every key may be left out.
  const schema = z.toJSONSchema(layerSchema, { io: "input", unrepresentable: "any" });
  return { schema: { ...schema }, keys: keyRows().map((row) => ({ ...row })) };
}
