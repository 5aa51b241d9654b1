import { sql, type RawBuilder } from "kysely";
import { z } from "zod";
import { type ReviewCase } from "../../../protocol/index.ts";
import { type PersonCaller } from "../api/caller.ts";
import { listCursor, pageQuery } from "../api/pages.ts";
import { type HubDatabase } from "../database/database.ts";
import { type CaseTables } from "./case-tables.ts";

/**
 * The list of cases, newest first. A look passes by at most `scannedMax` cases: where few of them fit, a page has few
 * items, or none, and a cursor with which to go on. So no question, whatever is searched for, holds up the hub.
 */
const scannedMax = 5_000;
const name = z.string().max(200);
const cursors = listCursor("cases", z.string());

export const caseQuerySchema = pageQuery({
  store: name.optional(),
  task: name.optional(),
  state: z.enum(["open", "final", "erased"]).optional(),
  kind: z.enum(["escalation", "audit", "import"]).optional(),
  /** `escalate`: what was held; `accept`: what was accepted and is here as a sample. */
  verdict: z.enum(["accept", "escalate"]).optional(),
  /** Received at or after; wall-clock milliseconds of the hub. */
  since: z.coerce.number().int().min(0).optional(),
  /**
   * Part of an id, of the store, the device, a text of the context (shelf, basket …), the answer, or the model's first
   * answer: plain characters, A like a, in answers a space like the `-` and `_` that people are shown none of.
   */
  search: z.string().trim().min(1).max(100).optional(),
});
export type CaseQuery = z.output<typeof caseQuerySchema>;

/** Where a search found its text, the likeliest meaning first. */
const foundInSchema = z.enum(["id", "store", "device", "context", "answer", "modelAnswer"]);
type FoundIn = z.output<typeof foundInSchema>;

export const caseItemSchema = z.strictObject({
  id: z.string(),
  store: z.string(),
  task: z.string(),
  device: z.string(),
  /** The device's own id of its request. */
  decisionId: z.string(),
  kind: z.enum(["escalation", "audit", "import"]),
  verdict: z.enum(["accept", "escalate"]).nullable(),
  /** Of an audit sample, which no journal decides anew: `final` as soon as nobody is asked any more. */
  state: z.enum(["open", "final", "erased"]),
  modelLabel: z.string().nullable(),
  confidence: z.number().nullable(),
  finalLabel: z.string().nullable(),
  finalBy: z.string().nullable(),
  label: z.string().nullable(),
  labelSource: z.string().nullable(),
  hasConflict: z.boolean(),
  receivedMs: z.number(),
  dueMs: z.number().nullable(),
  finalMs: z.number().nullable(),
  picture: z.enum(["none", "wanted", "kept", "gone"]),
  /** Null without a search. `modelAnswer`: only the model said so first, and what was decided is another thing or open. */
  foundIn: foundInSchema.nullable(),
});
export type CaseItem = z.output<typeof caseItemSchema>;

export interface CasePage {
  readonly items: CaseItem[];
  readonly cursor: string | null;
}

export async function listCases(database: HubDatabase, caller: PersonCaller, query: CaseQuery): Promise<CasePage> {
  const after = cursors.read(query.cursor);
  const window = await database.read((db) => {
    let scanned = db.selectFrom("cases").select("case_id").orderBy("case_id", "desc").limit(scannedMax);
    if (after !== null) scanned = scanned.where("case_id", "<", after);
    if (query.store !== undefined) scanned = scanned.where("store", "=", query.store);
    return scanned.execute();
  });
  const last = window.at(-1)?.case_id;
  if (last === undefined) return { items: [], cursor: null };
  const rows = await database.read((db) => itemsBetween(db, caller, query, { after, last }));
  const page = rows.slice(0, query.limit);
  const { search } = query;
  const items = page.flatMap((row) => {
    const foundIn = search === undefined ? null : placeOf(row, search);
    return search === undefined || foundIn !== null ? [itemOf(row, foundIn)] : [];
  });
  const end = rows.length > query.limit ? page.at(-1)?.case_id : window.length === scannedMax ? last : undefined;
  return { items, cursor: end === undefined ? null : cursors.write(end) };
}

type Reader = Parameters<Parameters<HubDatabase["read"]>[0]>[0];

interface Window {
  /** The last case of the page before. */
  readonly after: string | null;
  readonly last: string;
}

