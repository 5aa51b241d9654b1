import { z } from "zod";

/**
 * Activation conditions as Amazon A2I documents them ("JSON Schema for Human Loop Activation Conditions"): which answers
 * of Rekognition or Textract go to people. Pure; the coin of `Sampling` is passed in.
 */
interface SimpleCondition {
  readonly ConditionType: ConditionType;
  readonly ConditionParameters: Readonly<Record<string, unknown>>;
}
type Condition = SimpleCondition | { readonly And: readonly Condition[] } | { readonly Or: readonly Condition[] };

export interface ActivationConditions {
  readonly Conditions: readonly Condition[];
}

/** The same conditions, each with what came of it. */
type EvaluatedCondition =
  | (SimpleCondition & { readonly EvaluationResult: boolean })
  | { readonly And: readonly EvaluatedCondition[]; readonly EvaluationResult: boolean }
  | { readonly Or: readonly EvaluatedCondition[]; readonly EvaluationResult: boolean };

export interface Activation {
  readonly isActivated: boolean;
  /** Types of the simple conditions that held, each once. */
  readonly reasons: readonly ConditionType[];
  readonly results: { readonly Conditions: readonly EvaluatedCondition[] };
}

const conditionTypes = [
  "ModerationLabelConfidenceCheck",
  "ImportantFormKeyConfidenceCheck",
  "MissingImportantFormKey",
  "Sampling",
] as const;
type ConditionType = (typeof conditionTypes)[number];

const conditionsMax = 100;
const depthMax = 2;
const aliasesMax = 100;
const percent = z.number().min(0).max(100);
const comparisons = ["Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"] as const;
type Comparison = (typeof comparisons)[number];

function ranges<Prefix extends string>(prefix: Prefix): Record<`${Prefix}${Comparison}`, z.ZodOptional<z.ZodNumber>> {
  const shape = Object.fromEntries(comparisons.map((name) => [`${prefix}${name}`, percent.optional()]));
  return shape as Record<`${Prefix}${Comparison}`, z.ZodOptional<z.ZodNumber>>;
}

const formKey = {
  ImportantFormKey: z.string().min(1).max(1024),
  ImportantFormKeyAliases: z.array(z.string().min(1).max(1024)).max(aliasesMax).optional(),
};

const parameterSchemas = {
  ModerationLabelConfidenceCheck: z.strictObject({
    ModerationLabelName: z.string().min(1).max(1024),
    ...ranges("Confidence"),
  }),
  ImportantFormKeyConfidenceCheck: z.strictObject({
    ...formKey,
    ...ranges("KeyValueBlockConfidence"),
    ...ranges("WordBlockConfidence"),
  }),
  MissingImportantFormKey: z.strictObject(formKey),
  Sampling: z.strictObject({ RandomSamplingPercentage: z.number().min(0.01).max(100) }),
} as const;

type Parameters = { readonly [T in ConditionType]: z.output<(typeof parameterSchemas)[T]> };

/** The conditions, or one sentence about what is wrong with them. */
export function readConditions(
  json: unknown,
): { readonly ok: true; readonly value: ActivationConditions } | { readonly ok: false; readonly problem: string } {
  const list = (json as { readonly Conditions?: unknown } | null)?.Conditions;
  if (typeof json !== "object" || json === null || Object.keys(json).some((key) => key !== "Conditions")) {
    return { ok: false, problem: "HumanLoopActivationConditions must be an object with Conditions" };
  }
  if (!Array.isArray(list) || list.length === 0 || list.length > conditionsMax) {
    return { ok: false, problem: `Conditions must be a list of 1 to ${conditionsMax} conditions` };
  }
  const problem = list.map((one, index) => problemOf(one, `Conditions[${index}]`, 0)).find((text) => text !== null);
  return problem === undefined
    ? { ok: true, value: { Conditions: list as readonly Condition[] } }
    : { ok: false, problem };
}

