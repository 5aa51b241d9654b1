import {
  hubLimits,
  ingestReplySchema,
  ingestRequestSchema,
  type IngestReply,
  type IngestRequest,
} from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { fewAtOnce } from "../api/few-at-once.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { isDatabaseGone, together } from "../api/together.ts";
import { sealCases, type InlinePicture, type SealedCases } from "./case-rows.ts";
import { checkNumbers, readItem, type ReadItem } from "./ingest-items.ts";
import { writeCalls, type IngestOptions, type PreparedCall } from "./ingest-writing.ts";
import { isPlainIngest } from "./plain-calls.ts";

/**
 * What the agents send, made durable: `watermark` says that every row up to it will never be asked for again. A call that
 * comes twice, or beside another of the same agent, changes nothing twice. Calls that wait are written in one transaction:
 * a fleet that comes back with a few rows each would otherwise pay for a commit and a dozen questions each.
 */

/**
 * Transactions of one process at a time. A region that comes back after days would otherwise take every connection of
 * the database, and nobody at a page would be answered until all of it is in. SQLite has one connection anyway.
 */
const writersMax = { sqlite: 1, postgres: 4 };
/**
 * Rows of one transaction, of one call or of several. On SQLite the next case waits for it; PostgreSQL does more with
 * several at a time.
 */
const writtenRowsMax = { sqlite: 256, postgres: 128 };
/** Calls whose pictures are sealed at a time; each asks the database once before. */
const sealedCallsMax = 4;
/** Calls that are read or wait beside them. The bytes of all bodies together have a bound of their own. */
const placesMax = 160;

export function ingestRoutes(options: IngestOptions): readonly HubRoute[] {
  const inTurn = fewAtOnce({
    atOnceMax: sealedCallsMax,
    ...{ waitingMax: placesMax, retryAfterMs: 3_000, tooMany: "too many agents send at once" },
  });
  const write = together<PreparedCall, IngestReply>({
    ...{ itemsMax: writtenRowsMax[options.database.kind], weightOf: ({ rows }) => Math.max(1, rows.length) },
    batchesMax: writersMax[options.database.kind],
    keyOf: ({ agent }) => agent.agentId,
    run: (calls) => options.database.write((trx) => writeCalls(options, trx, calls)),
    isEverybodys: isDatabaseGone,
  });
  return [
    agentRoute({
      method: "POST",
      path: "/v1/ingest",
      operation: { id: "ingest", summary: "Hand over rows of an agent's outbox, in order", tag: "agents" },
      body: ingestRequestSchema,
      isPlain: isPlainIngest,
      bodyBytesMax: hubLimits.ingestBytesMax,
      placesMax,
      reply: ingestReplySchema,
      handle: async ({ caller, body }) => write(await inTurn(() => prepare(options, caller, body))),
    }),
  ];
}

async function prepare(options: IngestOptions, agent: AgentCaller, request: IngestRequest): Promise<PreparedCall> {
  const numbered = checkNumbers(request);
  if (!numbered.ok) throw numbered.error;
  const { epoch, from, lastSeq, skipped = 0 } = request;
  const rows = request.items.map((item) => readItem(item, options.hasher));
  const sealed = await sealFresh(options, agent, request, rows);
  return { agent, epoch, from, lastSeq, skipped, rows, sealed };
}

/** Pictures of rows that the hub has already (an answer was lost on its way) are not written again. */
async function sealFresh(
  options: IngestOptions,
  agent: AgentCaller,
  request: IngestRequest,
  rows: readonly ReadItem[],
): Promise<SealedCases> {
  const stream = await options.database.read((db) =>
    db
      .selectFrom("ingest_streams")
      .select("watermark")
      .where("agent_id", "=", agent.agentId)
      .where("epoch", "=", request.epoch)
      .executeTakeFirst(),
  );
  const had = stream?.watermark ?? 0;
  // A gap: nothing of the call will be taken.
  if (request.from - had - 1 > (request.skipped ?? 0)) return { caseIds: new Map(), keys: new Map() };
  const fresh = rows.flatMap((row) => (row.kind === "case" && row.item.seq > had ? [row] : []));
  return sealCases(options, fresh, inlinePictures(request));
}

/** Pictures that came along, by decision id. One whose bytes do not have its digest is not kept, and asked for again. */
function inlinePictures({ pictures = [] }: IngestRequest): ReadonlyMap<string, InlinePicture> {
  return new Map(pictures.map(({ id, sha256, data }) => [id, { sha256, bytes: data }]));
}
