import { sql, type Kysely } from "kysely";
import { hubLimits } from "../../../protocol/index.ts";
import { filledUp, isDatabaseGone, together } from "../api/together.ts";
import { type HubTables } from "../database/tables.ts";
import { type HubParts } from "../room.ts";

/** Agents of one question. A change of the fleet's config wakes all of them in one moment. */
const agentsMax = 64;

export interface FeedReading {
  /** Number of the newest item of the agent and of the last that it was known to have; null for no such agent. */
  place(agentId: string): Promise<{ readonly newest: number; readonly taken: number } | null>;
  /** Items above the cursor, in order, at most as many as one reply holds. */
  items(look: FeedCursor): Promise<readonly FeedRow[]>;
}

interface FeedCursor {
  readonly agentId: string;
  readonly cursor: number;
}

interface FeedRow {
  readonly seq: number;
  readonly body: string;
}

/** The feed's questions, those of many agents in one: for each alone, asking costs far more than what is read. */
export function createFeedReading({ database }: Pick<HubParts, "database">): FeedReading {
  const shared = { itemsMax: agentsMax, isEverybodys: isDatabaseGone };
  const place = together({
    ...shared,
    keyOf: (agentId: string) => agentId,
    run: (agentIds) => database.read((db) => placesOf(db, agentIds)),
  });
  const items = together({
    ...shared,
    keyOf: ({ agentId }: FeedCursor) => agentId,
    run: (looks) => database.read((db) => itemsOf(db, looks)),
  });
  // SQLite is asked in this process: there one question for many is not worth its own form.
  const itemsAlone = (look: FeedCursor): Promise<readonly FeedRow[]> => database.read((db) => itemsOfOne(db, look));
  return { place, items: database.kind === "postgres" ? items : itemsAlone };
}

async function placesOf(
  db: Kysely<HubTables>,
  agentIds: readonly string[],
): Promise<readonly ({ readonly newest: number; readonly taken: number } | null)[]> {
  const rows = await db
    .selectFrom("agents")
    .select(["agent_id", "feed_seq as newest", "feed_taken as taken"])
    .where("agent_id", "in", filledUp(agentIds))
    .execute();
  const places = new Map(rows.map((row) => [row.agent_id, row]));
  return agentIds.map((agentId) => places.get(agentId) ?? null);
}

function itemsOfOne(db: Kysely<HubTables>, { agentId, cursor }: FeedCursor): Promise<readonly FeedRow[]> {
  return db
    .selectFrom("feed_items")
    .select(["seq", "body"])
    .where("agent_id", "=", agentId)
    .where("seq", ">", cursor)
    .orderBy("seq")
    .limit(hubLimits.feedItemsMax)
    .execute();
}

/** On PostgreSQL. Each agent has its own bound, so that one with a long feed takes nothing from the others. */
async function itemsOf(db: Kysely<HubTables>, looks: readonly FeedCursor[]): Promise<readonly (readonly FeedRow[])[]> {
  const asked = JSON.stringify(looks.map(({ agentId, cursor }) => ({ agent_id: agentId, after: cursor })));
  const { rows } = await sql<FeedRow & { readonly agent_id: string }>`
    select asked.agent_id, found.seq, found.body
    from json_to_recordset(${asked}::json) as asked(agent_id text, after bigint)
    cross join lateral (
      select item.seq, item.body from feed_items as item
      where item.agent_id = asked.agent_id and item.seq > asked.after
      order by item.seq limit ${sql.lit(hubLimits.feedItemsMax)}
    ) as found
    order by asked.agent_id, found.seq`.execute(db);
  const byAgent = new Map<string, FeedRow[]>();
  for (const row of rows) {
    const known = byAgent.get(row.agent_id);
    if (known) known.push(row);
    else byAgent.set(row.agent_id, [row]);
  }
  return looks.map(({ agentId }) => byAgent.get(agentId) ?? []);
}