async function itemsBetween(db: Reader, { stores, tasks }: PersonCaller, query: CaseQuery, { after, last }: Window) {
  let rows = db
    .selectFrom("cases as c")
    .leftJoin("review_cases as r", "r.case_id", "c.case_id")
    .select(["c.case_id", "c.store", "c.task", "c.device", "c.decision_id", "c.kind", "c.state"])
    .select((row) => row.fn.coalesce("c.first_decision", "c.decision").as("first_decision"))
    .select(["c.view", "c.received_ms", "c.due_ms", "c.final_ms", "c.picture_state"])
    .select(["r.model_label", "r.final_label", "r.final_by", "r.adjudicated_label", "r.adjudicated_source"])
    .select(["r.has_conflict", "r.is_open"])
    .where("c.case_id", ">=", last)
    .orderBy("c.case_id", "desc")
    .limit(query.limit + 1);
  if (after !== null) rows = rows.where("c.case_id", "<", after);
  if (stores !== null) rows = rows.where("c.store", "in", [...stores]);
  if (tasks !== null) rows = rows.where("c.task", "in", [...tasks]);
  if (query.store !== undefined) rows = rows.where("c.store", "=", query.store);
  if (query.task !== undefined) rows = rows.where("c.task", "=", query.task);
  const { state } = query;
  if (state !== undefined) {
    rows = rows.where((where) => {
      const isSo = where("c.state", "=", state);
      const isJudged = where.and([
        where("c.kind", "=", "audit"),
        where("c.state", "=", "open"),
        where("r.is_open", "=", 0),
      ]);
      if (state === "final") return where.or([isSo, isJudged]);
      return state === "open" ? where.and([isSo, where.not(isJudged)]) : isSo;
    });
  }
  if (query.kind !== undefined) rows = rows.where("c.kind", "=", query.kind);
  if (query.verdict !== undefined)
    rows = rows.where("c.kind", "=", query.verdict === "accept" ? "audit" : "escalation");
  if (query.since !== undefined) rows = rows.where("c.received_ms", ">=", query.since);
  if (query.search !== undefined) {
    const like = (column: RawBuilder<unknown>, text: string) => {
      const pattern = `%${text.toLowerCase().replaceAll(/[\\%_]/g, "\\$&")}%`;
      return sql<boolean>`lower(${column}) like ${pattern} escape '\\'`;
    };
    const { search } = query;
    const plain = ["c.store", "c.device"].map((column) => like(sql.ref(column), search));
    const ids = ["c.case_id", "c.decision_id"].map((column) =>
      isIdPart(search)
        ? like(sql.ref(column), search)
        : sql<boolean>`lower(${sql.ref(column)}) = ${search.toLowerCase()}`,
    );
    const answers = ["r.final_label", "r.adjudicated_label", "r.model_label"].map((column) =>
      like(sql`replace(replace(${sql.ref(column)}, '-', ' '), '_', ' ')`, spaced(search)),
    );
    // In JSON as JSON writes it; what stands elsewhere in the view is taken out again below.
    const inView = like(sql.ref("c.view"), JSON.stringify(search).slice(1, -1));
    rows = rows.where((where) => where.or([...ids, ...plain, ...answers, inView]));
  }
  return rows.execute();
}

type Row = Awaited<ReturnType<typeof itemsBetween>>[number];

/** Null where the text stands in nothing that is searched: in a suggestion that nobody took, for instance. */
function placeOf(row: Row, search: string): FoundIn | null {
  const { context = {} } = JSON.parse(row.view) as Partial<ReviewCase>;
  const has = (texts: readonly (string | null)[], wanted = search): boolean =>
    texts.some((text) => text?.toLowerCase().includes(wanted.toLowerCase()) === true);
  const says = (labels: readonly (string | null)[]): boolean =>
    has(
      labels.map((label) => label && spaced(label)),
      spaced(search),
    );
  const ids = [row.case_id, row.decision_id];
  if (isIdPart(search) ? has(ids) : ids.some((id) => id.toLowerCase() === search.toLowerCase())) return "id";
  if (has([row.store])) return "store";
  if (has([row.device])) return "device";
  if (has(Object.values(context).map(String))) return "context";
  // A dash alone is in most labels, and nobody means it.
  if (!/[^-_ ]/.test(search)) return null;
  if (says([row.final_label, row.adjudicated_label])) return "answer";
  return says([row.model_label]) ? "modelAnswer" : null;
}

/** Shorter texts ("C2", a shelf) stand in many ids by chance; there only the whole id is meant. */
const idPartLeast = 6;

function isIdPart(search: string): boolean {
  return search.length >= idPartLeast;
}

/** As people are shown a label. */
function spaced(text: string): string {
  return text.replaceAll(/[-_]/g, " ");
}

/** A case's state as people mean it: the journal says nothing more of an audit sample, so its reviewers have the last word. */
export function shownState(
  row: Pick<CaseTables["cases"], "kind" | "state">,
  isAsked: number | null,
): CaseItem["state"] {
  return row.kind === "audit" && row.state === "open" && isAsked === 0 ? "final" : row.state;
}

function itemOf(row: Row, foundIn: FoundIn | null): CaseItem {
  const first = row.first_decision === null ? null : (JSON.parse(row.first_decision) as FirstDecision);
  return {
    ...{ id: row.case_id, store: row.store, task: row.task, device: row.device, decisionId: row.decision_id },
    ...{ kind: row.kind, state: shownState(row, row.is_open), picture: row.picture_state },
    verdict: row.kind === "import" ? null : row.kind === "audit" ? "accept" : "escalate",
    modelLabel: row.model_label ?? first?.answer?.label ?? null,
    confidence: first?.confidence ?? null,
    ...{ finalLabel: row.final_label, finalBy: row.final_by },
    ...{ label: row.adjudicated_label, labelSource: row.adjudicated_source, hasConflict: row.has_conflict === 1 },
    ...{ receivedMs: row.received_ms, dueMs: row.due_ms, finalMs: row.final_ms, foundIn },
  };
}

interface FirstDecision {
  readonly confidence?: number;
  readonly answer?: { readonly label?: string } | null;
}
