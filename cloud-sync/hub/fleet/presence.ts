import { type Cancel } from "../../../protocol/index.ts";
import { type HubParts } from "../room.ts";
import { agentEvent } from "./agent-event.ts";
import { heartbeatEveryMs } from "./heartbeats.ts";

/** An agent that has not reported for so long is offline: three heartbeats did not come. */
export const offlineAfterMs = 3 * heartbeatEveryMs;
const lookEveryMs = 15_000;
/** Agents of one transaction; after a hub that was away everybody is missed at once. */
const agentsMax = 500;

/** Tells once of each agent that is missed. Any process may find it; the row says that it was told. */
export function watchPresence(parts: HubParts): Cancel {
  let cancel: Cancel = () => undefined;
  let stopped = false;
  const look = (): void => {
    cancel = parts.timers.after(lookEveryMs, () => {
      tellOfMissing(parts)
        .catch((cause: unknown) => parts.logger.warn("hub_presence_not_read", { cause }))
        .finally(() => {
          if (!stopped) look();
        });
    });
  };
  look();
  return () => {
    stopped = true;
    cancel();
  };
}

/** Returns how many agents went missing since the last look, at most 500 of them. */
async function tellOfMissing({ database, clock, events }: HubParts): Promise<number> {
  const nowMs = Math.round(clock.wallMs());
  return database.write(async (trx) => {
    const missing = await trx.db
      .updateTable("agents")
      .set({ offline_ms: nowMs })
      .where("agent_id", "in", (agents) =>
        agents
          .selectFrom("agents")
          .select("agent_id")
          .where("state", "=", "active")
          .where("offline_ms", "is", null)
          .where("seen_ms", "<", nowMs - offlineAfterMs)
          .limit(agentsMax)
          .$if(database.kind === "postgres", (query) => query.forUpdate().skipLocked()),
      )
      .returning(["agent_id", "store", "name", "seen_ms"])
      .execute();
    const told = missing.map(({ agent_id: agentId, store, name, seen_ms: seenMs }) =>
      agentEvent("agent.offline", { agentId, store, name }, { seenMs }),
    );
    await events.emit(trx, told);
    for (const { agent_id: agentId } of missing) trx.tell({ kind: "agent", agentId, isReport: true });
    return missing.length;
  });
}
