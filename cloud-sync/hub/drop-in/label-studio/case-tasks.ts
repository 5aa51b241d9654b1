import { z } from "zod";
import { toBase64, type Decision, type ReviewCase } from "../../../../protocol/index.ts";
import { type PersonCaller } from "../../api/caller.ts";
import { listCursor } from "../../api/pages.ts";
import { type HubReader } from "../../database/database.ts";
import { caseResults, type CaseResult } from "../case-result.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { caseMember, choiceResult, type Control } from "./shapes.ts";

/** Cases of the hub as tasks of Label Studio: to be annotated there, or as what was annotated here. */
export interface ExportQuery {
  readonly task: string;
  readonly store?: string | undefined;
  readonly state: "open" | "final" | "all";
  readonly pictures: "inline" | "none";
  readonly cursor?: string | undefined;
  readonly limit: number;
}

const cursors = listCursor("label-studio", z.string());

export interface ExportPage {
  readonly tasks: readonly Readonly<Record<string, unknown>>[];
  readonly cursor: string | null;
}

export async function exportTasks(
  { database, vault }: DropInOptions,
  caller: PersonCaller,
  query: ExportQuery,
  control: Control,
): Promise<ExportPage> {
  const { found, results } = await database.read(async (db) => {
    const rows = await casesOf({ db }, caller, query);
    return {
      found: rows,
      results: await caseResults(
        { db },
        rows.map(({ case_id }) => case_id),
      ),
    };
  });
  const page = found.slice(0, query.limit);
  const tasks = [];
  for (const row of page) {
    const hasPicture = query.pictures === "inline" && row.picture_state === "kept" && row.picture_type !== null;
    const bytes = hasPicture ? await vault.open(row.case_id) : null;
    const image = bytes && `data:${row.picture_type ?? ""};base64,${toBase64(bytes)}`;
    tasks.push(taskOf(row, results.get(row.case_id), image, control));
  }
  const last = page.at(-1);
  return { tasks, cursor: found.length > page.length && last ? cursors.write(last.case_id) : null };
}

type Row = Awaited<ReturnType<typeof casesOf>>[number];

function casesOf({ db }: HubReader, caller: PersonCaller, { task, store, state, cursor, limit }: ExportQuery) {
  let rows = db
    .selectFrom("cases")
    .select(["case_id", "decision_id", "store", "task", "kind", "view", "decision"])
    .select(["received_ms", "picture_type", "picture_state"])
    .where("task", "=", task)
    .where("state", "!=", "erased")
    .orderBy("case_id")
    .limit(limit + 1);
  if (state !== "all") rows = rows.where("state", "=", state);
  if (store !== undefined) rows = rows.where("store", "=", store);
  if (caller.stores !== null) rows = rows.where("store", "in", [...caller.stores, ""]);
  const after = cursors.read(cursor);
  return (after === null ? rows : rows.where("case_id", ">", after)).execute();
}

function taskOf(
  row: Row,
  result: CaseResult | undefined,
  image: string | null,
  control: Control,
): Readonly<Record<string, unknown>> {
  const view = JSON.parse(row.view) as Partial<ReviewCase>;
  const facts = Object.fromEntries((view.facts ?? []).map(({ name, value }) => [name, value]));
  return {
    data: {
      ...{ ...facts, ...view.context, question: view.question ?? "", [caseMember]: row.decision_id },
      ...(image === null ? {} : { image }),
    },
    meta: { store: row.store, task: row.task, device: view.device ?? "", kind: row.kind },
    predictions: predictionsOf(row, control),
    annotations: (result?.reviews ?? []).map(({ answer, tookMs, atMs }) => ({
      result: answer.kind === "label" ? [choiceResult(control, answer.label)] : [],
      was_cancelled: answer.kind !== "label",
      lead_time: tookMs === null ? null : tookMs / 1000,
      created_at: new Date(atMs).toISOString(),
    })),
  };
}

/** What models said of the case, best first. A sample of what a model accepted is looked at without it. */
export function predictionsOf(
  row: Pick<Row, "kind" | "view" | "decision">,
  control: Control,
): readonly Readonly<Record<string, unknown>>[] {
  if (row.kind === "audit") return [];
  const { suggestions = [] } = JSON.parse(row.view) as Partial<ReviewCase>;
  const [best] = suggestions;
  if (!best) return [];
  const decision = row.decision === null ? null : (JSON.parse(row.decision) as Decision);
  const model = decision?.model ? `${decision.model.name}@${decision.model.version}` : "import";
  const result = [{ ...choiceResult(control, best.label), score: best.confidence }];
  return [{ model_version: model, score: best.confidence, result }];
}
