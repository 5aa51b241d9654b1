import { z } from "zod";
import { type PersonCaller } from "../api/caller.ts";
import { csvHeaders, csvLine } from "../api/csv.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { listCursor, pageOf, pageQuery, pageSchema } from "../api/pages.ts";
import { checkWholeHub } from "../api/whole-hub.ts";
import { type HubParts } from "../room.ts";
import { type AuditTables } from "./audit-tables.ts";
import { genesisHash } from "./audit-trail.ts";
import { checkpointSchema, signCheckpoint, type CheckpointSigner } from "./checkpoint.ts";

export interface AuditRoutesParts extends Pick<HubParts, "database" | "clock" | "hasher" | "hubId" | "audit"> {
  readonly signer: CheckpointSigner;
}

const word = z.string().min(1).max(200);
const filters = {
  /** Exactly this one: `person:<id>`. */
  actor: word.optional(),
  /** Exactly this one: `case.viewed`. */
  action: word.optional(),
  subject: word.optional(),
  /** Wall-clock milliseconds, inclusive. */
  fromMs: z.coerce.number().int().min(0).optional(),
  /** Exclusive. */
  toMs: z.coerce.number().int().min(0).optional(),
};
type Filters = z.output<z.ZodObject<typeof filters>>;

const lineSchema = z.strictObject({
  n: z.number(),
  atMs: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.unknown()),
  hash: z.string(),
});

const csvLinesAtOnce = 1_000;
const cursors = listCursor("audit", z.number().int());
const exampleLine = {
  ...{ n: 7, atMs: 1795000000000, actor: "person:019a9f3e", action: "case.viewed", subject: "case:019a9f40" },
  ...{ detail: {}, hash: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" },
};

/** The audit log for those who may read it. Its lines are of every store, so a scope shuts it. */
export function auditRoutes(parts: AuditRoutesParts): readonly HubRoute[] {
  return [
    personRoute("audit.read", {
      ...{ method: "GET", path: "/v1/audit" },
      operation: { id: "listAudit", summary: "Who saw and did what, newest first", tag: "audit" },
      query: pageQuery(filters),
      reply: pageSchema(lineSchema),
      examples: { query: { action: "case.viewed" }, reply: { items: [exampleLine], cursor: cursors.write(7) } },
      handle: async ({ caller, query: { cursor, limit, ...wanted } }) => {
        checkScope(caller);
        const rows = await linesBelow(parts, wanted, cursors.read(cursor), limit + 1);
        return pageOf(rows.map(lineOf), limit, ({ n }) => cursors.write(n));
      },
    }),
    personRoute("audit.read", {
      ...{ method: "GET", path: "/v1/audit.csv" },
      operation: { id: "exportAudit", summary: "The same as CSV, whole", tag: "audit" },
      query: z.strictObject(filters),
      reply: { contentType: "text/csv" },
      handle: async ({ caller, query, exchange }) => {
        checkScope(caller);
        const entry = { actor: `${caller.kind}:${caller.id}`, action: "audit.exported", subject: "audit" };
        await parts.database.write((trx) => parts.audit.record(trx, { ...entry, detail: { ...query } }));
        const stream = csvOf(parts, query, exchange.gone);
        return new Response(stream, { headers: csvHeaders("audit.csv") });
      },
    }),
    personRoute("audit.read", {
      ...{ method: "GET", path: "/v1/audit/checkpoint" },
      operation: {
        ...{ id: "getAuditCheckpoint", tag: "audit" },
        summary: "Where the chain stands now, signed: keep it outside of the hub",
      },
      reply: checkpointSchema,
      handle: async () => {
        const head = await parts.database.read((db) =>
          db.selectFrom("audit_head").select(["n", "hash"]).executeTakeFirst(),
        );
        const { n, hash } = head ?? { n: 0, hash: genesisHash(parts.hasher, parts.hubId) };
        return signCheckpoint({ hubId: parts.hubId, n, hash, atMs: Math.round(parts.clock.wallMs()) }, parts.signer);
      },
    }),
  ];
}

function checkScope(caller: PersonCaller): void {
  checkWholeHub(caller, "the audit log is of every store, and you see some");
}

async function linesBelow(
  { database }: AuditRoutesParts,
  { actor, action, subject, fromMs, toMs }: Filters,
  below: number | null,
  limit: number,
): Promise<AuditTables["audit_log"][]> {
  return database.read((db) => {
    let query = db.selectFrom("audit_log").selectAll().orderBy("n", "desc").limit(limit);
    if (below !== null) query = query.where("n", "<", below);
    if (actor !== undefined) query = query.where("actor", "=", actor);
    if (action !== undefined) query = query.where("action", "=", action);
    if (subject !== undefined) query = query.where("subject", "=", subject);
    if (fromMs !== undefined) query = query.where("at_ms", ">=", fromMs);
    if (toMs !== undefined) query = query.where("at_ms", "<", toMs);
    return query.execute();
  });
}

function csvOf(parts: AuditRoutesParts, wanted: Filters, gone: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let below: number | null = null;
  return new ReadableStream({
    start: (controller) => {
      controller.enqueue(encoder.encode(csvLine(["n", "at", "actor", "action", "subject", "detail", "hash"])));
    },
    pull: async (controller) => {
      const rows: AuditTables["audit_log"][] = gone.aborted
        ? []
        : await linesBelow(parts, wanted, below, csvLinesAtOnce);
      const lines = rows.map(({ n, at_ms: atMs, actor, action, subject, detail, hash }) =>
        csvLine([n, new Date(atMs).toISOString(), actor, action, subject, detail, hash]),
      );
      if (lines.length > 0) controller.enqueue(encoder.encode(lines.join("")));
      below = rows.at(-1)?.n ?? null;
      if (rows.length < csvLinesAtOnce) controller.close();
    },
  });
}

function lineOf({ at_ms: atMs, detail, ...rest }: AuditTables["audit_log"]): z.output<typeof lineSchema> {
  return { ...rest, atMs, detail: JSON.parse(detail) as Record<string, unknown> };
}
