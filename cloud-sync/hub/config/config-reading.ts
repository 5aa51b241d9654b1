import { type Kysely } from "kysely";
import { z } from "zod";
import { type Scope } from "../api/caller.ts";
import { listCursor } from "../api/pages.ts";
import { type HubTables } from "../database/tables.ts";
import { type StoreTexts } from "./config-check.ts";
import { type LayerKey } from "./config-layers.ts";
import { type HubLayer } from "./config-tables.ts";

type Db = Kysely<HubTables>;

export interface LayerState extends LayerKey {
  readonly revision: number;
  readonly changedMs: number | null;
  readonly changedBy: string | null;
}

/** The layer as it is in force; one that was never written has revision 0 and no text. */
export async function readLayer(db: Db, { layer, scope }: LayerKey): Promise<LayerState & { readonly text: string }> {
  const row = await db
    .selectFrom("config_layers")
    .selectAll()
    .where("layer", "=", layer)
    .where("scope", "=", scope)
    .executeTakeFirst();
  if (!row) return { layer, scope, text: "", revision: 0, changedMs: null, changedBy: null };
  return { layer, scope, text: row.text, revision: row.revision, changedMs: row.changed_ms, changedBy: row.changed_by };
}

interface Page<T> {
  readonly items: readonly T[];
  readonly cursor: string | null;
}

interface PageOf {
  readonly cursor: string | null;
  readonly limit: number;
}

const layerCursors = listCursor("config-layers", z.tuple([z.enum(["fleet", "region", "store"]), z.string()]));
const historyCursors = listCursor("config-history", z.number().int());

/** The layers that were ever written, without their texts, in the order of their names. */
export async function listLayers(db: Db, stores: Scope, { cursor, limit }: PageOf): Promise<Page<LayerState>> {
  const after = layerCursors.read(cursor);
  const rows = await db
    .selectFrom("config_layers")
    .select(["layer", "scope", "revision", "changed_ms", "changed_by"])
    .$if(stores !== null, (query) =>
      query.where((row) => row.or([row("layer", "!=", "store"), row("scope", "in", [...(stores ?? []), ""])])),
    )
    .$if(after !== null, (query) =>
      query.where((row) =>
        row.or([
          row("layer", ">", after?.[0] ?? "fleet"),
          row.and([row("layer", "=", after?.[0] ?? "fleet"), row("scope", ">", after?.[1] ?? "")]),
        ]),
      ),
    )
    .orderBy("layer")
    .orderBy("scope")
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map((row) => {
    const { layer, scope, revision, changed_ms: changedMs, changed_by: changedBy } = row;
    return { layer, scope, revision, changedMs, changedBy };
  });
  const last = items.at(-1);
  return { items, cursor: rows.length > limit && last ? layerCursors.write([last.layer, last.scope]) : null };
}

export interface ChangeLine extends LayerKey {
  readonly change: number;
  readonly revision: number;
  readonly atMs: number;
  readonly by: string;
  readonly why: string;
  readonly revertOf: number | null;
}

const lineColumns = [
  ...(["change_n", "layer", "scope", "revision", "at_ms", "made_by_name", "why", "revert_of"] as const),
] as const;

/** Who changed what and why, newest first. */
export async function listHistory(
  db: Db,
  stores: Scope,
  { layer, scope, cursor, limit }: PageOf & { readonly layer: HubLayer | null; readonly scope: string | null },
): Promise<Page<ChangeLine>> {
  const before = historyCursors.read(cursor);
  const rows = await db
    .selectFrom("config_history")
    .select(lineColumns)
    .$if(layer !== null, (query) => query.where("layer", "=", layer ?? "fleet"))
    .$if(scope !== null, (query) => query.where("scope", "=", scope ?? ""))
    .$if(stores !== null, (query) =>
      query.where((row) => row.or([row("layer", "!=", "store"), row("scope", "in", [...(stores ?? []), ""])])),
    )
    .$if(before !== null, (query) => query.where("change_n", "<", before ?? 0))
    .orderBy("change_n", "desc")
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map(lineOf);
  const last = items.at(-1);
  return { items, cursor: rows.length > limit && last ? historyCursors.write(last.change) : null };
}

/** One change with its text and the text that it replaced; null where there is none of that number. */
export async function readChange(
  db: Db,
  change: number,
): Promise<(ChangeLine & { readonly text: string; readonly before: string }) | null> {
  const row = await db
    .selectFrom("config_history")
    .select([...lineColumns, "text"])
    .where("change_n", "=", change)
    .executeTakeFirst();
  if (!row) return null;
  const before = await db
    .selectFrom("config_history")
    .select("text")
    .where("layer", "=", row.layer)
    .where("scope", "=", row.scope)
    .where("revision", "=", row.revision - 1)
    .executeTakeFirst();
  return { ...lineOf(row), text: row.text, before: before?.text ?? "" };
}

function lineOf(row: Pick<HubTables["config_history"], (typeof lineColumns)[number]>): ChangeLine {
  const { change_n: change, layer, scope, revision, at_ms: atMs, made_by_name: by, why, revert_of: revertOf } = row;
  return { change, layer, scope, revision, atMs, by, why, revertOf };
}

/** Every store that the hub knows by an agent, a setting or a layer of its own, with its layers' texts. */
export async function readStoreTexts(
  db: Db,
  which: LayerKey,
): Promise<readonly { readonly store: string; readonly region: string | null; readonly texts: StoreTexts }[]> {
  const regions = new Map(
    (await db.selectFrom("stores").select(["store", "region"]).execute()).map((row) => [row.store, row.region]),
  );
  const rows = await db
    .selectFrom("config_layers")
    .select(["layer", "scope", "text"])
    .$if(which.layer === "store", (query) =>
      query.where((row) => row.or([row("layer", "!=", "store"), row("scope", "=", which.scope)])),
    )
    .execute();
  const texts = new Map(rows.map((row) => [`${row.layer}/${row.scope}`, row.text]));
  const agents = await db.selectFrom("agents").select("store").distinct().execute();
  const named = rows.filter(({ layer }) => layer === "store").map(({ scope }) => scope);
  const known = new Set([...agents.map(({ store }) => store), ...regions.keys(), ...named]);
  return [...known]
    .filter((store) => {
      if (which.layer === "fleet") return true;
      return which.layer === "store" ? store === which.scope : regions.get(store) === which.scope;
    })
    .sort()
    .map((store) => {
      const region = regions.get(store) ?? null;
      return {
        ...{ store, region },
        texts: {
          fleet: texts.get("fleet/-") ?? "",
          region: region === null ? "" : (texts.get(`region/${region}`) ?? ""),
          store: texts.get(`store/${store}`) ?? "",
        },
      };
    });
}
