import { type ReviewAnswer } from "../../../protocol/index.ts";
import { isInReach, type PersonCaller } from "../api/caller.ts";
import { type HubReader } from "../database/database.ts";

/** What people have made of a case, for whoever sent it in. */
export interface CaseResult {
  readonly caseId: string;
  readonly decisionId: string;
  readonly store: string;
  readonly task: string;
  readonly isDone: boolean;
  /** What left the hub, or the stronger word that came after it; null where nobody has answered (yet, or in time). */
  readonly answer: ReviewAnswer | null;
  readonly answeredMs: number | null;
  /** Share of the answers given that agree with it; 0 where nobody could tell. */
  readonly confidence: number;
  /** Every answer that was given, in the order of giving. */
  readonly reviews: readonly KeptReview[];
}

export interface KeptReview {
  readonly id: string;
  readonly person: string;
  readonly name: string;
  readonly answer: ReviewAnswer;
  readonly tookMs: number | null;
  readonly atMs: number;
}

/** Results of cases, by case id; what is unknown or erased is left out. */
export async function caseResults(
  { db }: HubReader,
  caseIds: readonly string[],
): Promise<ReadonlyMap<string, CaseResult>> {
  if (caseIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("cases")
    .leftJoin("review_cases", "review_cases.case_id", "cases.case_id")
    .select(["cases.case_id", "cases.decision_id", "cases.store", "cases.task", "cases.state", "cases.final_ms"])
    .select(["review_cases.sent_answer", "review_cases.sent_ms", "review_cases.final_label"])
    .select(["review_cases.is_open"])
    .select(["review_cases.adjudicated_label", "review_cases.adjudicated_source"])
    .where("cases.case_id", "in", [...caseIds])
    .where("cases.state", "!=", "erased")
    .execute();
  const reviews = await reviewsOf(db, caseIds);
  return new Map(
    rows.map((row) => {
      const own = reviews.get(row.case_id) ?? [];
      const answer = answerOf(row);
      const result = {
        ...{ caseId: row.case_id, decisionId: row.decision_id, store: row.store, task: row.task, answer, reviews: own },
        // Nobody is asked any more where time was up without an answer.
        isDone: row.state === "final" || row.sent_ms !== null || row.is_open === 0,
        answeredMs: row.sent_ms ?? row.final_ms,
        confidence: confidenceOf(answer, own),
      };
      return [row.case_id, result];
    }),
  );
}

/** A case of the caller's own stores and tasks by the id that its sender knows; null where there is none. */
export async function resultOfDecision(
  { db }: HubReader,
  caller: Pick<PersonCaller, "stores" | "tasks">,
  decisionId: string,
): Promise<CaseResult | null> {
  const rows = await db
    .selectFrom("cases")
    .select(["case_id", "store", "task"])
    .where("decision_id", "=", decisionId)
    .where("kind", "=", "import")
    .execute();
  const own = rows.find((row) => isInReach(caller, row));
  return own ? ((await caseResults({ db }, [own.case_id])).get(own.case_id) ?? null) : null;
}

interface AnswerColumns {
  readonly sent_answer: string | null;
  readonly final_label: string | null;
  readonly adjudicated_label: string | null;
  readonly adjudicated_source: string | null;
}

/** One reviewer's answer is what was sent; what several people, a lead or the world said since is worth more. */
function answerOf(row: AnswerColumns): ReviewAnswer | null {
  const isStronger = ["consensus", "adjudication", "outcome"].includes(row.adjudicated_source ?? "");
  if (isStronger && row.adjudicated_label !== null) return { kind: "label", label: row.adjudicated_label };
  if (row.sent_answer !== null) return JSON.parse(row.sent_answer) as ReviewAnswer;
  return row.final_label === null ? null : { kind: "label", label: row.final_label };
}

function confidenceOf(answer: ReviewAnswer | null, reviews: readonly KeptReview[]): number {
  if (answer?.kind !== "label") return 0;
  const labels = reviews.flatMap((one) => (one.answer.kind === "label" ? [one.answer.label] : []));
  return labels.length === 0 ? 1 : labels.filter((label) => label === answer.label).length / labels.length;
}

async function reviewsOf(
  db: HubReader["db"],
  caseIds: readonly string[],
): Promise<ReadonlyMap<string, readonly KeptReview[]>> {
  const rows = await db
    .selectFrom("reviews")
    .select(["review_row", "case_id", "person_id", "reviewer_name", "answer", "took_ms", "at_ms"])
    .where("case_id", "in", [...caseIds])
    .where("is_gold", "=", 0)
    .where("source", "=", "hub")
    .orderBy("at_ms")
    .orderBy("review_row")
    .execute();
  const byCase = new Map<string, KeptReview[]>();
  for (const row of rows) {
    const {
      review_row: id,
      case_id: caseId,
      person_id: person,
      reviewer_name: name,
      took_ms: tookMs,
      at_ms: atMs,
    } = row;
    const answer = JSON.parse(row.answer) as ReviewAnswer;
    const list = byCase.get(caseId) ?? [];
    list.push({ id, person: person ?? name, name, answer, tookMs, atMs });
    byCase.set(caseId, list);
  }
  return byCase;
}
