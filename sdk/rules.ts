import { type Condition, type Rule } from "../config/index.ts";
import { type Context } from "../protocol/index.ts";
import { type Finding } from "./trace.ts";

/** What conditions may read. */
export interface RuleFacts {
  readonly finding: Finding;
  readonly context: Context;
  /** Coin of this case for sampling rules, uniform in [0, 1). */
  readonly coin: number;
}

/** The first rule that holds, or null. */
export function matchingRule(rules: readonly Rule[], facts: RuleFacts): Rule | null {
  return rules.find((rule) => holds(rule.when, facts)) ?? null;
}

/**
 * Evaluates a condition as Amazon A2I does its activation conditions: a check of something that is not there is false,
 * and several comparisons in one check must all hold.
 */
export function holds(condition: Condition, facts: RuleFacts): boolean {
  if ("And" in condition) return condition.And.every((part) => holds(part, facts));
  if ("Or" in condition) return condition.Or.some((part) => holds(part, facts));
  if ("Not" in condition) return !holds(condition.Not, facts);
  switch (condition.ConditionType) {
    case "ConfidenceCheck":
      return confidenceHolds(condition.ConditionParameters, facts.finding);
    case "LabelCheck":
      return labelHolds(condition.ConditionParameters.LabelIn, facts.finding);
    case "ContextCheck":
      return contextHolds(condition.ConditionParameters, facts.context);
    case "Sampling":
      return facts.coin * 100 < condition.ConditionParameters.RandomSamplingPercentage;
  }
}

type ParametersOf<Type extends string> = Extract<Condition, { ConditionType: Type }>["ConditionParameters"];

function confidenceHolds(check: ParametersOf<"ConfidenceCheck">, finding: Finding): boolean {
  if (finding.kind === "failure") return false;
  const scored = check.Label === undefined ? finding.top[0] : finding.top.find(({ label }) => label === check.Label);
  if (!scored) return false;
  const { confidence } = scored;
  return (
    (check.ConfidenceEquals === undefined || confidence === check.ConfidenceEquals) &&
    (check.ConfidenceLessThan === undefined || confidence < check.ConfidenceLessThan) &&
    (check.ConfidenceLessThanEquals === undefined || confidence <= check.ConfidenceLessThanEquals) &&
    (check.ConfidenceGreaterThan === undefined || confidence > check.ConfidenceGreaterThan) &&
    (check.ConfidenceGreaterThanEquals === undefined || confidence >= check.ConfidenceGreaterThanEquals)
  );
}

function labelHolds(labels: readonly string[], finding: Finding): boolean {
  if (finding.kind === "failure") return false;
  const label = finding.top[0]?.label;
  return label !== undefined && labels.includes(label);
}

function contextHolds(check: ParametersOf<"ContextCheck">, context: Context): boolean {
  const value = Object.hasOwn(context, check.Key) ? context[check.Key] : undefined;
  if (check.Exists !== undefined && check.Exists !== (value !== undefined)) return false;
  if (value === undefined) return check.Exists === false;
  return (
    (check.Equals === undefined || value === check.Equals) &&
    (check.In === undefined || check.In.includes(value)) &&
    (check.LessThan === undefined || (typeof value === "number" && value < check.LessThan)) &&
    (check.GreaterThan === undefined || (typeof value === "number" && value > check.GreaterThan))
  );
}
