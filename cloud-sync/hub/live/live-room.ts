import { z } from "zod";
import { HoldpointError, RecentMap, type Cancel } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { personRoute } from "../api/hub-route.ts";
import { type HubParts, type HubRoom } from "../room.ts";
import { eventsFor, gather, nothingYet, type Gathered, type LiveEvent, type LiveNews } from "./live-news.ts";

/** News of one while come together; a page hears at most so often. */
const gatherMs = 400;
const streamsMax = 512;
/** A person's oldest stream ends where more are opened: tabs that were forgotten. */
const streamsPerCallerMax = 8;
/** Events that a slow page has not taken; above it the stream ends and the page opens a new one. */
const waitingMax = 64;
/** A comment that often shows both sides that the other is there. */
const aliveMs = 15_000;
/** Then the page opens a new one and is asked again who it is: what was revoked meanwhile is heard no longer. */
const streamMsMax = 10 * 60_000;
const storesKnownMax = 50_000;

interface Stream {
  readonly caller: PersonCaller;
  send(event: LiveEvent): void;
  end(): void;
}

/** `GET /v1/live`: server-sent events (HTML Standard, 9.2) that say what is worth looking at again. */
export function liveRoom(parts: HubParts): HubRoom {
  const streams = new Set<Stream>();
  return {
    routes: [
      personRoute("fleet.read", {
        ...{ method: "GET", path: "/v1/live" },
        operation: { id: "watchLive", summary: "Hear what changes, as server-sent events", tag: "fleet" },
        query: z.strictObject({}),
        reply: { contentType: "text/event-stream" },
        handle: ({ caller, exchange }) => Promise.resolve(openStream(parts, streams, caller, exchange.gone)),
      }),
    ],
    start: () => {
      const stop = tellStreams(parts, streams);
      return () => {
        stop();
        for (const stream of [...streams]) stream.end();
      };
    },
  };
}

function tellStreams({ database, timers, logger }: HubParts, streams: ReadonlySet<Stream>): Cancel {
  const storeOf = new RecentMap<string, string>(storesKnownMax);
  let gathered: Gathered = nothingYet;
  let waiting: Cancel | null = null;
  const flush = async (): Promise<void> => {
    const now = gathered;
    gathered = nothingYet;
    waiting = null;
    const news = await named(database, storeOf, now);
    for (const stream of [...streams]) for (const event of eventsFor(stream.caller, news)) stream.send(event);
  };
  const unlisten = database.onNews((news) => {
    // Nobody listens: nothing is gathered, and nothing is looked up.
    if (streams.size === 0) return;
    const before = gathered;
    gathered = gather(gathered, news);
    if (gathered === before) return;
    waiting ??= timers.after(gatherMs, () => {
      flush().catch((cause: unknown) => logger.warn("hub_live_not_told", { cause }));
    });
  });
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

function openStream({ timers }: HubParts, streams: Set<Stream>, caller: PersonCaller, gone: AbortSignal): Response {
  const own = [...streams].filter((stream) => stream.caller.id === caller.id);
  if (own.length >= streamsPerCallerMax) own[0]?.end();
  if (streams.size >= streamsMax) {
    throw new HoldpointError("HP_BUSY", "too many live views are open", { retryAfterMs: 30_000 });
  }
  let quiet: Cancel = () => undefined;
  let limit: Cancel = () => undefined;
  let stream: Stream | null = null;
  const forget = (): boolean => {
    quiet();
    limit();
    return stream !== null && streams.delete(stream);
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const end = (): void => {
          if (forget()) controller.close();
        };
        const send = (text: string): void => {
          if (stream === null || !streams.has(stream)) return;
          if ((controller.desiredSize ?? 0) <= 0) end();
          else controller.enqueue(encoder.encode(text));
        };
        const alive = (): void => {
          quiet = timers.after(aliveMs, () => {
            send(": alive\n\n");
            if (stream && streams.has(stream)) alive();
          });
        };
        stream = { caller, end, send: ({ event, data }) => send(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`) };
        streams.add(stream);
        gone.addEventListener("abort", end, { once: true });
        limit = timers.after(streamMsMax, end);
        // Whatever happened before this stream was open is looked at once.
        send("retry: 1000\nevent: resync\ndata: {}\n\n");
        alive();
      },
      cancel: () => {
        forget();
      },
    },
    new CountQueuingStrategy({ highWaterMark: waitingMax }),
  );
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

const encoder = new TextEncoder();
