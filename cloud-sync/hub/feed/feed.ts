import { z } from "zod";
import { feedReplySchema, HoldpointError, hubLimits, type FeedItem, type FeedReply } from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { type HubDatabase, type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type HubParts } from "../room.ts";
import { createForgetting } from "./feed-forgetting.ts";
import { createFeedReading, type FeedReading } from "./feed-reading.ts";

/**
 * What the hub has to say to each agent, in one numbered line per agent. Numbers are given out under the lock of the
 * agent's row, so they are in the order of the commits and without a gap: whoever has read up to n has missed nothing
 * below it. The cursor of the next call says what is durable at the agent; only then are items forgotten here.
 */
type Unnumbered<T> = T extends unknown ? Omit<T, "seq"> : never;
export type FeedEntry = Unnumbered<FeedItem>;

/**
 * Appends to an agent's feed in the caller's transaction. One that was shut out never asks again: what it would be told is
 * dropped, as what waited for it was.
 */
export async function appendToFeed(
  trx: HubTransaction,
  agentId: string,
  entry: FeedEntry,
  nowMs: number,
): Promise<void> {
  const { feed_seq: seq, state } = await trx.db
    .updateTable("agents")
    .set((agent) => ({ feed_seq: agent("feed_seq", "+", 1) }))
    .where("agent_id", "=", agentId)
    .returning(["feed_seq", "state"])
    .executeTakeFirstOrThrow();
  if (state === "active") await writeFeedItems(trx, [{ agentId, seq, entry }], nowMs);
}

interface NumberedEntry {
  readonly agentId: string;
  readonly seq: number;
  readonly entry: FeedEntry;
}

/** Rows of one statement. */
const rowsMax = 1000;

/**
 * Writes items whose numbers the caller has taken by raising `feed_seq` in this transaction: for whoever tells many
 * agents at once in few statements.
 */
export async function writeFeedItems(
  trx: HubTransaction,
  items: readonly NumberedEntry[],
  nowMs: number,
): Promise<void> {
  for (let from = 0; from < items.length; from += rowsMax) {
    const rows = items.slice(from, from + rowsMax).map(({ agentId, seq, entry }) => {
      return { agent_id: agentId, seq, kind: entry.kind, body: JSON.stringify(entry), made_ms: nowMs };
    });
    await insertRows(trx, "feed_items", rows);
  }
  for (const { agentId } of items) trx.tell({ kind: "feed", agentId });
}

const feedQuery = z.strictObject({
  cursor: z.string().max(200).optional(),
  wait: z.coerce.number().int().min(0).max(hubLimits.feedWaitMsMax).optional(),
});

export function feedRoutes(parts: HubParts): readonly HubRoute[] {
  const bell = createBell(parts.database);
  const forgetting = createForgetting(parts);
  const reading = createFeedReading(parts);
  return [
    agentRoute({
      method: "GET",
      path: "/v1/feed",
      operation: { id: "readFeed", summary: "Wait for what the hub has to say to this agent", tag: "agents" },
      query: feedQuery,
      reply: feedReplySchema,
      handle: async ({ caller, query, exchange }) => {
        // Listened for before the first look, so that nothing slips in between.
        const rung = bell.wait(caller.agentId);
        try {
          const { cursor, taken, isNewest } = await cursorOf(parts, reading, caller, query.cursor ?? null);
          if (cursor > taken) forgetting.note(caller.agentId, cursor);
          const look = { cursor, waitMs: query.wait ?? 0, gone: exchange.gone };
          return await waitForItems({ ...parts, bell, reading }, caller, { ...look, rung: isNewest ? rung : null });
        } finally {
          rung.leave();
        }
      },
    }),
  ];
}

interface FeedPlace {
  readonly cursor: number;
  /** What the agent was known to have. */
  readonly taken: number;
  /** There was nothing above the cursor. */
  readonly isNewest: boolean;
}

