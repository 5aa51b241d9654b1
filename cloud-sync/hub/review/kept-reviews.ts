import { newId } from "../../../protocol/index.ts";
import { type TakenReview } from "../../review/review-machine.ts";
import { type HubTransaction } from "../database/database.ts";
import { nowOf, type ReviewParts } from "./review-parts.ts";
import { type ReviewTables } from "./review-tables.ts";
import { type SlotRow } from "./slots.ts";

/** Every answer is kept, whatever became of it; and what each says of how its reviewer works is counted. */

export interface ReviewTraits {
  readonly isGold: boolean;
  /** Null: nobody knows. */
  readonly isRight: boolean | null;
  readonly isLate: boolean;
  readonly hasConflict: boolean;
}

type StatsRow = ReviewTables["review_stats"];
type Counts = Partial<Omit<StatsRow, "person_id" | "task" | "reviewer_name">>;

/** Keeps an answer that was given at the hub. Returns its row's id. */
export async function keepReview(
  parts: ReviewParts,
  trx: HubTransaction,
  slot: SlotRow,
  review: TakenReview,
  traits: ReviewTraits,
): Promise<string> {
  const { answer, tookMs } = review;
  const rowId = newId(parts.clock, parts.random);
  const person = slot.person_id ?? review.reviewer;
  const name = slot.reviewer_name ?? "";
  await trx.db
    .insertInto("reviews")
    .values({
      review_row: rowId,
      case_id: slot.case_id,
      slot_id: slot.slot_id,
      // One page may show a case again as gold: the slot makes the name of the review unique.
      review_id: `${slot.slot_id}.${review.reviewId}`,
      role: slot.role,
      source: "hub",
      person_id: person,
      reviewer_name: name,
      answer: JSON.stringify(answer),
      label: answer.kind === "label" ? answer.label : null,
      took_ms: tookMs,
      is_gold: traits.isGold ? 1 : 0,
      is_right: traits.isRight === null ? null : traits.isRight ? 1 : 0,
      is_late: traits.isLate ? 1 : 0,
      has_conflict: traits.hasConflict ? 1 : 0,
      at_ms: nowOf(parts),
    })
    .execute();
  await trx.db.updateTable("review_slots").set({ review_row: rowId }).where("slot_id", "=", slot.slot_id).execute();
  await count(trx, person, slot.task, name, {
    answered: 1,
    cannot_tell: answer.kind === "label" ? 0 : 1,
    gold_shown: traits.isGold ? 1 : 0,
    gold_right: traits.isGold && traits.isRight === true ? 1 : 0,
    took_ms_sum: tookMs ?? 0,
    took_count: tookMs === null ? 0 : 1,
  });
  await parts.audit.record(trx, {
    actor: person,
    action: "case.answered",
    subject: `case:${slot.case_id}`,
    detail: { role: slot.role, answer },
  });
  return rowId;
}

/** The truth is known: what each of the case's reviewers had said was right or wrong. Judged once. */
export async function judge(trx: HubTransaction, caseId: string, task: string, truth: string): Promise<void> {
  const rows = await trx.db
    .selectFrom("reviews")
    .select(["review_row", "person_id", "reviewer_name", "label"])
    .where("case_id", "=", caseId)
    .where("is_right", "is", null)
    .where("is_gold", "=", 0)
    .where("label", "is not", null)
    .execute();
  for (const { review_row, person_id, reviewer_name, label } of rows) {
    const isRight = label === truth ? 1 : 0;
    await trx.db.updateTable("reviews").set({ is_right: isRight }).where("review_row", "=", review_row).execute();
    if (person_id !== null) await count(trx, person_id, task, reviewer_name, { judged: 1, upheld: isRight });
  }
}

const none: Required<Counts> = {
  answered: 0,
  cannot_tell: 0,
  gold_shown: 0,
  gold_right: 0,
  judged: 0,
  upheld: 0,
  took_ms_sum: 0,
  took_count: 0,
};

async function count(trx: HubTransaction, person: string, task: string, name: string, by: Counts): Promise<void> {
  const columns = Object.keys(none) as (keyof Counts)[];
  await trx.db
    .insertInto("review_stats")
    .values({ person_id: person, task, reviewer_name: name, ...none, ...by })
    .onConflict((conflict) =>
      conflict.columns(["person_id", "task"]).doUpdateSet((row) => ({
        reviewer_name: name,
        ...Object.fromEntries(columns.map((column) => [column, row(`review_stats.${column}`, "+", by[column] ?? 0)])),
      })),
    )
    .execute();
}
