import { z } from "zod";
import { namePattern } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";

/** How the cases of one task are reviewed: the hub's own settings, task by task. */
const upTo = (largest: number): z.ZodNumber => {
  const error = `must be a share from 0 to ${largest}`;
  return z.number({ error }).min(0, { error }).max(largest, { error });
};
const reviewers = { error: "must be a whole number from 1 to 5" };

export const reviewRulesSchema = z.strictObject({
  /** Reviewers whose labels must agree before an answer leaves. */
  reviewersNeeded: z.number(reviewers).int(reviewers).min(1, reviewers).max(5, reviewers),
  /** Whether a lead decides where reviewers disagree; without it a strict majority does. */
  adjudication: z.boolean(),
  /** Share of a reviewer's cases that are gold: already known, shown to measure. */
  goldShare: upTo(0.5),
  /** Share of answered cases that a second reviewer sees as well, without the model's or the first one's answer. */
  secondOpinionShare: upTo(1),
  /** What a reviewer of this task must be able to do; null: anybody may. */
  skill: z.string().regex(namePattern, { error: "must be a name of letters, digits, dots, dashes" }).nullable(),
});
export type ReviewRules = z.output<typeof reviewRulesSchema>;

/** Nobody has to set anything: one reviewer decides, a lead where there is a doubt, and one case in fifty measures. */
export const reviewRulesDefault: ReviewRules = Object.freeze({
  reviewersNeeded: 1,
  adjudication: true,
  goldShare: 0.02,
  secondOpinionShare: 0,
  skill: null,
});

/** The rules of these tasks, as they stand in this transaction. */
export async function rulesOf(
  db: Pick<HubTransaction["db"], "selectFrom">,
  tasks: readonly string[],
): Promise<(task: string) => ReviewRules> {
  const rows =
    tasks.length === 0
      ? []
      : await db
          .selectFrom("review_policies")
          .select(["task", "body"])
          .where("task", "in", [...tasks])
          .execute();
  const rules = new Map(rows.map(({ task, body }) => [task, JSON.parse(body) as ReviewRules]));
  return (task) => rules.get(task) ?? reviewRulesDefault;
}
