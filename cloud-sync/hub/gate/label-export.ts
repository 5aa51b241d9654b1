import { sql } from "kysely";
import { z } from "zod";
import { namePattern } from "../../../protocol/index.ts";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { csvHeaders, csvLine } from "../api/csv.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { type HubParts } from "../room.ts";
import { type GateTables } from "./gate-tables.ts";

type LabelRow = GateTables["gate_labels"];

const name = z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" });
const query = z.strictObject({
  task: name,
  store: name.optional(),
  /** Labels of the fine answers, or of the coarse ones. */
  rung: z.enum(["fine", "coarse"]).default("fine"),
  /** Only labels of this model: `sha256:…`. */
  model: z
    .string()
    .max(80)
    .regex(/^[\x21-\x7e]*$/, { error: "must be a digest" })
    .optional(),
  /** Wall-clock milliseconds, inclusive: cases that came since. */
  fromMs: z.coerce.number().int().min(0).optional(),
  toMs: z.coerce.number().int().min(0).optional(),
});
type Wanted = z.output<typeof query>;

const linesAtOnce = 1_000;
const header = [
  ...["confidence", "correct", "store", "task", "rung", "kind", "predicted", "truth", "source", "propensity"],
  ...["uniform", "gate_threshold", "certificate", "model", "calibration", "basket", "at", "case"],
];

/**
 * `GET /v1/gate-labels`: the labels that certificates are made of, as `holdpoint gate certify --scores` reads them. What a
 * rule decided is left out.
 */
export function labelExportRoute(parts: HubParts): HubRoute {
  return personRoute("cases.read", {
    ...{ method: "GET", path: "/v1/gate-labels" },
    operation: {
      id: "exportGateLabels",
      summary: "Labels of a task as CSV, for `holdpoint gate certify`",
      tag: "gate",
    },
    query,
    reply: { contentType: "text/csv" },
    handle: async ({ caller, query: wanted, exchange }) => {
      const isTheirs = inScope(caller.tasks, wanted.task);
      const stores =
        wanted.store === undefined ? caller.stores : [wanted.store].filter((one) => inScope(caller.stores, one));
      const entry = {
        actor: `${caller.kind}:${caller.id}`,
        action: "gate_labels.exported",
        subject: `task:${wanted.task}`,
      };
      await parts.database.write((trx) => parts.audit.record(trx, { ...entry, detail: { ...wanted } }));
      const stream = csvOf(parts, { ...wanted, stores: isTheirs ? stores : [] }, exchange.gone);
      return new Response(stream, { headers: csvHeaders("gate-labels.csv") });
    },
  });
}

type Asked = Wanted & { readonly stores: PersonCaller["stores"] };

function csvOf(parts: HubParts, asked: Asked, gone: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let after: LabelRow | null = null;
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode(csvLine(header))),
    pull: async (controller) => {
      const rows: LabelRow[] = gone.aborted ? [] : await rowsAfter(parts, asked, after);
      if (rows.length > 0) controller.enqueue(encoder.encode(rows.map(lineOf).join("")));
      after = rows.at(-1) ?? null;
      if (rows.length < linesAtOnce) controller.close();
    },
  });
}

function rowsAfter({ database }: HubParts, asked: Asked, after: LabelRow | null): Promise<LabelRow[]> {
  const { task, stores, rung, model, fromMs, toMs } = asked;
  return database.read((db) => {
    let rows = db
      .selectFrom("gate_labels")
      .selectAll()
      .where("task", "=", task)
      .where("rung", "=", rung)
      .where("is_wrong", "is not", null)
      .where("is_rule", "=", 0)
      .orderBy("came_ms")
      .orderBy("case_id")
      .limit(linesAtOnce);
    if (stores !== null) rows = rows.where("store", "in", [...stores, ""]);
    if (model !== undefined) rows = rows.where("model", "=", model);
    if (fromMs !== undefined) rows = rows.where("came_ms", ">=", fromMs);
    if (toMs !== undefined) rows = rows.where("came_ms", "<", toMs);
    if (after !== null) {
      // As one comparison of both, so that a page begins in the index where the one before it ended.
      rows = rows.where(sql<boolean>`(came_ms, case_id) > (${after.came_ms}, ${after.case_id})`);
    }
    return rows.execute();
  });
}

function lineOf(row: LabelRow): string {
  return csvLine([
    ...[row.confidence, row.is_wrong === 1 ? 0 : 1, row.store, row.task, row.rung, row.kind, row.predicted, row.truth],
    ...[row.source, row.propensity, row.is_uniform, row.gate_threshold, row.certificate, row.model, row.calibration],
    // A decision without a basket is one of its own: whoever certifies counts one decision of each basket.
    ...[row.basket ?? row.case_id, new Date(row.held_ms).toISOString(), row.case_id],
  ]);
}
