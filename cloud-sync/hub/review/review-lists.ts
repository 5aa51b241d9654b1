import { sql, type Kysely, type SelectQueryBuilder } from "kysely";
import { z } from "zod";
import { inScope, type PersonCaller } from "../api/caller.ts";
import { listCursor } from "../api/pages.ts";
import { type HubDatabase } from "../database/database.ts";
import { type HubTables } from "../database/tables.ts";
import { type LabelSource, type SlotRole } from "./review-tables.ts";
import { inHand, type SlotRow } from "./slots.ts";

/** Pages of what is under way and of what is known, within the caller's stores and tasks. One row more than the limit. */
interface PageAsked {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly store?: string | undefined;
  readonly task?: string | undefined;
}
type Scope = Pick<PersonCaller, "stores" | "tasks">;

/** Key in the queue and slot; time of the label and case; task and person. */
export const openCursors = listCursor("review-queue", z.tuple([z.number(), z.string()]));
export const labelCursors = listCursor("review-labels", z.tuple([z.number(), z.string()]));
export const statsCursors = listCursor("reviewer-stats", z.tuple([z.string(), z.string()]));

interface OpenRow {
  readonly queue_key: number;
  readonly slot_id: string;
  readonly reviewer: string | null;
  readonly item: {
    readonly id: string;
    readonly caseId: string;
    readonly store: string;
    readonly task: string;
    readonly role: SlotRole;
    readonly skill: string | null;
    readonly state: "waiting" | "leased" | "answered";
    readonly heldMs: number;
    readonly dueMs: number | null;
  };
}

interface OpenAsked extends PageAsked {
  readonly state?: OpenRow["item"]["state"] | undefined;
}

/** Each lane in its own order, and what is in somebody's hands; merged here, so that no list needs an index of its own. */
export async function listOpen(database: HubDatabase, scope: Scope, asked: OpenAsked): Promise<readonly OpenRow[]> {
  const after = openCursors.read(asked.cursor);
  const rows = await database.read(async (db) => {
    const { state } = asked;
    const found: SlotRow[] = [];
    if (state !== "waiting") {
      const held = openSlots(db, scope, asked, after).where(inHand);
      found.push(...(await (state === undefined ? held : held.where("state", "=", state)).execute()));
    }
    if (state !== undefined && state !== "waiting") return found;
    for (const { lane, task } of await db.selectFrom("review_lanes").select(["lane", "task"]).execute()) {
      if (!inScope(scope.tasks, task) || (asked.task !== undefined && asked.task !== task)) continue;
      const waiting = openSlots(db, scope, asked, after).where("lane", "=", lane);
      found.push(...(await waiting.where("state", "=", sql.lit("waiting" as const)).execute()));
    }
    return found;
  });
  const byKey = (a: SlotRow, b: SlotRow): number => a.queue_key - b.queue_key || (a.slot_id < b.slot_id ? -1 : 1);
  return rows
    .sort(byKey)
    .slice(0, asked.limit + 1)
    .map(openRow);
}

function openSlots(
  db: Kysely<HubTables>,
  { stores, tasks }: Scope,
  asked: OpenAsked,
  after: readonly [number, string] | null,
): SelectQueryBuilder<HubTables, "review_slots", SlotRow> {
  let query = db
    .selectFrom("review_slots")
    .selectAll()
    // Gold cases are nobody's work, and a list that showed them would tell which ones they are.
    .where("role", "!=", "gold")
    .orderBy("queue_key")
    .orderBy("slot_id")
    .limit(asked.limit + 1);
  if (stores !== null) query = query.where("store", "in", [...stores]);
  if (tasks !== null) query = query.where("task", "in", [...tasks]);
  if (asked.store !== undefined) query = query.where("store", "=", asked.store);
  if (asked.task !== undefined) query = query.where("task", "=", asked.task);
  return after ? query.where(sql<boolean>`(queue_key, slot_id) > (${after[0]}, ${after[1]})`) : query;
}

