import { type HubTransaction } from "../database/database.ts";
import { judge } from "./kept-reviews.ts";
import { nowOf, type ReviewParts } from "./review-parts.ts";
import { type LabelSource } from "./review-tables.ts";
import { type CaseRow } from "./slots.ts";

/** How much a source is worth against another: a label is replaced by a stronger one only. */
const strength: Readonly<Record<LabelSource, number>> = {
  review: 1,
  store: 1,
  consensus: 2,
  adjudication: 3,
  outcome: 4,
};
const goldMin = strength.consensus;
const spotsMax = 2 ** 31;

/**
 * Keeps the best that is known of a case's truth. What several people, a lead or the world agree on judges those who
 * answered, and the case may be shown again as gold.
 */
export async function confirmLabel(
  parts: ReviewParts,
  trx: HubTransaction,
  held: CaseRow,
  label: string,
  source: LabelSource,
): Promise<CaseRow> {
  const known = held.adjudicated_source;
  if (known !== null && strength[source] <= strength[known]) return held;
  const nowMs = nowOf(parts);
  const changes = { adjudicated_label: label, adjudicated_source: source, adjudicated_ms: nowMs };
  await trx.db.updateTable("review_cases").set(changes).where("case_id", "=", held.case_id).execute();
  if (strength[source] >= goldMin) {
    await judge(trx, held.case_id, held.task, label);
    const spot = Math.floor(parts.random.uniform() * spotsMax);
    await trx.db
      .insertInto("review_gold")
      .values({ case_id: held.case_id, store: held.store, task: held.task, label, source, spot, made_ms: nowMs })
      .onConflict((conflict) => conflict.column("case_id").doUpdateSet({ label, source }))
      .execute();
  }
  await parts.gate.learn(trx, { kind: "label", caseId: held.case_id, label, source });
  return { ...held, ...changes };
}
