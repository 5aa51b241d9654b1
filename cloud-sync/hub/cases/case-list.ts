import { sql } from "kysely";
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
  /** Part of an id, a device, a label, a fact or a text of the context: plain characters, A like a. */
  search: z.string().trim().min(1).max(100).optional(),
});
export type CaseQuery = z.output<typeof caseQuerySchema>;

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
  const items = page.filter((row) => isFound(row, query.search)).map(itemOf);
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
    const like = (column: string, text: string) => {
      const pattern = `%${text.toLowerCase().replaceAll(/[\\%_]/g, "\\$&")}%`;
      return sql<boolean>`lower(${sql.ref(column)}) like ${pattern} escape '\\'`;
    };
    const { search } = query;
    const plain = ["c.case_id", "c.decision_id", "c.device", "r.final_label", "r.adjudicated_label"];
    // In JSON as JSON writes it; what only its names have is taken out again below.
    const inView = like("c.view", JSON.stringify(search).slice(1, -1));
    rows = rows.where((where) => where.or([...plain.map((column) => like(column, search)), inView]));
  }
  return rows.execute();
}

type Row = Awaited<ReturnType<typeof itemsBetween>>[number];

function isFound(row: Row, search: string | undefined): boolean {
  if (search === undefined) return true;
  const { context = {}, suggestions = [], facts = [] } = JSON.parse(row.view) as Partial<ReviewCase>;
  const texts = [row.case_id, row.decision_id, row.device, row.final_label, row.adjudicated_label];
  const shown = [
    ...Object.values(context),
    ...suggestions.map(({ label }) => label),
    ...facts.map(({ value }) => value),
  ];
  return [...texts, ...shown].some((text) =>
    String(text ?? "")
      .toLowerCase()
      .includes(search.toLowerCase()),
  );
}

/** A case's state as people mean it: the journal says nothing more of an audit sample, so its reviewers have the last word. */
export function shownState(
  row: Pick<CaseTables["cases"], "kind" | "state">,
  isAsked: number | null,
): CaseItem["state"] {
  return row.kind === "audit" && row.state === "open" && isAsked === 0 ? "final" : row.state;
}

function itemOf(row: Row): CaseItem {
  const first = row.first_decision === null ? null : (JSON.parse(row.first_decision) as FirstDecision);
  return {
    ...{ id: row.case_id, store: row.store, task: row.task, device: row.device, decisionId: row.decision_id },
    ...{ kind: row.kind, state: shownState(row, row.is_open), picture: row.picture_state },
    verdict: row.kind === "import" ? null : row.kind === "audit" ? "accept" : "escalate",
    modelLabel: row.model_label ?? first?.answer?.label ?? null,
    confidence: first?.confidence ?? null,
    ...{ finalLabel: row.final_label, finalBy: row.final_by },
    ...{ label: row.adjudicated_label, labelSource: row.adjudicated_source, hasConflict: row.has_conflict === 1 },
    ...{ receivedMs: row.received_ms, dueMs: row.due_ms, finalMs: row.final_ms },
  };
}

interface FirstDecision {
  readonly confidence?: number;
  readonly answer?: { readonly label?: string } | null;
}
