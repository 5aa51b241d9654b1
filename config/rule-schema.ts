import { z } from "zod";
import { limits } from "../protocol/index.ts";
import { type Condition, type Rule } from "./policy.ts";

/** Rules as YAML spells them: `name`, `when` (Amazon A2I's conditions), `then`. */

const rulesMax = 128;
const conditionsMax = 64;

const text = z.string().min(1).max(limits.textCharsMax);
const confidence = z.number().min(0).max(1);
const scalar = z.union([z.string().max(limits.textCharsMax), z.number(), z.boolean()]);

/** Conditions may hold conditions; the depth is bounded by the reader of the file (limits.depthMax). */
export const conditionSchema: z.ZodType<Condition> = z.lazy(() =>
  z.union([andCondition, orCondition, notCondition, confidenceCheck, labelCheck, contextCheck, sampling]),
);

const several = z.array(conditionSchema).min(1).max(conditionsMax).meta({ kind: "a list of conditions" });
const andCondition = z.strictObject({ And: several.describe("Holds where all of them hold.") });
const orCondition = z.strictObject({ Or: several.describe("Holds where one of them holds.") });
const notCondition = z.strictObject({
  Not: conditionSchema.meta({ kind: "a condition", description: "Holds where the condition does not." }),
});

const share = (description: string): z.ZodExactOptional<z.ZodNumber> =>
  confidence.meta({ kind: "a number from 0 to 1", description }).exactOptional();

const conditionType = <T extends string>(name: T): z.ZodLiteral<T> =>
  z.literal(name).meta({
    kind: "ConfidenceCheck, LabelCheck, ContextCheck or Sampling",
    description: "What is looked at; `ConditionParameters` says for what.",
  });

const confidenceCheck = z.strictObject({
  ConditionType: conditionType("ConfidenceCheck"),
  ConditionParameters: z
    .strictObject({
      Label: text
        .meta({ kind: "a label", description: "The label that the check is about; any where absent." })
        .exactOptional(),
      ConfidenceEquals: share("The confidence is this number."),
      ConfidenceLessThan: share("The confidence is below it."),
      ConfidenceLessThanEquals: share("The confidence is it or below it."),
      ConfidenceGreaterThan: share("The confidence is above it."),
      ConfidenceGreaterThanEquals: share("The confidence is it or above it."),
    })
    .refine((given) => Object.keys(given).some((name) => name.startsWith("Confidence")), {
      error: "must compare the confidence with something, for instance ConfidenceLessThan: 0.9",
    }),
});

const labelCheck = z.strictObject({
  ConditionType: conditionType("LabelCheck"),
  ConditionParameters: z.strictObject({
    LabelIn: z
      .array(text)
      .min(1)
      .max(limits.textCharsMax)
      .meta({ kind: "a list of labels", description: "The answer is one of them." }),
  }),
});

const contextCheck = z.strictObject({
  ConditionType: conditionType("ContextCheck"),
  ConditionParameters: z
    .strictObject({
      Key: text.meta({ kind: "a key of the request's context", description: "For instance `shelf`." }),
      Equals: scalar
        .meta({ kind: "text, a number, true or false", description: "The value is this one." })
        .exactOptional(),
      In: z
        .array(scalar)
        .min(1)
        .max(limits.textCharsMax)
        .meta({ kind: "a list of values", description: "The value is one of them." })
        .exactOptional(),
      LessThan: z.number().meta({ kind: "a number", description: "The value is a number below it." }).exactOptional(),
      GreaterThan: z
        .number()
        .meta({ kind: "a number", description: "The value is a number above it." })
        .exactOptional(),
      Exists: z
        .boolean()
        .meta({ kind: "true or false", description: "The context has the key, or has not." })
        .exactOptional(),
    })
    .refine((given) => Object.keys(given).length > 1, {
      error: "must test the value: Equals, In, LessThan, GreaterThan or Exists",
    }),
});

const sampling = z.strictObject({
  ConditionType: conditionType("Sampling"),
  ConditionParameters: z.strictObject({
    RandomSamplingPercentage: z.number().min(0.01).max(100).meta({
      kind: "a number from 0.01 to 100",
      description: "Holds for this many of a hundred cases, by the case's coin.",
    }),
  }),
});

const thenSchema = z
  .union([
    z.enum(["accept", "escalate", "abstain"]),
    z.strictObject({
      verdict: z.literal("accept").meta({ kind: "accept, escalate or abstain", description: "The verdict." }),
      label: text
        .nullable()
        .meta({ kind: "a label", description: "Of an accepted case: its answer, instead of the model's." })
        .exactOptional(),
    }),
    z.strictObject({ verdict: z.enum(["escalate", "abstain"]) }),
  ])
  .transform((given): Rule["then"] => {
    const { verdict, label = null } = typeof given === "string" ? { verdict: given } : { label: null, ...given };
    return verdict === "accept" ? { verdict, label } : { verdict };
  });

const ruleSchema = z.strictObject({
  name: text.meta({
    kind: "text",
    description: "What `holdpoint why` and the record call the rule; unique in its task.",
  }),
  when: conditionSchema.meta({ kind: "a condition", description: "See Conditions." }),
  then: thenSchema.meta({
    kind: "accept, escalate, abstain, or { verdict: accept, label: … }",
    description: "The verdict; with a label, that label is the answer.",
  }),
});

export const rulesSchema = z
  .array(ruleSchema)
  .max(rulesMax)
  .superRefine((rules, context) => {
    const names = new Set<string>();
    for (const [index, { name }] of rules.entries()) {
      if (names.has(name)) {
        context.addIssue({ code: "custom", path: [index, "name"], message: `the rule name "${name}" stands twice` });
      }
      names.add(name);
    }
  });
