import { sql } from "kysely";
import { z } from "zod";
import { fromBase64, toHex } from "../../../../protocol/index.ts";
import { type PersonCaller } from "../../api/caller.ts";
import { type HubReader } from "../../database/database.ts";
import { caseResults } from "../case-result.ts";
import { type DropInOptions } from "../drop-in-options.ts";
import { isPictureUrl } from "../json-facts.ts";
import { predictionsOf } from "./case-tasks.ts";
import { caseMember, checkedTask, choiceResult, controlOf, type Control } from "./shapes.ts";

const tasksMax = 500;
const predictSchema = z.looseObject({
  tasks: z.array(z.looseObject({ data: z.record(z.string(), z.unknown()) })).max(tasksMax),
  label_config: z.string().nullish(),
});

export const modelVersion = "holdpoint";

/** What the hub knows of these tasks: what people have answered, else what a model said at the edge; else nothing. */
export async function predict(
  options: DropInOptions,
  caller: PersonCaller,
  body: unknown,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { tasks, label_config: config } = checkedTask(body, predictSchema, "");
  const control = controlOf(config);
  return options.database.read(async (db) => {
    const predictions = [];
    for (const { data } of tasks) predictions.push(await predictionOf(options, { db }, caller, data, control));
    return predictions;
  });
}

async function predictionOf(
  { hasher }: DropInOptions,
  reader: HubReader,
  caller: PersonCaller,
  data: Readonly<Record<string, unknown>>,
  control: Control,
): Promise<Readonly<Record<string, unknown>>> {
  const nothing = { model_version: modelVersion, score: 0, result: [] };
  const row = await knownCase(hasher, reader, caller, data);
  if (!row) return nothing;
  const result = (await caseResults(reader, [row.case_id])).get(row.case_id);
  if (result?.answer?.kind === "label" && row.kind !== "audit") {
    const { confidence, answer } = result;
    const choice = { ...choiceResult(control, answer.label), score: confidence };
    return { model_version: modelVersion, score: confidence, result: [choice] };
  }
  return predictionsOf(row, control)[0] ?? nothing;
}

/** By the case that the task names, else by the very same picture. */
async function knownCase(
  hasher: DropInOptions["hasher"],
  { db }: HubReader,
  caller: PersonCaller,
  data: Readonly<Record<string, unknown>>,
) {
  const named = data[caseMember];
  const picture = Object.values(data).find((value) => typeof value === "string" && isPictureUrl(value));
  if (typeof named !== "string" && typeof picture !== "string") return undefined;
  let rows = db
    .selectFrom("cases")
    .select(["case_id", "kind", "view", "decision"])
    .where("state", "!=", "erased")
    .orderBy("case_id", "desc")
    .limit(1);
  if (caller.stores !== null) rows = rows.where("store", "in", [...caller.stores, ""]);
  if (caller.tasks !== null) rows = rows.where("task", "in", [...caller.tasks, ""]);
  if (typeof named === "string") return rows.where("decision_id", "=", named).executeTakeFirst();
  const sha256 = pictureDigest(hasher, String(picture));
  if (sha256 === null) return undefined;
  return rows.where(pictureStart, "=", sha256.slice(0, 4)).where("picture_sha256", "=", sha256).executeTakeFirst();
}

/** In the words of its index (case-migrations.ts). */
const pictureStart = sql<string>`substr(picture_sha256, 1, 4)`;

function pictureDigest(hasher: DropInOptions["hasher"], dataUrl: string): string | null {
  try {
    return toHex(hasher.sha256(fromBase64(dataUrl.slice(dataUrl.indexOf(",") + 1))));
  } catch {
    return null;
  }
}
