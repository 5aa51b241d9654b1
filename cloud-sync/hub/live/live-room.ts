import { z } from "zod";
import { RecentMap, type Cancel } from "../../../protocol/index.ts";
import { createEventStreams, eventText, type StreamLimits } from "../../review/event-streams.ts";
import { type PersonCaller } from "../api/caller.ts";
import { personRoute } from "../api/hub-route.ts";
import { type HubNews } from "../database/database.ts";
import { type HubParts, type HubRoom } from "../room.ts";
import { eventsFor, gather, nothingYet, type Gathered, type LiveNews } from "./live-news.ts";

/** News of one while come together; a page hears at most so often. */
const gatherMs = 400;
const streamLimits: StreamLimits = Object.freeze({
  streamsMax: 512,
  streamsPerOwnerMax: 8,
  eventsWaitingMax: 64,
  // What was revoked meanwhile is heard no longer.
  streamMsMax: 10 * 60_000,
  tooMany: "too many live views are open",
});
const storesKnownMax = 50_000;

interface Listener {
  readonly caller: PersonCaller;
  readonly send: (event: string) => void;
}

/** `GET /v1/live`: server-sent events (HTML Standard, 9.2) that say what is worth looking at again. */
export function liveRoom(parts: HubParts): HubRoom {
  const streams = createEventStreams(parts.timers, streamLimits);
  const listeners = new Set<Listener>();
  const open = (caller: PersonCaller, gone: AbortSignal): Response =>
    streams.open({
      owner: caller.id,
      // Whatever happened before this stream was open is looked at once.
      first: eventText("resync", {}),
      listen: (send) => {
        const listener = { caller, send };
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      gone,
    });
  return {
    routes: [
      personRoute("fleet.read", {
        ...{ method: "GET", path: "/v1/live" },
        operation: { id: "watchLive", summary: "Hear what changes, as server-sent events", tag: "fleet" },
        query: z.strictObject({}),
        reply: { contentType: "text/event-stream" },
        handle: ({ caller, exchange }) => Promise.resolve(open(caller, exchange.gone)),
      }),
    ],
    start: () => {
      const stop = tellListeners(parts, listeners);
      return () => {
        stop();
        streams.closeAll();
      };
    },
  };
}

function tellListeners({ database, timers, logger }: HubParts, listeners: ReadonlySet<Listener>): Cancel {
  const storeOf = new RecentMap<string, string>(storesKnownMax);
  let gathered: Gathered = nothingYet;
  let waiting: Cancel | null = null;
  const flush = async (): Promise<void> => {
    const now = gathered;
    gathered = nothingYet;
    waiting = null;
    const news = await named(database, storeOf, now);
    for (const { caller, send } of [...listeners]) {
      for (const { event, data } of eventsFor(caller, news)) send(eventText(event, data));
    }
  };
  const hear = (news: HubNews): void => {
    // Nobody listens: nothing is gathered, and nothing is looked up.
    if (listeners.size === 0) return;
    const before = gathered;
    gathered = gather(gathered, news);
    if (gathered === before) return;
    waiting ??= timers.after(gatherMs, () => {
      flush().catch((cause: unknown) => {
        logger.warn("hub_live_not_told", { cause });
        // Whose news they were could not be looked up: then everybody looks for themselves.
        hear({ kind: "resync" });
      });
    });
  };
  const unlisten = database.onNews(hear);
  return () => {
    unlisten();
    waiting?.();
  };
}

/** Looks up whose ids these are: one question for agents that are not known yet, and one for cases. */
async function named(
  database: HubParts["database"],
  storeOf: RecentMap<string, string>,
  { agentIds, caseIds, tasks, gates, config, everything }: Gathered,
): Promise<LiveNews> {
  const unknown = [...agentIds].filter((id) => storeOf.get(id) === undefined);
  if (unknown.length > 0) {
    const rows = await database.read((db) =>
      db.selectFrom("agents").select(["agent_id", "store"]).where("agent_id", "in", unknown).execute(),
    );
    for (const row of rows) storeOf.set(row.agent_id, row.store);
  }
  const cases =
    caseIds.size === 0
      ? []
      : await database.read((db) =>
          db
            .selectFrom("cases")
            .select(["case_id as id", "store", "task"])
            .where("case_id", "in", [...caseIds])
            .execute(),
        );
  const stores = new Set([...agentIds].flatMap((id) => storeOf.get(id) ?? []));
  return { stores: [...stores], cases, tasks: [...tasks], gates: [...gates], config, everything };
}
