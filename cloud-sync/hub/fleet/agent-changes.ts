import { HoldpointError } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { agentEvent } from "./agent-event.ts";

interface FoundAgent {
  readonly agentId: string;
  readonly store: string;
  readonly name: string;
  readonly state: "active" | "revoked";
}

/**
 * Shuts an agent out, for good: its key counts no more at any process from the news on, and what waited for it is
 * dropped. A box that is to come back enrols anew. Errors: HP_NOT_FOUND.
 */
export async function revokeAgent(parts: HubParts, caller: PersonCaller, agentId: string, why: string): Promise<void> {
  await parts.database.write(async (trx) => {
    const agent = await find(trx, caller, agentId);
    if (agent.state === "revoked") return;
    const nowMs = Math.round(parts.clock.wallMs());
    await trx.db
      .updateTable("agents")
      .set({ state: "revoked", revoked_ms: nowMs })
      .where("agent_id", "=", agentId)
      .execute();
    await trx.db.deleteFrom("feed_items").where("agent_id", "=", agentId).execute();
    const { store, name } = agent;
    await record(parts, trx, caller, "agent.revoked", agentId, { store, name, why });
    await parts.events.emit(trx, [agentEvent("agent.revoked", agent, { why })]);
    trx.tell({ kind: "agent", agentId });
  });
}

/** The name under which people see it; topics and files of the box keep their own. Errors: HP_NOT_FOUND, HP_CONFLICT. */
export async function renameAgent(parts: HubParts, caller: PersonCaller, agentId: string, to: string): Promise<void> {
  await parts.database.write(async (trx) => {
    const { store, name } = await find(trx, caller, agentId);
    if (name === to) return;
    const same = await trx.db
      .selectFrom("agents")
      .select("agent_id")
      .where("store", "=", store)
      .where("name", "=", to)
      .where("state", "=", "active")
      .executeTakeFirst();
    if (same)
      throw new HoldpointError("HP_CONFLICT", `${store} has an agent ${to} already`, { hint: "Take another name." });
    await trx.db.updateTable("agents").set({ name: to }).where("agent_id", "=", agentId).execute();
    await record(parts, trx, caller, "agent.renamed", agentId, { store, from: name, to });
    trx.tell({ kind: "agent", agentId });
  });
}

async function find({ db }: HubTransaction, caller: PersonCaller, agentId: string): Promise<FoundAgent> {
  const row = await db
    .selectFrom("agents")
    .select(["store", "name", "state"])
    .where("agent_id", "=", agentId)
    .executeTakeFirst();
  if (!row || !inScope(caller.stores, row.store)) throw new HoldpointError("HP_NOT_FOUND", "no such agent");
  return { agentId, ...row };
}

function record(
  { audit }: HubParts,
  trx: HubTransaction,
  caller: PersonCaller,
  action: string,
  agentId: string,
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  return audit.record(trx, { actor: `${caller.kind}:${caller.id}`, action, subject: `agent:${agentId}`, detail });
}