function problemOf(value: unknown, path: string, depth: number): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${path} must be an object`;
  const condition = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(condition);
  const [key = ""] = keys;
  if (keys.length === 1 && (key === "And" || key === "Or")) {
    const parts = condition[key];
    if (depth >= depthMax) return `${path}: conditions may be nested ${depthMax} levels deep`;
    if (!Array.isArray(parts) || parts.length < 2) return `${path}.${key} must be a list of at least 2 conditions`;
    if (parts.length > conditionsMax) return `${path}.${key} may have at most ${conditionsMax} conditions`;
    return (
      parts
        .map((part, index) => problemOf(part, `${path}.${key}[${index}]`, depth + 1))
        .find((text) => text !== null) ?? null
    );
  }
  const unknownKey = keys.find((name) => name !== "ConditionType" && name !== "ConditionParameters");
  if (unknownKey !== undefined) return `${path}: unknown key ${JSON.stringify(unknownKey.slice(0, 64))}`;
  const { ConditionType: type, ConditionParameters: parameters = {} } = condition;
  if (!conditionTypes.some((known) => known === type)) {
    return `${path}: unknown ConditionType ${JSON.stringify(String(type).slice(0, 64))}; known are ${conditionTypes.join(", ")}`;
  }
  const checked = parameterSchemas[type as ConditionType].safeParse(parameters);
  const [issue] = checked.success ? [] : checked.error.issues;
  return issue ? `${path}.ConditionParameters.${issue.path.join(".")}: ${issue.message}` : null;
}

/** What Rekognition or Textract answered, as far as conditions look at it. */
export interface Inference {
  readonly labels: readonly { readonly name: string; readonly confidence: number }[];
  readonly forms: readonly FormPair[];
}

export interface FormPair {
  readonly key: string;
  /** Confidence of the KEY_VALUE_SET block, in percent. */
  readonly confidence: number;
  /** Confidences of the words of key and value. */
  readonly words: readonly number[];
}

/** Every condition is looked at, also where one is enough; `coin` is uniform in [0, 1), one for the whole input. */
export function evaluateConditions(
  { Conditions }: ActivationConditions,
  inference: Inference,
  coin: number,
): Activation {
  const results = Conditions.map((condition) => evaluated(condition, inference, coin));
  const reasons = new Set<ConditionType>();
  const collect = (result: EvaluatedCondition): void => {
    if ("And" in result) result.And.forEach(collect);
    else if ("Or" in result) result.Or.forEach(collect);
    else if (result.EvaluationResult) reasons.add(result.ConditionType);
  };
  results.filter(({ EvaluationResult }) => EvaluationResult).forEach(collect);
  return { isActivated: reasons.size > 0, reasons: [...reasons], results: { Conditions: results } };
}

function evaluated(condition: Condition, inference: Inference, coin: number): EvaluatedCondition {
  if ("And" in condition) {
    const And = condition.And.map((part) => evaluated(part, inference, coin));
    return { And, EvaluationResult: bothHold(condition.And, And, inference) };
  }
  if ("Or" in condition) {
    const Or = condition.Or.map((part) => evaluated(part, inference, coin));
    return { Or, EvaluationResult: Or.some(({ EvaluationResult }) => EvaluationResult) };
  }
  return { ...condition, EvaluationResult: holds(condition, inference, coin) };
}

/**
 * "Between 90 and 99" is written as two conditions of one label under And: one and the same label must meet both, not one
 * label the first and another the second. The same holds for the pairs of a form.
 */
function bothHold(
  conditions: readonly Condition[],
  results: readonly EvaluatedCondition[],
  inference: Inference,
): boolean {
  if (!results.every(({ EvaluationResult }) => EvaluationResult)) return false;
  const simple = conditions.flatMap((one) => ("ConditionType" in one ? [one] : []));
  const labelChecks = simple.filter(({ ConditionType: type }) => type === "ModerationLabelConfidenceCheck");
  const formChecks = simple.filter(({ ConditionType: type }) => type === "ImportantFormKeyConfidenceCheck");
  const isOfOne = (checks: readonly SimpleCondition[]): boolean =>
    checks.length > 1 && new Set(checks.map(({ ConditionParameters: one }) => nameOf(one))).size === 1;
  if (isOfOne(labelChecks)) {
    const match = inference.labels.some((label) => labelChecks.every((check) => meetsLabel(check, label)));
    if (!match) return false;
  }
  return !isOfOne(formChecks) || inference.forms.some((pair) => formChecks.every((check) => meetsForm(check, pair)));
}

function nameOf(parameters: Readonly<Record<string, unknown>>): unknown {
  return parameters["ModerationLabelName"] ?? parameters["ImportantFormKey"];
}

function holds(condition: SimpleCondition, { labels, forms }: Inference, coin: number): boolean {
  switch (condition.ConditionType) {
    case "ModerationLabelConfidenceCheck":
      return labels.some((label) => meetsLabel(condition, label));
    case "ImportantFormKeyConfidenceCheck":
      return forms.some((pair) => meetsForm(condition, pair));
    case "MissingImportantFormKey": {
      const parameters = condition.ConditionParameters as Parameters["MissingImportantFormKey"];
      return !forms.some(({ key }) => isKey(parameters, key));
    }
    case "Sampling": {
      const { RandomSamplingPercentage: share } = condition.ConditionParameters as Parameters["Sampling"];
      return coin * 100 < share;
    }
  }
}

function meetsLabel({ ConditionParameters }: SimpleCondition, label: Inference["labels"][number]): boolean {
  const parameters = ConditionParameters as Parameters["ModerationLabelConfidenceCheck"];
  const isNamed = parameters.ModerationLabelName === "*" || parameters.ModerationLabelName === label.name;
  return isNamed && isWithin(parameters, "Confidence", label.confidence);
}

function meetsForm({ ConditionParameters }: SimpleCondition, { key, confidence, words }: FormPair): boolean {
  const parameters = ConditionParameters as Parameters["ImportantFormKeyConfidenceCheck"];
  const isNamed = parameters.ImportantFormKey === "*" || isKey(parameters, key);
  if (!isNamed || !isWithin(parameters, "KeyValueBlockConfidence", confidence)) return false;
  return words.every((word) => isWithin(parameters, "WordBlockConfidence", word));
}

function isKey(
  { ImportantFormKey: name, ImportantFormKeyAliases: aliases = [] }: Parameters["MissingImportantFormKey"],
  key: string,
): boolean {
  return key === name || aliases.includes(key);
}

function isWithin(parameters: Readonly<Record<string, unknown>>, prefix: string, value: number): boolean {
  const bound = (name: Comparison): number | undefined => parameters[`${prefix}${name}`] as number | undefined;
  const [equals, below, atMost, above, atLeast] = comparisons.map(bound);
  return (
    (equals === undefined || value === equals) &&
    (below === undefined || value < below) &&
    (atMost === undefined || value <= atMost) &&
    (above === undefined || value > above) &&
    (atLeast === undefined || value >= atLeast)
  );
}