/**
 * `<hub>.<seq>`. A cursor of another hub, or one that is ahead of this hub (it was restored from a backup), starts anew
 * from what there is: the agent applies nothing twice. Throws HP_SCHEMA.
 */
async function cursorOf(
  { hubId }: HubParts,
  reading: FeedReading,
  agent: AgentCaller,
  text: string | null,
): Promise<FeedPlace> {
  const start = { cursor: 0, taken: 0, isNewest: false };
  if (text === null || text === "") return start;
  const [, hub, digits] = /^(.+)\.(\d{1,16})$/.exec(text) ?? [];
  const seq = Number(digits);
  if (!Number.isSafeInteger(seq)) throw new HoldpointError("HP_SCHEMA", "cursor: is none of this hub's");
  if (hub !== hubId) return start;
  const place = await reading.place(agent.agentId);
  if (!place || seq > place.newest) return start;
  return { cursor: seq, taken: place.taken, isNewest: seq === place.newest };
}

interface FeedLook {
  readonly cursor: number;
  readonly waitMs: number;
  readonly gone: AbortSignal;
  /** What was listened to before the look that found nothing; null where nobody has looked yet. */
  readonly rung: FeedRing | null;
}

async function waitForItems(
  parts: HubParts & { readonly bell: FeedBell; readonly reading: FeedReading },
  agent: AgentCaller,
  { cursor, waitMs, gone, rung: before }: FeedLook,
): Promise<FeedReply> {
  const endMs = parts.clock.monotonicMs() + waitMs;
  let rung = before;
  try {
    for (;;) {
      if (rung) await rungOrOver(parts, rung, endMs, gone);
      rung = parts.bell.wait(agent.agentId);
      const reply = await read(parts, agent, cursor);
      if (reply.items.length > 0 || parts.clock.monotonicMs() >= endMs || gone.aborted) return reply;
    }
  } finally {
    // Also where the database is away: those who come back again and again would all still be listened for.
    rung?.leave();
  }
}

async function rungOrOver(
  { clock, timers }: HubParts,
  rung: FeedRing,
  endMs: number,
  gone: AbortSignal,
): Promise<void> {
  if (gone.aborted) return;
  const cancel = timers.after(Math.max(0, endMs - clock.monotonicMs()), rung.leave);
  gone.addEventListener("abort", rung.leave, { once: true });
  await rung.promise;
  cancel();
  gone.removeEventListener("abort", rung.leave);
}

interface FeedRing {
  readonly promise: Promise<void>;
  readonly leave: () => void;
}

interface FeedBell {
  /** Resolves at the next news for this agent, or when left. */
  wait(agentId: string): FeedRing;
}

/** One listener for all who wait: with ten thousand of them each piece of news must find its own. */
function createBell(database: HubDatabase): FeedBell {
  const waiting = new Map<string, Set<() => void>>();
  const ring = (agentId: string): void => {
    for (const wake of waiting.get(agentId) ?? []) wake();
  };
  database.onNews((news) => {
    if (news.kind === "feed") ring(news.agentId);
    if (news.kind === "resync") for (const agentId of waiting.keys()) ring(agentId);
  });
  return {
    wait: (agentId) => {
      const mine = waiting.get(agentId) ?? new Set();
      waiting.set(agentId, mine);
      let leave: () => void = () => undefined;
      const promise = new Promise<void>((resolve) => {
        leave = () => {
          mine.delete(leave);
          if (mine.size === 0 && waiting.get(agentId) === mine) waiting.delete(agentId);
          resolve();
        };
        mine.add(leave);
      });
      return { promise, leave };
    },
  };
}

async function read(
  { hubId, reading }: Pick<HubParts, "hubId"> & { readonly reading: FeedReading },
  { agentId }: AgentCaller,
  cursor: number,
): Promise<FeedReply> {
  const rows = await reading.items({ agentId, cursor });
  const items = rows.map(({ seq, body }) => ({ ...(JSON.parse(body) as FeedEntry), seq }));
  return { cursor: `${hubId}.${rows.at(-1)?.seq ?? cursor}`, items };
}
