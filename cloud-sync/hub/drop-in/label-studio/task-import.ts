import { canonicalJson, HoldpointError, idOfKey, toHex } from "../../../../protocol/index.ts";
import { type PersonCaller } from "../../api/caller.ts";
import { importCases, type ImportCase } from "../../cases/import-case.ts";
import { type HubTransaction } from "../../database/database.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { anyJson, jsonFacts } from "../json-facts.ts";
import { senderName } from "../work-scope.ts";
import { questionDefault, workTaskOf } from "../work-tasks.ts";
import { checkedTask, choiceOf, suggestionsOf, taskSchema, type Task } from "./shapes.ts";

const importTasksMax = 500;

export interface ImportCounts {
  readonly task_count: number;
  readonly new_count: number;
  readonly annotation_count: number;
  readonly prediction_count: number;
  /** The hub's ids, in the order of the tasks. */
  readonly ids: string[];
}

/** Tasks of a file that Label Studio exported (a list, or one task). Errors: HP_SCHEMA, HP_TOO_LARGE, HP_CONFLICT. */
export function readTasks(body: Uint8Array): readonly Task[] {
  const json = anyJson(new TextDecoder().decode(body));
  const list = Array.isArray(json) ? (json as readonly unknown[]) : [json];
  if (list.length > importTasksMax) {
    throw new HoldpointError("HP_TOO_LARGE", `there are ${list.length} tasks; ${importTasksMax} may come at once`);
  }
  return list.map((one, index) => checkedTask(one, taskSchema, `tasks[${index}]: `));
}

/** Makes a case of each task. One that people have annotated already is closed, and its label is kept. */
export async function importTasks(
  options: DropInOptions,
  caller: PersonCaller,
  { store, task, tasks }: { readonly store: string; readonly task: string; readonly tasks: readonly Task[] },
): Promise<ImportCounts> {
  const { database } = options;
  const known = await database.read((db) => workTaskOf({ db }, store, task));
  const place = { store, task, device: senderName(caller.name), question: known.question ?? questionDefault };
  const cases = tasks.map((one) => caseOf(options, place, one));
  return importCases(options, cases, async (trx, taken) => {
    for (const [index, { caseId, isNew }] of taken.entries()) {
      const annotated = isNew ? annotationOf(tasks[index]) : null;
      if (annotated) await close(options, trx, { caseId, task, ...annotated });
    }
    const newCount = taken.filter(({ isNew }) => isNew).length;
    await options.audit.record(trx, {
      ...{ actor: `${caller.kind}:${caller.id}`, action: "tasks.imported", subject: `task:${store}/${task}` },
      detail: { tasks: tasks.length, new: newCount },
    });
    return {
      ...{ task_count: tasks.length, new_count: newCount, ids: taken.map(({ decisionId }) => decisionId) },
      annotation_count: tasks.reduce((sum, { annotations }) => sum + (annotations?.length ?? 0), 0),
      prediction_count: tasks.reduce((sum, { predictions }) => sum + (predictions?.length ?? 0), 0),
    };
  });
}

function caseOf(
  { hasher }: DropInOptions,
  place: { readonly store: string; readonly task: string; readonly device: string; readonly question: string },
  one: Task,
): ImportCase {
  const { store, task, device, question } = place;
  const digest = toHex(hasher.sha256(new TextEncoder().encode(canonicalJson({ task, data: one.data }))));
  const suggestions = suggestionsOf(one);
  const { facts, picture } = jsonFacts(one.data);
  return {
    // Its id at Label Studio names it; without one its content does: an import that is repeated makes nothing twice.
    decisionId: idOfKey(hasher, `label-studio\0${store}\0${task}`, one.id === undefined ? digest : `id ${one.id}`),
    ...{ store, task, device, digest, picture, dueMs: null },
    view: {
      ...{ inputKind: picture ? "image" : "features", context: {}, facts, series: [] },
      ...{ suggestions, confidence: suggestions[0]?.confidence ?? 0, question, explanation: null },
    },
    extra: { source: "label-studio", ...(one.id === undefined ? {} : { id: one.id }) },
  };
}

function annotationOf(task: Task | undefined): { readonly label: string; readonly isTruth: boolean } | null {
  const kept = (task?.annotations ?? []).filter((one) => one.was_cancelled !== true);
  const best = kept.find(({ ground_truth: isTruth }) => isTruth === true) ?? kept[0];
  const label = best ? choiceOf(best.result) : null;
  return label === null ? null : { label, isTruth: best?.ground_truth === true };
}

async function close(
  { clock, listener }: DropInOptions,
  trx: HubTransaction,
  { caseId, task, label, isTruth }: { caseId: string; task: string; label: string; isTruth: boolean },
): Promise<void> {
  await trx.db
    .updateTable("cases")
    .set({ state: "final", final_ms: Math.round(clock.wallMs()) })
    .where("case_id", "=", caseId)
    .execute();
  await listener.settled(trx, { caseId, task, decidedBy: "reviewer", label });
  if (isTruth) await listener.outcome(trx, { caseId, label, isCorrect: null });
}
