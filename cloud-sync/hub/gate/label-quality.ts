import { sql } from "kysely";
import { deflatedError } from "../../../models/measure/label-quality.ts";
import { type HubReader } from "../database/database.ts";

/** What the bound on the reviewers' own errors may cost in certainty; it is told with the certificate's δ in the docs. */
const goldLevel = 0.05;
/**
 * Reviewers who let every gold case pass leave no bound below 1, and a contract of 0 is none. This share leaves one that
 * can be computed with and that no fleet proves: 10 % becomes 0.0001 %, three million labels without one error.
 */
const missShareMax = 1 - 1e-5;

/**
 * The share of a model's errors that reviewers are to be expected to repeat, so that no label shows them: measured on
 * gold cases in which the model had been wrong, and assumed from studies where there are few of those. In [0, 1).
 */
export async function missShareOf({ db }: HubReader, task: string): Promise<number> {
  const row = await db
    .selectFrom("reviews")
    .innerJoin("review_cases", "review_cases.case_id", "reviews.case_id")
    .select((built) => built.fn.countAll<number>().as("wrong"))
    .select(
      sql<number>`cast(coalesce(sum(case when reviews.label = review_cases.compared_label then 1 else 0 end), 0) as bigint)`.as(
        "missed",
      ),
    )
    .where("review_cases.task", "=", task)
    // A literal, because the index of gold answers is used only where the question shows that it holds.
    .where("reviews.is_gold", "=", sql.lit(1))
    .where("reviews.label", "is not", null)
    .where("review_cases.compared_label", "is not", null)
    .whereRef("review_cases.adjudicated_label", "!=", "review_cases.compared_label")
    .executeTakeFirstOrThrow();
  const { missShare } = deflatedError(0.5, { wrong: row.wrong, missed: row.missed }, goldLevel);
  return Math.min(missShareMax, missShare);
}
