import { sql } from "kysely";
import { type HubParts } from "../room.ts";

/** How long what an agent has lies on at most, before it is deleted; many agents then go in one transaction. */
const gatherMs = 500;
/** Agents of one statement. */
const agentsMax = 200;

/**
 * Deletes what the agents have said to have. It only frees room: an item that lies on is below the agent's cursor and is
 * not given out again. So nobody waits for it, and a thousand agents that took one config are a few statements and not
 * a thousand transactions between their questions. A crash leaves what the next cursor deletes.
 */
export function createForgetting({ database, timers, logger }: Pick<HubParts, "database" | "timers" | "logger">): {
  /** Everything up to `cursor` is durable at that agent. */
  note(agentId: string, cursor: number): void;
} {
  let cursors = new Map<string, number>();
  let isRunning = false;

  async function flush(): Promise<void> {
    const all = [...cursors].sort(([a], [b]) => (a < b ? -1 : 1));
    cursors = new Map();
    for (let from = 0; from < all.length; from += agentsMax) {
      await database.write(({ db }) => forget(db, all.slice(from, from + agentsMax)));
    }
  }

  function schedule(): void {
    isRunning = true;
    timers.after(gatherMs, () => {
      flush()
        .catch((cause: unknown) => logger.warn("hub_feed_not_forgotten", { cause }))
        .finally(() => {
          isRunning = false;
          if (cursors.size > 0) schedule();
        });
    });
  }

  return {
    note: (agentId, cursor) => {
      if (cursor <= (cursors.get(agentId) ?? 0)) return;
      cursors.set(agentId, cursor);
      if (!isRunning) schedule();
    },
  };
}

type Db = Parameters<Parameters<HubParts["database"]["write"]>[0]>[0]["db"];

async function forget(db: Db, cursors: readonly (readonly [string, number])[]): Promise<void> {
  const ids = cursors.map(([agentId]) => agentId);
  const cases = sql.join(
    cursors.map(([agentId, cursor]) => sql`when ${agentId} then cast(${cursor} as bigint)`),
    sql` `,
  );
  const cursor = sql<number>`case agent_id ${cases} end`;
  await db
    .updateTable("agents")
    .set({ feed_taken: cursor })
    .where("agent_id", "in", ids)
    .where("feed_taken", "<", cursor)
    .execute();
  await db
    .deleteFrom("feed_items")
    .where("agent_id", "in", ids)
    .where("seq", "<=", (item) =>
      item.selectFrom("agents").select("feed_taken").whereRef("agents.agent_id", "=", "feed_items.agent_id"),
    )
    .execute();
}
