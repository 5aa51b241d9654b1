import { HoldpointError } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { announceConfig, lockConfig, type Touched } from "./config-announcing.ts";
import { layerFaults, layerFile } from "./config-check.ts";
import { type HubLayer } from "./config-tables.ts";
import { faultText } from "../../../config/index.ts";

export interface LayerKey {
  readonly layer: HubLayer;
  readonly scope: string;
}

export interface LayerEdit extends LayerKey {
  readonly text: string;
  /** The revision that was edited; 0 for a layer that was never written. */
  readonly revision: number;
  readonly why: string;
}

export interface LayerChanged extends LayerKey {
  readonly revision: number;
  /** Agents that were told to pull. */
  readonly agents: number;
}

/** Layers above it are refused; a fleet has one for itself, one a region and at most one a store. */
const layersMax = 50_000;

/**
 * Puts a text in force. The same text again is no change. Errors: HP_CONFIG (the text has faults), HP_CONFLICT (somebody
 * else has changed the layer since `revision`), HP_TOO_LARGE (too many layers).
 */
export async function changeLayer(parts: HubParts, caller: PersonCaller, edit: LayerEdit): Promise<LayerChanged> {
  return parts.database.write((trx) => applyEdit(parts, trx, caller, edit, null));
}

/** Puts the text of an earlier revision in force again, as a new revision. Errors: as changeLayer, HP_NOT_FOUND. */
export async function revertLayer(
  parts: HubParts,
  caller: PersonCaller,
  edit: Omit<LayerEdit, "text"> & { readonly to: number },
): Promise<LayerChanged> {
  const { layer, scope, to } = edit;
  return parts.database.write(async (trx) => {
    const old = await trx.db
      .selectFrom("config_history")
      .select("text")
      .where("layer", "=", layer)
      .where("scope", "=", scope)
      .where("revision", "=", to)
      .executeTakeFirst();
    if (!old) throw new HoldpointError("HP_NOT_FOUND", `${layerFile(layer, scope)} has no revision ${to}`);
    return applyEdit(parts, trx, caller, { ...edit, text: old.text }, to);
  });
}

/** Refuses a text with faults: the message names the first line, and how many more there are. Throws HP_CONFIG. */
function checkLayer({ layer, scope }: LayerKey, text: string): void {
  const [first, ...others] = layerFaults(layer, scope, text);
  if (!first) return;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  throw new HoldpointError("HP_CONFIG", `${faultText(first)}${more}`, { hint: first.hint });
}

/** Whoever changes a layer: a person, a program, or the hub itself within limits that a person has set. */
export type LayerEditor = Pick<PersonCaller, "kind" | "id" | "name">;

/** As changeLayer, in a transaction of the caller's. `revertOf` is the revision whose text comes back, or null. */
export async function applyEdit(
  parts: HubParts,
  trx: HubTransaction,
  caller: LayerEditor,
  { layer, scope, text, revision, why }: LayerEdit,
  revertOf: number | null,
): Promise<LayerChanged> {
  checkLayer({ layer, scope }, text);
  const last = await lockConfig(trx);
  const current = await trx.db
    .selectFrom("config_layers")
    .select(["text", "revision"])
    .where("layer", "=", layer)
    .where("scope", "=", scope)
    .executeTakeFirst();
  const known = current?.revision ?? 0;
  if (known !== revision) {
    throw new HoldpointError("HP_CONFLICT", `${layerFile(layer, scope)} is at revision ${known}, not ${revision}`, {
      hint: "Somebody changed it meanwhile: read it again and make the change on what is there now.",
    });
  }
  if (text === (current?.text ?? "")) return { layer, scope, revision: known, agents: 0 };
  if (!current) await checkCount(trx);
  const nowMs = Math.round(parts.clock.wallMs());
  const next = { revision: known + 1, text, changed_ms: nowMs, changed_by: caller.name };
  await trx.db
    .insertInto("config_layers")
    .values({ layer, scope, ...next })
    .onConflict((conflict) => conflict.columns(["layer", "scope"]).doUpdateSet(next))
    .execute();
  const who = { made_by: `${caller.kind}:${caller.id}`, made_by_name: caller.name, why, at_ms: nowMs };
  await trx.db
    .insertInto("config_history")
    .values({ change_n: last + 1, layer, scope, revision: known + 1, text, ...who, revert_of: revertOf })
    .execute();
  await trx.db
    .updateTable("config_head")
    .set({ change_n: last + 1 })
    .execute();
  const agents = await announceConfig(parts.database.kind, trx, touchedBy({ layer, scope }), nowMs);
  const told = { layer, scope, revision: known + 1, by: caller.name, why, revertOf, agents };
  await parts.audit.record(trx, {
    actor: who.made_by,
    action: "config.changed",
    subject: `layer:${layerFile(layer, scope)}`,
    detail: told,
  });
  await parts.events.emit(trx, [{ type: "config.changed", store: layer === "store" ? scope : null, data: told }]);
  return { layer, scope, revision: known + 1, agents };
}

async function checkCount({ db }: HubTransaction): Promise<void> {
  const { count } = await db
    .selectFrom("config_layers")
    .select((one) => one.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  if (count >= layersMax) throw new HoldpointError("HP_TOO_LARGE", `there are ${layersMax} layers already`);
}

function touchedBy({ layer, scope }: LayerKey): Touched {
  return layer === "fleet" ? { layer } : { layer, scope };
}

/** Says which region a store belongs to; its agents are told where that changes their layers. */
export async function moveStore(
  parts: HubParts,
  caller: PersonCaller,
  { store, region, why }: { readonly store: string; readonly region: string | null; readonly why: string },
): Promise<{ readonly store: string; readonly region: string | null; readonly agents: number }> {
  return parts.database.write(async (trx) => {
    await lockConfig(trx);
    const known = await trx.db.selectFrom("stores").select("region").where("store", "=", store).executeTakeFirst();
    const before = known?.region ?? null;
    if (before === region && known) return { store, region, agents: 0 };
    const nowMs = Math.round(parts.clock.wallMs());
    await trx.db
      .insertInto("stores")
      .values({ store, region, changed_ms: nowMs })
      .onConflict((conflict) => conflict.column("store").doUpdateSet({ region, changed_ms: nowMs }))
      .execute();
    const layers = await trx.db
      .selectFrom("config_layers")
      .select("text")
      .where("layer", "=", "region")
      .where("scope", "in", [before ?? "", region ?? ""])
      .execute();
    const isTouched = before !== region && layers.some(({ text }) => text.trim() !== "");
    const agents = isTouched
      ? await announceConfig(parts.database.kind, trx, { layer: "store", scope: store }, nowMs)
      : 0;
    await parts.audit.record(trx, {
      actor: `${caller.kind}:${caller.id}`,
      action: "store.moved",
      subject: `store:${store}`,
      detail: { from: before, to: region, why, agents },
    });
    return { store, region, agents };
  });
}
