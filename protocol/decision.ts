import { z } from "zod";
import { idPattern, namePattern } from "./ids.ts";
import { inputSchema } from "./input.ts";
import { limits } from "./limits.ts";

/** Request, decision and outcome: the contract that devices in any language are written against. */

const text = z.string().min(1).max(limits.textCharsMax);
const share = z.number().min(0).max(1);
const timestampMs = z.number().int().min(0).max(8.64e15);
const id = z.string().regex(idPattern, { error: "must be a UUID in lower-case text (version 7)" });

export const taskNameSchema = z.string().regex(namePattern, { error: "must be a task name" });

const contextSchema = z
  .record(text, z.union([z.string().max(limits.textCharsMax), z.number(), z.boolean()]))
  .refine((context) => Object.keys(context).length <= limits.contextKeysMax, { error: "too many keys" });

/** Where the case came from: basket, camera, shelf … Rules may read it; it is part of the request's identity. */
export type Context = z.infer<typeof contextSchema>;

export const requestSchema = z.strictObject({
  v: z.literal(1),
  id,
  task: taskNameSchema,
  /** Wall clock of the device, milliseconds. */
  at: timestampMs,
  /** `decide_within`: the device's patience; after it the case is escalated with reason `timeout`. */
  deadlineMs: z.number().int().min(1).max(limits.deadlineMsMax).optional(),
  input: inputSchema,
  context: contextSchema.optional(),
});
export type DecisionRequest = z.infer<typeof requestSchema>;

export const verdicts = ["accept", "escalate", "abstain"] as const;
export type Verdict = (typeof verdicts)[number];
export const deciders = ["model", "rule", "reviewer", "fallback"] as const;
export type DecidedBy = (typeof deciders)[number];

/**
 * Why a decision is as it is. The first reason is the one that decided.
 * `docs/decisions.md` explains each of them and is tested against this list.
 */
export const reasons = [
  "confident",
  "below_gate",
  "coarse_answer",
  "rule",
  "uncertified",
  "no_model",
  "no_prediction",
  "model_error",
  "model_output",
  "not_finite",
  "bad_picture",
  "bad_input",
  "quarantined",
  "timeout",
  "overload",
  "no_reviewer",
  "budget_exhausted",
  "capacity_exhausted",
  "storage_full",
  "safe_action",
  "reviewed",
  "cannot_tell",
  "review_expired",
  "audit",
] as const;
export type Reason = (typeof reasons)[number];

export const answerSchema = z.strictObject({
  label: z.string().max(limits.textCharsMax),
  /** Class index, amount or angle, where the task has one. */
  value: z.number().optional(),
  alternatives: z.array(z.strictObject({ label: z.string(), confidence: share })).optional(),
});
export type Answer = z.infer<typeof answerSchema>;

export const decisionSchema = z.strictObject({
  v: z.literal(1),
  id,
  /** Starts at 1; each correction adds one. Per id there is one body per revision. */
  revision: z.number().int().min(1),
  task: taskNameSchema,
  status: z.enum(["final", "pending"]),
  verdict: z.enum(verdicts),
  decidedBy: z.enum(deciders),
  answer: answerSchema.nullable(),
  /** Calibrated probability that the answer is right; 0 where there is no prediction. */
  confidence: share,
  /** Uncalibrated score of the same answer. */
  score: share,
  /** The gate threshold that the confidence was held against; `>=` accepts. */
  gateThreshold: share,
  certificate: z.string().nullable(),
  reasons: z.array(z.enum(reasons)).min(1),
  model: z.strictObject({ name: z.string(), version: z.string(), digest: z.string() }).nullable(),
  config: z.strictObject({ revision: z.number().int().min(0), digest: z.string() }),
  /** Execution provider that really ran, or "none". */
  provider: z.string(),
  at: timestampMs,
  latencyMs: z.number().min(0),
  explanation: z.string().nullable(),
});
export type Decision = z.infer<typeof decisionSchema>;
export type ModelReference = NonNullable<Decision["model"]>;
export type ConfigReference = Decision["config"];

/** Whatever a device says becomes a label, and PostgreSQL keeps no text with this character: one such row would stop a store. */
const keptText = text.refine((given) => !given.includes("\u0000"), { error: "may not have the character U+0000" });

/** The truth from the world: at least one of label, correct, outcome. */
export const outcomeSchema = z
  .strictObject({
    id,
    label: keptText.optional(),
    correct: z.boolean().optional(),
    outcome: keptText.optional(),
    source: z.enum(["pos", "return", "audit", "import"]),
    at: timestampMs,
  })
  .refine((outcome) => outcome.label !== undefined || outcome.correct !== undefined || outcome.outcome !== undefined, {
    error: "must have label, correct or outcome",
  });
export type Outcome = z.infer<typeof outcomeSchema>;

/** An event to observe, no decision asked. The id makes a repeat harmless. */
export const observedEventSchema = z.strictObject({
  v: z.literal(1),
  id,
  entity: text,
  at: timestampMs,
  values: z.record(text, z.union([z.number(), z.string().max(limits.textCharsMax), z.boolean(), z.null()])),
});
export type ObservedEvent = z.infer<typeof observedEventSchema>;

export function isFinal(decision: Pick<Decision, "status">): boolean {
  return decision.status === "final";
}
