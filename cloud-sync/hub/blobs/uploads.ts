import { sql, type Kysely } from "kysely";
import {
  blobReplySchema,
  HoldpointError,
  hubLimits,
  jsonResponse,
  newId,
  toHex,
  type BlobReply,
} from "../../../protocol/index.ts";
import { type AgentCaller } from "../api/caller.ts";
import { agentRoute, type HubRoute } from "../api/hub-route.ts";
import { type HubTransaction } from "../database/database.ts";
import { type HubTables } from "../database/tables.ts";
import { type HubParts } from "../room.ts";
import { type PictureVault } from "./picture-vault.ts";

/**
 * Pictures on their way in: parts of a picture, in order, each with its place (`Content-Range`). A part that came before
 * is taken again without harm; the answer says how much is here, so a broken upload goes on where it stopped, at
 * whichever process of the hub it reaches next.
 */
export interface UploadOptions extends HubParts {
  readonly vault: PictureVault;
}

interface Wanted {
  readonly caseId: string;
  readonly bytes: number;
}

export function uploadRoutes(options: UploadOptions): readonly HubRoute[] {
  return [
    agentRoute({
      method: "PUT",
      path: "/v1/blobs/:id/:sha256",
      operation: { id: "uploadPicture", summary: "Send a part of a case's picture", tag: "agents" },
      body: "bytes",
      bodyBytesMax: hubLimits.blobPartBytesMax,
      reply: blobReplySchema,
      handle: async ({ caller, params, body, exchange }) => {
        const place = readRange(exchange.header("content-range"), body.byteLength);
        const { id = "", sha256 = "" } = params;
        return answer(await take(options, caller, id, sha256, place, body));
      },
    }),
  ];
}

interface Place {
  readonly from: number;
  readonly total: number;
}

/** RFC 9110 14.4: `bytes <first>-<last>/<total>`. Throws HP_SCHEMA, HP_TOO_LARGE. */
function readRange(header: string | null, bodyBytes: number): Place {
  const match = /^bytes (\d{1,12})-(\d{1,12})\/(\d{1,12})$/.exec(header ?? "");
  const [, first, last, total] = (match ?? []).map(Number);
  if (first === undefined || last === undefined || total === undefined) {
    throw new HoldpointError("HP_SCHEMA", "Content-Range: must be bytes <first>-<last>/<total>");
  }
  if (total > hubLimits.blobBytesMax) {
    throw new HoldpointError("HP_TOO_LARGE", `a picture has at most ${hubLimits.blobBytesMax} bytes`);
  }
  // An empty part would take the place of the next one.
  if (last < first || last - first + 1 !== bodyBytes || last >= total) {
    throw new HoldpointError("HP_SCHEMA", "Content-Range: does not fit the body");
  }
  return { from: first, total };
}

function answer(reply: BlobReply): Response {
  return jsonResponse(reply, reply.complete ? 201 : 202);
}

/** Errors: HP_NOT_FOUND (no such case of this store, or another digest), HP_SCHEMA (the whole has another digest). */
async function take(
  options: UploadOptions,
  agent: AgentCaller,
  decisionId: string,
  sha256: string,
  { from, total }: Place,
  part: Uint8Array,
): Promise<BlobReply> {
  const wanted = await find(options, agent, decisionId, sha256);
  if (wanted === null) return { offset: total, complete: true };
  if (wanted.bytes !== total)
    throw new HoldpointError("HP_SCHEMA", `the picture was announced with ${wanted.bytes} bytes`);
  const nowMs = Math.round(options.clock.wallMs());
  const offset = await options.database.write(async ({ db }) => {
    const have = await endOf(db, wanted.caseId, sha256);
    // Only the next part is taken: a gap would have to be found again later.
    if (from !== have) return have;
    const row = { case_id: wanted.caseId, sha256, part_offset: from, bytes: part, came_ms: nowMs };
    const taken = await db
      .insertInto("blob_parts")
      .values(row)
      .onConflict((conflict) => conflict.columns(["case_id", "sha256", "part_offset"]).doNothing())
      .returning("part_offset")
      .executeTakeFirst();
    // Another call with this part was a moment faster, and its part may be another length.
    return taken ? from + part.byteLength : endOf(db, wanted.caseId, sha256);
  });
  if (offset < total) return { offset, complete: false };
  return finish(options, wanted, sha256, nowMs);
}

