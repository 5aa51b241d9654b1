import { z } from "zod";
import { HoldpointError } from "../../../protocol/index.ts";
import { isInReach, type PersonCaller } from "../api/caller.ts";
import { type HubDatabase } from "../database/database.ts";
import { shownState } from "./case-list.ts";
import { type CaseTables } from "./case-tables.ts";

/** One case's whole story: what came in, what the model said, why it was held, who answered, what the device was told. */
const plain = z.record(z.string(), z.unknown());

export const caseStorySchema = z.strictObject({
  id: z.string(),
  store: z.string(),
  task: z.string(),
  device: z.string(),
  decisionId: z.string(),
  kind: z.enum(["escalation", "audit", "import"]),
  state: z.enum(["open", "final", "erased"]),
  /** What came in, as reviewers are shown it. */
  view: plain,
  /** What the model said at first, and the newest revision; null for imports. */
  firstDecision: plain.nullable(),
  decision: plain.nullable(),
  costs: plain.nullable(),
  receivedMs: z.number(),
  heldMs: z.number(),
  dueMs: z.number().nullable(),
  finalMs: z.number().nullable(),
  picture: z.strictObject({ state: z.enum(["none", "wanted", "kept", "gone"]), url: z.string().nullable() }),
  review: z
    .strictObject({
      sentAnswer: plain.nullable(),
      sentMs: z.number().nullable(),
      finalLabel: z.string().nullable(),
      finalBy: z.string().nullable(),
      label: z.string().nullable(),
      labelSource: z.string().nullable(),
      labelMs: z.number().nullable(),
      hasConflict: z.boolean(),
    })
    .nullable(),
  /** Every answer. Names are for leads and auditors; others read "a reviewer". */
  answers: z.array(
    z.strictObject({
      source: z.enum(["hub", "store"]),
      role: z.string().nullable(),
      reviewer: z.string(),
      answer: plain,
      tookMs: z.number().nullable(),
      isLate: z.boolean(),
      hasConflict: z.boolean(),
      isRight: z.boolean().nullable(),
      atMs: z.number(),
    }),
  ),
  outcomes: z.array(z.strictObject({ source: z.string(), body: plain, atMs: z.number() })),
  /** What happened, in order. */
  events: z.array(z.strictObject({ kind: z.string(), atMs: z.number(), body: plain })),
  /** More happened than is listed. */
  hasMoreEvents: z.boolean(),
});
export type CaseStory = z.output<typeof caseStorySchema>;

type CaseRow = CaseTables["cases"];
const eventsMax = 500;
const answersMax = 200;

/** A case of the caller's stores and tasks. Throws HP_NOT_FOUND: of another store's there is nothing to know. */
export async function findCase(database: HubDatabase, caller: PersonCaller, id: string): Promise<CaseRow> {
  const row = await database.read((db) =>
    db.selectFrom("cases").selectAll().where("case_id", "=", id).executeTakeFirst(),
  );
  if (row && isInReach(caller, row)) return row;
  throw new HoldpointError("HP_NOT_FOUND", `there is no case ${id}`);
}

