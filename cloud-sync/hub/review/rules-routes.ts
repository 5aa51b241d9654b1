import { z } from "zod";
import { HoldpointError, namePattern } from "../../../protocol/index.ts";
import { inScope } from "../api/caller.ts";
import { personRoute, type HubRoute } from "../api/hub-route.ts";
import { checkWholeTask } from "../api/whole-hub.ts";
import { type HubParts } from "../room.ts";
import { reviewRulesDefault, reviewRulesSchema, type ReviewRules } from "./review-rules.ts";

/** The hub's settings of how the cases of a task are reviewed. */
const taskRulesSchema = z.strictObject({
  task: z.string(),
  rules: reviewRulesSchema,
  /** Null: nobody has set anything, and the defaults hold. */
  changedMs: z.number().nullable(),
  changedBy: z.string().nullable(),
});

export function rulesRoutes(parts: HubParts): readonly HubRoute[] {
  return [
    personRoute("cases.read", {
      method: "GET",
      path: "/v1/reviews/rules",
      operation: { id: "listReviewRules", summary: "How the cases of each task are reviewed", tag: "review" },
      reply: z.strictObject({ defaults: reviewRulesSchema, tasks: z.array(taskRulesSchema) }),
      handle: async ({ caller }) => {
        const tasks = (await listRules(parts)).filter(({ task }) => inScope(caller.tasks, task));
        return { defaults: reviewRulesDefault, tasks };
      },
    }),
    personRoute("settings.write", {
      method: "PUT",
      path: "/v1/reviews/rules/:task",
      operation: {
        id: "changeReviewRules",
        summary: "Change how new cases of a task are reviewed; what is under way keeps its rules",
        tag: "review",
      },
      body: reviewRulesSchema,
      reply: taskRulesSchema,
      handle: async ({ caller, params, body }) => {
        const task = params["task"] ?? "";
        if (!namePattern.test(task)) {
          throw new HoldpointError("HP_SCHEMA", "task: must be a name of letters, digits, dots, dashes");
        }
        checkWholeTask(caller, task);
        return changeRules(parts, { kind: caller.kind, id: caller.id }, task, body);
      },
    }),
  ];
}

type TaskRules = z.output<typeof taskRulesSchema>;

async function listRules({ database }: HubParts): Promise<TaskRules[]> {
  const { set, known } = await database.read(async (db) => ({
    set: await db.selectFrom("review_policies").selectAll().orderBy("task").execute(),
    known: await db.selectFrom("review_lanes").select("task").distinct().execute(),
  }));
  const rows = new Map(set.map((row) => [row.task, row]));
  const tasks = [...new Set([...rows.keys(), ...known.map(({ task }) => task)])].sort();
  return tasks.map((task) => {
    const row = rows.get(task);
    const rules = row ? (JSON.parse(row.body) as ReviewRules) : reviewRulesDefault;
    return { task, rules, changedMs: row?.changed_ms ?? null, changedBy: row?.changed_by ?? null };
  });
}

async function changeRules(
  { database, audit, clock }: HubParts,
  by: { readonly kind: string; readonly id: string },
  task: string,
  rules: ReviewRules,
): Promise<TaskRules> {
  const changedBy = `${by.kind}:${by.id}`;
  const changedMs = Math.round(clock.wallMs());
  await database.write(async (trx) => {
    const values = { body: JSON.stringify(rules), changed_ms: changedMs, changed_by: changedBy };
    await trx.db
      .insertInto("review_policies")
      .values({ task, ...values })
      .onConflict((conflict) => conflict.column("task").doUpdateSet(values))
      .execute();
    await audit.record(trx, {
      actor: changedBy,
      action: "review_rules.changed",
      subject: `task:${task}`,
      detail: { ...rules },
    });
  });
  return { task, rules, changedMs, changedBy };
}