/** Null where the picture is here already. */
async function find(
  { database }: UploadOptions,
  agent: AgentCaller,
  decisionId: string,
  sha256: string,
): Promise<Wanted | null> {
  const row = await database.read((db) =>
    db
      .selectFrom("cases")
      .select(["case_id", "picture_sha256", "picture_bytes", "picture_state"])
      .where("store", "=", agent.store)
      .where("decision_id", "=", decisionId)
      .executeTakeFirst(),
  );
  if (row?.picture_sha256 !== sha256) throw new HoldpointError("HP_NOT_FOUND", "no case here waits for this picture");
  return row.picture_state === "wanted" ? { caseId: row.case_id, bytes: row.picture_bytes } : null;
}

interface Part {
  readonly part_offset: number;
  readonly bytes: Uint8Array;
}

function partsOf(db: Kysely<HubTables>, caseId: string, sha256: string): Promise<Part[]> {
  return db
    .selectFrom("blob_parts")
    .select(["part_offset", "bytes"])
    .where("case_id", "=", caseId)
    .where("sha256", "=", sha256)
    .orderBy("part_offset")
    .execute();
}

/** Where the next part begins. Of the parts that are here only the last one's length is asked for, and not their bytes. */
async function endOf(db: HubTransaction["db"], caseId: string, sha256: string): Promise<number> {
  const last = await db
    .selectFrom("blob_parts")
    .select(["part_offset", sql<number>`length(bytes)`.as("part_bytes")])
    .where("case_id", "=", caseId)
    .where("sha256", "=", sha256)
    .orderBy("part_offset", "desc")
    .limit(1)
    .executeTakeFirst();
  return last ? last.part_offset + last.part_bytes : 0;
}

async function finish(
  options: UploadOptions,
  { caseId, bytes: bytesWanted }: Wanted,
  sha256: string,
  nowMs: number,
): Promise<BlobReply> {
  const { clock, random, hasher, vault, database } = options;
  const bytes = joined(await database.read((db) => partsOf(db, caseId, sha256)));
  // Another call has just made the picture of them; whoever asks again is told so.
  if (bytes.byteLength < bytesWanted) return { offset: bytes.byteLength, complete: false };
  const isIt = toHex(hasher.sha256(bytes)) === sha256;
  const keys = isIt ? await vault.seal([{ caseId, bytes }]) : [];
  await database.write(async (trx) => {
    await trx.db.deleteFrom("blob_parts").where("case_id", "=", caseId).where("sha256", "=", sha256).execute();
    if (!isIt) return;
    const waiting = await trx.db
      .updateTable("cases")
      .set({ picture_state: "kept" })
      .where("case_id", "=", caseId)
      .where("picture_state", "=", "wanted")
      .executeTakeFirst();
    // Erased meanwhile, or another call was first: the bytes are nobody's without a key.
    if (waiting.numUpdatedRows === 0n) return;
    await vault.keep(trx, keys);
    const event = { event_id: newId(clock, random), case_id: caseId, at_ms: nowMs, kind: "picture" };
    await trx.db
      .insertInto("case_events")
      .values({ ...event, body: JSON.stringify({ bytes: bytes.byteLength }) })
      .execute();
    trx.tell({ kind: "case", caseId });
  });
  if (!isIt) {
    throw new HoldpointError(
      "HP_SCHEMA",
      "the picture does not have the digest of its address; send it from the start",
    );
  }
  return { offset: bytes.byteLength, complete: true };
}

function joined(parts: readonly Part[]): Uint8Array {
  const last = parts.at(-1);
  const whole = new Uint8Array(last ? last.part_offset + last.bytes.byteLength : 0);
  for (const { part_offset: at, bytes } of parts) whole.set(bytes, at);
  return whole;
}
