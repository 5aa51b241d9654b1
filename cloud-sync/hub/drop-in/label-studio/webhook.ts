import { z } from "zod";
import { HoldpointError, idPattern, type ReviewAnswer } from "../../../../protocol/index.ts";
import { isInReach, type PersonCaller } from "../../api/caller.ts";
import { type HubReader } from "../../database/database.ts";
import { type Reviewer } from "../../../review/review-store.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { answerFromOutside, type OutsideAnswer } from "./outside-answer.ts";
import { annotationSchema, caseMember, checkedTask, choiceOf, type Annotation } from "./shapes.ts";

const tasksMax = 10_000;
const taskId = z.union([z.number().int(), z.string().max(128)]);
const taskReference = z.looseObject({ id: taskId, data: z.record(z.string(), z.unknown()).optional() });
const project = z.looseObject({ id: taskId }).optional();

const createdSchema = z.looseObject({ annotation: annotationSchema, task: taskReference.nullish(), project });
const tasksSchema = z.looseObject({ tasks: z.array(taskReference).max(tasksMax).optional(), project });

export interface HeardWebhook {
  readonly action: string;
  readonly result: OutsideAnswer | "noted" | "ignored";
}

/** What Label Studio tells: tasks that are cases of this hub, and what people annotate there. */
export async function hearWebhook(options: DropInOptions, caller: PersonCaller, body: unknown): Promise<HeardWebhook> {
  const { action } = checkedTask(body, z.looseObject({ action: z.string().max(64) }), "");
  if (action === "TASKS_CREATED" || action === "TASK_CREATED") {
    return { action, result: await noteTasks(options, caller, checkedTask(body, tasksSchema, "")) };
  }
  if (action !== "ANNOTATION_CREATED") return { action, result: "ignored" };
  const { annotation, task, project: of } = checkedTask(body, createdSchema, "");
  return options.database.write(async (trx) => {
    const named = task?.data?.[caseMember];
    const key = taskKey(caller, of?.id, task?.id ?? annotation.task ?? "");
    const decisionId = typeof named === "string" ? named : await notedCase(trx, key);
    const known = decisionId === null ? null : await caseOf(trx, caller, decisionId);
    // Other tasks of the same project are not the hub's.
    if (!known) return { action, result: "ignored" };
    const user = userOf(annotation);
    const person = `label-studio:${caller.id}:${user}`;
    const reviewer: Reviewer = {
      ...{ key: person, name: `Label Studio ${user}` },
      scope: { person, stores: caller.stores, tasks: caller.tasks, skills: [], isLead: false },
    };
    const result = await answerFromOutside(options, trx, known, reviewer, {
      ...{ reviewId: `label-studio-${annotation.id ?? "0"}`, answer: answerOf(annotation) },
      tookMs: annotation.lead_time == null ? null : Math.min(86_400_000, Math.round(annotation.lead_time * 1000)),
    });
    return { action, result };
  });
}

function answerOf({ was_cancelled: isSkipped, result }: Annotation): ReviewAnswer {
  if (isSkipped === true) return { kind: "cannot_tell" };
  const label = choiceOf(result);
  if (label === null) throw new HoldpointError("HP_SCHEMA", "annotation.result: there is no choice");
  return { kind: "label", label };
}

function userOf({ completed_by: by }: Annotation): string {
  const id: unknown = typeof by === "object" && by !== null && "id" in by ? by.id : by;
  return typeof id === "number" || typeof id === "string" ? `user ${String(id).slice(0, 64)}` : "user";
}

function taskKey(caller: PersonCaller, projectId: string | number | undefined, id: string | number): string {
  return `${caller.id}|${projectId ?? ""}|${id}`;
}

/** Older versions name the task of an annotation by its number only: the number was told when the task was made. */
async function noteTasks(
  { database }: DropInOptions,
  caller: PersonCaller,
  { tasks = [], project: of }: z.output<typeof tasksSchema>,
): Promise<"noted" | "ignored"> {
  const rows = tasks.flatMap(({ id, data }) => {
    const decisionId = data?.[caseMember];
    const isCase = typeof decisionId === "string" && idPattern.test(decisionId);
    return isCase ? [{ task_key: taskKey(caller, of?.id, id), decision_id: decisionId }] : [];
  });
  const byKey = new Map(rows.map((row) => [row.task_key, row]));
  if (byKey.size === 0) return "ignored";
  await database.write(async ({ db }) => {
    for (const row of byKey.values()) {
      await db
        .insertInto("label_studio_tasks")
        .values(row)
        .onConflict((conflict) => conflict.column("task_key").doUpdateSet({ decision_id: row.decision_id }))
        .execute();
    }
  });
  return "noted";
}

async function notedCase({ db }: HubReader, key: string): Promise<string | null> {
  const row = await db
    .selectFrom("label_studio_tasks")
    .select("decision_id")
    .where("task_key", "=", key)
    .executeTakeFirst();
  return row?.decision_id ?? null;
}

async function caseOf({ db }: HubReader, caller: PersonCaller, decisionId: string): Promise<string | null> {
  const rows = await db
    .selectFrom("cases")
    .select(["case_id", "store", "task"])
    .where("decision_id", "=", decisionId)
    .execute();
  const own = rows.find((row) => isInReach(caller, row));
  return own?.case_id ?? null;
}
