import { type HubDatabase, type HubTransaction } from "../database/database.ts";
import { writeFeedItems } from "../feed/feed.ts";
import { type HubLayer } from "./config-tables.ts";

/** Whose bundle a change touches: everybody's, a region's stores', one store's. */
export type Touched =
  { readonly layer: "fleet" } | { readonly layer: Exclude<HubLayer, "fleet">; readonly scope: string };

/**
 * Takes the lock that puts all changes of the config, and the enrolment of agents, in order until the commit: a store
 * that moves while its new region changes would otherwise miss one of the two. Returns the number of the last change.
 */
export async function lockConfig({ db }: HubTransaction): Promise<number> {
  const { change_n: last } = await db
    .insertInto("config_head")
    .values({ one: 1, change_n: 0 })
    .onConflict((conflict) =>
      conflict.column("one").doUpdateSet((head) => ({ change_n: head.ref("config_head.change_n") })),
    )
    .returning("change_n")
    .executeTakeFirstOrThrow();
  return last;
}

/**
 * Raises the config version of the agents whose bundle changed and tells them so, in the transaction of the change: one
 * statement over the agents and one for each thousand of their feeds. Returns how many agents it was.
 */
export async function announceConfig(
  kind: HubDatabase["kind"],
  trx: HubTransaction,
  touched: Touched,
  nowMs: number,
): Promise<number> {
  const ids = trx.db
    .selectFrom("agents")
    .select("agent_id")
    .where("state", "=", "active")
    .$if(touched.layer === "store", (query) => query.where("store", "=", scopeOf(touched)))
    .$if(touched.layer === "region", (query) =>
      query.where("store", "in", (stores) =>
        stores.selectFrom("stores").select("store").where("region", "=", scopeOf(touched)),
      ),
    );
  // Rows are locked in one order, so that two who tell many agents wait for each other and do not deadlock.
  if (kind === "postgres") await ids.orderBy("agent_id").forUpdate().execute();
  const told = await trx.db
    .updateTable("agents")
    .set((agent) => ({
      config_version: agent("config_version", "+", 1),
      feed_seq: agent("feed_seq", "+", 1),
    }))
    .where("agent_id", "in", ids)
    .returning(["agent_id", "feed_seq", "config_version"])
    .execute();
  const items = told.map(({ agent_id: agentId, feed_seq: seq, config_version: version }) => {
    return { agentId, seq, entry: { kind: "config" as const, version } };
  });
  await writeFeedItems(trx, items, nowMs);
  trx.tell({ kind: "config" });
  return told.length;
}

function scopeOf(touched: Touched): string {
  return touched.layer === "fleet" ? "" : touched.scope;
}
