import { z } from "zod";
import { HoldpointError, type ReviewCase } from "../../../../protocol/index.ts";

/** Label Studio's task JSON, as far as the hub reads it: choices about one task. Further members are let through. */
const resultSchema = z.looseObject({
  type: z.string().max(64).optional(),
  value: z.looseObject({ choices: z.array(z.string().min(1).max(1024)).max(100).optional() }),
  score: z.number().nullish(),
});

const predictionSchema = z.looseObject({
  model_version: z.string().max(256).nullish(),
  score: z.number().nullish(),
  result: z.array(resultSchema).max(1_000),
});

export const annotationSchema = z.looseObject({
  id: z.union([z.number().int(), z.string().max(128)]).optional(),
  result: z.array(resultSchema).max(1_000),
  was_cancelled: z.boolean().nullish(),
  ground_truth: z.boolean().nullish(),
  lead_time: z.number().min(0).nullish(),
  completed_by: z.unknown().optional(),
  task: z.union([z.number().int(), z.string().max(128)]).nullish(),
});
export type Annotation = z.output<typeof annotationSchema>;

export const taskSchema = z.looseObject({
  id: z.union([z.number().int(), z.string().max(128)]).optional(),
  data: z.record(z.string().max(256), z.unknown()),
  predictions: z.array(predictionSchema).max(100).nullish(),
  annotations: z.array(annotationSchema).max(100).nullish(),
});
export type Task = z.output<typeof taskSchema>;

/** Member of a task's data that says which case it is. */
export const caseMember = "holdpoint_case";

/** The first choice of a result, or null. */
export function choiceOf(results: Annotation["result"]): string | null {
  return results.find(({ value }) => value.choices !== undefined)?.value.choices?.[0] ?? null;
}

/** What models suggested, best first. Scores outside of 0 to 1 say nothing that can be compared. */
export function suggestionsOf({ predictions }: Task): ReviewCase["suggestions"] {
  const best = new Map<string, number>();
  for (const { result, score } of predictions ?? []) {
    for (const { value, score: own } of result) {
      const given = own ?? score ?? 0;
      const confidence = given >= 0 && given <= 1 ? given : 0;
      for (const label of value.choices ?? []) best.set(label, Math.max(confidence, best.get(label) ?? 0));
    }
  }
  return [...best].map(([label, confidence]) => ({ label, confidence })).sort((a, b) => b.confidence - a.confidence);
}

/** Names of the labelling config that a result must carry to be shown there. */
export interface Control {
  readonly fromName: string;
  readonly toName: string;
}

export const controlDefault: Control = { fromName: "choice", toName: "image" };
const configCharsMax = 256 * 1024;

/** The first `<Choices>` of a labelling config. */
export function controlOf(config: unknown): Control {
  if (typeof config !== "string" || config.length > configCharsMax) return controlDefault;
  const [tag = ""] = /<Choices\s[^>]{1,2000}>/.exec(config) ?? [];
  const named = (name: string): string | undefined => new RegExp(`\\s${name}="([^"]{1,128})"`).exec(tag)?.[1];
  return {
    fromName: named("name") ?? controlDefault.fromName,
    toName: named("toName") ?? controlDefault.toName,
  };
}

export function choiceResult({ fromName, toName }: Control, label: string): Readonly<Record<string, unknown>> {
  return { from_name: fromName, to_name: toName, type: "choices", value: { choices: [label] } };
}

export function checkedTask<S extends z.ZodType>(value: unknown, schema: S, where: string): z.output<S> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const what = issue ? `${issue.path.join(".")}: ${issue.message}` : "another shape";
  throw new HoldpointError("HP_SCHEMA", `${where}${what}`);
}