function openRow(row: SlotRow): OpenRow {
  const skill = row.lane.split("|")[1] ?? "";
  return {
    ...{ queue_key: row.queue_key, slot_id: row.slot_id, reviewer: row.reviewer_name },
    item: {
      ...{ id: row.slot_id, caseId: row.case_id, store: row.store, task: row.task, role: row.role },
      skill: skill === "" ? null : skill,
      state: row.state as OpenRow["item"]["state"],
      ...{ heldMs: row.held_ms, dueMs: row.due_ms },
    },
  };
}

interface LabelRow {
  readonly caseId: string;
  readonly store: string;
  readonly task: string;
  readonly kind: "escalation" | "audit" | "import";
  readonly modelLabel: string | null;
  readonly label: string;
  readonly source: LabelSource;
  readonly hasConflict: boolean;
  readonly atMs: number;
}

export async function listLabels(
  database: HubDatabase,
  { stores, tasks }: Scope,
  asked: PageAsked & { readonly since?: number | undefined },
): Promise<readonly LabelRow[]> {
  const before = labelCursors.read(asked.cursor);
  const rows = await database.read((db) => {
    let query = db
      .selectFrom("review_cases")
      .select(["case_id", "store", "task", "kind", "model_label", "has_conflict"])
      .select(["adjudicated_label", "adjudicated_source", "adjudicated_ms"])
      .where("adjudicated_ms", "is not", null)
      .orderBy("adjudicated_ms", "desc")
      .orderBy("case_id", "desc")
      .limit(asked.limit + 1);
    if (stores !== null) query = query.where("store", "in", [...stores]);
    if (tasks !== null) query = query.where("task", "in", [...tasks]);
    if (asked.store !== undefined) query = query.where("store", "=", asked.store);
    if (asked.task !== undefined) query = query.where("task", "=", asked.task);
    if (asked.since !== undefined) query = query.where("adjudicated_ms", ">=", asked.since);
    if (before) query = query.where(sql<boolean>`(adjudicated_ms, case_id) < (${before[0]}, ${before[1]})`);
    return query.execute();
  });
  return rows.map((row) => ({
    ...{ caseId: row.case_id, store: row.store, task: row.task, kind: row.kind, modelLabel: row.model_label },
    ...{ label: row.adjudicated_label ?? "", source: row.adjudicated_source ?? "review" },
    ...{ hasConflict: row.has_conflict === 1, atMs: row.adjudicated_ms ?? 0 },
  }));
}

/** What one reviewer did in one task. */
export interface ReviewerFigures {
  readonly person: string;
  readonly name: string;
  readonly task: string;
  readonly answered: number;
  readonly cannotTell: number;
  readonly goldShown: number;
  readonly goldAccuracy: number | null;
  readonly judged: number;
  readonly upheldShare: number | null;
  readonly meanTookMs: number | null;
}

export async function listStats(
  database: HubDatabase,
  { tasks }: Scope,
  asked: PageAsked,
): Promise<readonly ReviewerFigures[]> {
  const after = statsCursors.read(asked.cursor);
  const rows = await database.read((db) => {
    let query = db
      .selectFrom("review_stats")
      .selectAll()
      .orderBy("task")
      .orderBy("person_id")
      .limit(asked.limit + 1);
    if (tasks !== null) query = query.where("task", "in", [...tasks]);
    if (asked.task !== undefined) query = query.where("task", "=", asked.task);
    if (after) query = query.where(sql<boolean>`(task, person_id) > (${after[0]}, ${after[1]})`);
    return query.execute();
  });
  const share = (part: number, of: number): number | null => (of === 0 ? null : part / of);
  return rows.map((row) => ({
    ...{ person: row.person_id, name: row.reviewer_name, task: row.task, answered: row.answered },
    ...{ cannotTell: row.cannot_tell, goldShown: row.gold_shown, judged: row.judged },
    goldAccuracy: share(row.gold_right, row.gold_shown),
    upheldShare: share(row.upheld, row.judged),
    meanTookMs: share(row.took_ms_sum, row.took_count),
  }));
}
