import {
  HoldpointError,
  hubLimits,
  ingestReplySchema,
  ingestRequestSchema,
  isPlainIngest,
  newId,
  type IngestReply,
  type IngestRequest,
} from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { fewAtOnce } from "../api/few-at-once.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { type PictureVault } from "../blobs/picture-vault.ts";
import { type CaseListener } from "../cases/case-opening.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";
import { openCases, sealCases, type InlinePicture, type SealedCases } from "./case-rows.ts";
import { checkNumbers, readItem, type ReadItem } from "./ingest-items.ts";
import { applyChange } from "./ingest-changes.ts";

/**
 * What the agents send, made durable: `watermark` says that every row up to it will never be asked for again. One call is
 * one transaction; a call that comes twice, or beside another of the same agent, changes nothing twice.
 */
export interface IngestOptions extends HubParts {
  readonly vault: PictureVault;
  readonly listener: CaseListener;
}

/**
 * Calls of one process that write at a time. A region that comes back after days would otherwise take every connection of
 * the database (or, on SQLite, every place in its line), and nobody at a page would be answered until all of it is in.
 */
const writersMax = { sqlite: 2, postgres: 4 };
/** Calls that are read or wait beside them. The bytes of all bodies together have a bound of their own. */
const placesMax = 160;

export function ingestRoutes(options: IngestOptions): readonly HubRoute[] {
  const inTurn = fewAtOnce({
    atOnceMax: writersMax[options.database.kind],
    ...{ waitingMax: placesMax, retryAfterMs: 3_000, tooMany: "too many agents send at once" },
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
      handle: ({ caller, body }) => inTurn(() => ingest(options, caller, body)),
    }),
  ];
}

async function ingest(options: IngestOptions, agent: AgentCaller, request: IngestRequest): Promise<IngestReply> {
  const numbered = checkNumbers(request);
  if (!numbered.ok) throw numbered.error;
  const rows = request.items.map((item) => readItem(item, options.hasher));
  const sealed = await sealFresh(options, agent, request, rows);
  return options.database.write(async (trx) => {
    const had = await lockStream(trx, agent, request);
    const missing = request.from - had - 1;
    // A gap: what lies between is asked for again, so that rows are applied in order or not at all.
    if (missing > (request.skipped ?? 0)) return { watermark: had, refused: [], wanted: [] };
    // What the agent's own journal has no more would be waited for for ever.
    if (missing > 0) options.logger.warn("rows_gone", { agent: agent.agentId, from: had + 1, rows: missing });
    const watermark = Math.max(had, request.from - 1);
    const fresh = rows.filter(({ item }) => item.seq > watermark);
    const { refused, pictured } = await applyRows(options, trx, agent, request.epoch, fresh, sealed);
    const last = fresh.at(-1)?.item.seq ?? watermark;
    await trx.db
      .updateTable("ingest_streams")
      .set({ watermark: last, last_seq: Math.max(last, request.lastSeq) })
      .where("agent_id", "=", agent.agentId)
      .where("epoch", "=", request.epoch)
      .execute();
    trx.tell({ kind: "agent", agentId: agent.agentId, isReport: true });
    return { watermark: last, refused, wanted: await wantedPictures(trx, agent, rows, pictured) };
  });
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

/** The stream's watermark, its row locked until the commit: calls of one agent take turns. */
async function lockStream({ db }: HubTransaction, agent: AgentCaller, { epoch }: IngestRequest): Promise<number> {
  const key = { agent_id: agent.agentId, epoch };
  const row = await db
    .insertInto("ingest_streams")
    .values({ ...key, watermark: 0, last_seq: 0 })
    // Changes nothing, and locks the row in the same breath.
    .onConflict((conflict) =>
      conflict
        .columns(["agent_id", "epoch"])
        .doUpdateSet((row) => ({ watermark: row.ref("ingest_streams.watermark") })),
    )
    .returning("watermark")
    .executeTakeFirstOrThrow();
  return row.watermark;
}

interface Applied {
  readonly refused: IngestReply["refused"];
  /** Cases that are new and have their picture: nobody need ask the database what they lack. */
  readonly pictured: ReadonlySet<string>;
}

/** Rows in order: runs of new cases go together, because one statement for many is what makes ingest fast. */
async function applyRows(
  options: IngestOptions,
  trx: HubTransaction,
  agent: AgentCaller,
  epoch: string,
  rows: readonly ReadItem[],
  sealed: SealedCases,
): Promise<Applied> {
  const pictured = new Set<string>();
  const refused: { seq: number; code: string; message: string }[] = [];
  const refuse = async (row: ReadItem, error: HoldpointError): Promise<void> => {
    refused.push({ seq: row.item.seq, code: error.code, message: error.message });
    await quarantine(options, trx, agent, epoch, row, error);
  };
  let run: Extract<ReadItem, { kind: "case" }>[] = [];
  const flush = async (): Promise<void> => {
    const opening = await openCases(options, trx, agent, run, sealed);
    for (const id of opening.pictured) pictured.add(id);
    for (const row of opening.conflicts) {
      await refuse(row, new HoldpointError("HP_CONFLICT", `the id ${row.item.id} has come with another body before`));
    }
    run = [];
  };
  for (const row of rows) {
    if (row.kind === "case") {
      run.push(row);
      continue;
    }
    await flush();
    if (row.kind === "refused") await refuse(row, row.error);
    else await applyChange(options, trx, agent, row);
  }
  await flush();
  return { refused, pictured };
}

async function quarantine(
  { clock, random }: IngestOptions,
  trx: HubTransaction,
  agent: AgentCaller,
  epoch: string,
  { item }: ReadItem,
  error: HoldpointError,
): Promise<void> {
  await trx.db
    .insertInto("quarantine")
    .values({
      quarantine_id: newId(clock, random),
      agent_id: agent.agentId,
      store: agent.store,
      decision_id: item.id,
      kind: item.kind,
      epoch,
      seq: item.seq,
      reason: `${error.code}: ${error.message}`,
      body: item.body,
      at_ms: Math.round(clock.wallMs()),
    })
    .execute();
}

/** Pictures that came along, by decision id. One whose bytes do not have its digest is not kept, and asked for again. */
function inlinePictures({ pictures = [] }: IngestRequest): ReadonlyMap<string, InlinePicture> {
  return new Map(pictures.map(({ id, sha256, data }) => [id, { sha256, bytes: data }]));
}

/** Cases of this call whose pictures the hub still lacks, and how much of each upload it has. */
async function wantedPictures(
  { db }: HubTransaction,
  agent: AgentCaller,
  rows: readonly ReadItem[],
  pictured: ReadonlySet<string>,
): Promise<IngestReply["wanted"]> {
  const ids = rows.flatMap(({ kind, item }) => {
    return kind === "case" && item.brief?.picture && !pictured.has(item.id) ? [item.id] : [];
  });
  if (ids.length === 0) return [];
  const wanted = await db
    .selectFrom("cases")
    .select(["case_id", "decision_id", "picture_sha256"])
    .where("store", "=", agent.store)
    .where("decision_id", "in", ids)
    .where("picture_state", "=", "wanted")
    .execute();
  return wanted.map(({ decision_id: id, picture_sha256: sha256 }) => ({ id, sha256: sha256 ?? "", offset: 0 }));
}