export async function caseStory(database: HubDatabase, caller: PersonCaller, row: CaseRow): Promise<CaseStory> {
  const id = row.case_id;
  const seesNames = caller.permissions.has("lead") || caller.permissions.has("audit.read");
  const parts = await database.read(async (db) => ({
    review: await db.selectFrom("review_cases").selectAll().where("case_id", "=", id).executeTakeFirst(),
    answers: await db
      .selectFrom("reviews")
      .selectAll()
      .where("case_id", "=", id)
      // As gold the case measures a reviewer; that is no part of its story.
      .where("is_gold", "=", 0)
      .orderBy("at_ms")
      .orderBy("review_row")
      .limit(answersMax)
      .execute(),
    outcomes: await db
      .selectFrom("outcomes")
      .selectAll()
      .where("store", "=", row.store)
      .where("decision_id", "=", row.decision_id)
      .orderBy("outcome_id")
      .limit(answersMax)
      .execute(),
    events: await db
      .selectFrom("case_events")
      .select(["kind", "at_ms", "body"])
      .where("case_id", "=", id)
      .orderBy("event_id")
      .limit(eventsMax + 1)
      .execute(),
  }));
  const { review } = parts;
  const events = inStoryOrder(withOpening(row, parts.events));
  return {
    ...{ id, store: row.store, task: row.task, device: row.device, decisionId: row.decision_id },
    ...{ kind: row.kind, state: shownState(row, review?.is_open ?? null) },
    view: json(row.view) ?? {},
    ...{
      firstDecision: json(row.first_decision ?? row.decision),
      decision: json(row.decision),
      costs: json(row.costs),
    },
    ...{ receivedMs: row.received_ms, heldMs: row.held_ms, dueMs: row.due_ms, finalMs: row.final_ms },
    picture: {
      state: row.picture_state,
      url: row.picture_state === "kept" ? `/v1/cases/${id}/picture` : null,
    },
    review: review
      ? {
          ...{ sentAnswer: json(review.sent_answer), sentMs: review.sent_ms },
          ...{ finalLabel: review.final_label, finalBy: review.final_by },
          ...{ label: review.adjudicated_label, labelSource: review.adjudicated_source },
          ...{ labelMs: review.adjudicated_ms, hasConflict: review.has_conflict === 1 },
        }
      : null,
    answers: parts.answers.map((one) => ({
      ...{ source: one.source, role: one.role, tookMs: one.took_ms, atMs: one.at_ms },
      reviewer: seesNames ? one.reviewer_name : "a reviewer",
      answer: json(one.answer) ?? {},
      ...{ isLate: one.is_late === 1, hasConflict: one.has_conflict === 1 },
      isRight: one.is_right === null ? null : one.is_right === 1,
    })),
    outcomes: parts.outcomes.map(({ source, body, at_ms: atMs }) => ({ source, body: json(body) ?? {}, atMs })),
    events: events.slice(0, eventsMax).map(({ kind, at_ms: atMs, body }) => ({
      ...{ kind, atMs },
      body: seesNames ? (json(body) ?? {}) : nameless(json(body) ?? {}),
    })),
    hasMoreEvents: events.length > eventsMax,
  };
}

type StoryLine = Pick<CaseTables["case_events"], "kind" | "at_ms" | "body">;

/** Cases come by the thousand, and their row says when and how: the line is made of it where none was written. */
function withOpening(row: CaseRow, events: readonly StoryLine[]): readonly StoryLine[] {
  if (events.some(({ kind }) => kind === "opened")) return events;
  const body = JSON.stringify({ kind: row.kind, dueMs: row.due_ms });
  return [{ kind: "opened", at_ms: row.received_ms, body }, ...events];
}

const actsOfPeople: ReadonlySet<string> = new Set([
  "answered",
  "adjudicated",
  "late",
  "undone",
  "escalated",
  "released",
]);

/** Ids of one millisecond are in no order: there, what a person did comes before what followed of it, and its sending
 * before what was asked next. */
export function inStoryOrder<Line extends Pick<StoryLine, "kind" | "at_ms">>(lines: readonly Line[]): readonly Line[] {
  const place = ({ kind }: Line): number => {
    if (kind === "opened") return 0;
    if (actsOfPeople.has(kind)) return 1;
    return kind === "sent" ? 2 : 3;
  };
  return [...lines].sort((a, b) => a.at_ms - b.at_ms || place(a) - place(b));
}

/** Members of a story's lines that name people. */
const namesOfPeople: ReadonlySet<string> = new Set(["reviewer", "reviewers", "by"]);

function nameless(body: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !namesOfPeople.has(name)));
}

function json(text: string | null): Record<string, unknown> | null {
  return text === null ? null : (JSON.parse(text) as Record<string, unknown>);
}
