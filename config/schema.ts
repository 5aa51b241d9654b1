import { z } from "zod";
import { limits, namePattern } from "../protocol/index.ts";
import { rulesSchema } from "./rule-schema.ts";
import { parseBytes, parseDurationMs } from "./units.ts";

/**
 * The store config as data: what one layer's YAML may say. Every key is optional here, because each layer gives only
 * some; `defaults.ts` gives the rest. `kind` and `description` feed the error messages and the table in
 * docs/config.md.
 */

const tasksMax = 256;
const labelsMax = 10_000;
const locksMax = 256;
const dayMs = 86_400_000;

const text = z.string().min(1).max(limits.textCharsMax);
const count = (min: number, max: number): z.ZodNumber => z.number().int().min(min).max(max);
const share = z.number().min(0).max(1);
const taskName = z.string().regex(namePattern, {
  error: "a task name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or a digit",
});

function duration(maxMs: number): z.ZodType<number, string> {
  return z.string().transform((given, context) => {
    const durationMs = parseDurationMs(given);
    if (durationMs !== null && durationMs <= maxMs) return durationMs;
    const message =
      durationMs === null
        ? "must be a duration such as 250ms, 2s, 15m, 72h or 14d"
        : `must be at most ${maxMs / dayMs}d`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

function size(minBytes: number, maxBytes: number): z.ZodType<number, string> {
  return z.string().transform((given, context) => {
    const bytes = parseBytes(given);
    if (bytes !== null && bytes >= minBytes && bytes <= maxBytes) return bytes;
    const message = bytes === null ? "must be a size such as 512MB or 2GB" : "must be between 1MB and 1000TB";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

const aDuration = "a duration (250ms, 2s, 15m, 72h, 14d)";
const aShare = "a number from 0 to 1";

const modelKeys = z.strictObject({
  model: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:@[\w.^~<>=|*:+ -]{1,128})?$/, {
      error: "must be a model's name and a version range, for instance product-id@^3",
    })
    .meta({ kind: "name@range", description: "The model from the registry: its name and a semantic version range." })
    .exactOptional(),
  model_path: z
    .string()
    .min(1)
    .max(4096)
    .meta({ kind: "a path", description: "An ONNX file with its manifest beside it, instead of `model`." })
    .exactOptional(),
  batch_size: count(1, 1024)
    .meta({ kind: "a whole number, 1 to 1024", description: "Most rows that run together." })
    .exactOptional(),
  max_history_frames: count(1, 100_000)
    .meta({ kind: "a whole number, 1 to 100000", description: "Frames of history that a tracking model is given." })
    .exactOptional(),
  options: z
    .record(text, z.union([z.string().max(limits.textCharsMax), z.number(), z.boolean()]))
    .nullable()
    .meta({
      kind: "names with text, numbers, true or false",
      description: "Further options for the model's feature builder.",
    })
    .exactOptional(),
});
const modelSchema = modelKeys
  .refine((given) => given.model === undefined || given.model_path === undefined, {
    error: "has both model and model_path; keep one of them",
  })
  .refine((given) => !Object.keys(given.options ?? {}).some((name) => name in modelKeys.shape), {
    error: "repeats a key of the model's entry under options; keep it in the entry",
  });

const gateThreshold = share.meta({
  kind: "a number from 0 to 1",
  description:
    "The gate threshold: a confidence that reaches it is accepted. Under a contract of a higher layer it is a floor.",
});
/** What a contract may promise, as an error and as a chance: less proves itself never, and more is no promise. */
export const contractShares = Object.freeze({ min: 1e-6, max: 0.5 });
const contractShare = z.number().min(contractShares.min).max(contractShares.max);
const contract = z.strictObject({
  max_error: contractShare.meta({
    kind: "a share, 0.000001 to 0.5",
    description: "Contract: at most this share of the accepted decisions is wrong.",
  }),
  delta: contractShare
    .meta({ kind: "a share, 0.000001 to 0.5", description: "Contract: the chance that the certificate is mistaken." })
    .exactOptional(),
  launch_labels: count(1, 20_000)
    .meta({
      kind: "a whole number, 1 to 20000",
      description: "Contract: labels at which a certificate is first tried; without it, as many as the hub computes.",
    })
    .exactOptional(),
  lapse_after: duration(365 * dayMs)
    .meta({ kind: aDuration, description: "Contract: without fresh evidence for so long, people decide again." })
    .exactOptional(),
  lapse_accepts: count(1, 1_000_000_000)
    .meta({
      kind: "a whole number, 1 to 1000000000",
      description: "Contract: after so many accepted decisions without fresh evidence, people decide again.",
    })
    .exactOptional(),
});
const aGate = "a number from 0 to 1, or { max_error, delta }";
const gateSchema = z.union([
  gateThreshold,
  contract,
  z.strictObject({
    default: z
      .union([gateThreshold, contract])
      .meta({ kind: aGate, description: "What holds where `classes` says nothing." })
      .exactOptional(),
    classes: z
      .record(
        text,
        z
          .union([share, contract])
          .meta({ kind: aGate, description: "The gate threshold of this label, or a contract of its own." }),
      )
      .refine((classes) => Object.keys(classes).length <= labelsMax, { error: `has more than ${labelsMax} labels` })
      .nullable()
      .meta({ kind: "labels with numbers or contracts", description: "Gate thresholds of single labels." })
      .exactOptional(),
    coarse: z
      .union([share, contract])
      .nullable()
      .meta({
        kind: aGate,
        description: "Gate threshold or contract of the `coarse_answer` rung; without it, the task's.",
      })
      .exactOptional(),
  }),
]);

const rungs = ["coarse_answer", "human_review", "safe_action"] as const;
const fallbackSchema = z
  .array(z.enum(rungs))
  .min(1)
  .superRefine((ladder, context) => {
    if (new Set(ladder).size < ladder.length) context.addIssue({ code: "custom", message: "names a rung twice" });
    const end = ladder.indexOf("safe_action");
    if (end >= 0 && end < ladder.length - 1) {
      context.addIssue({ code: "custom", path: [end + 1], message: "is never reached; safe_action ends the ladder" });
    }
  });

const amount = z.number().min(0).max(1e9);
const taskSchema = z.strictObject({
  decide_within: duration(limits.deadlineMsMax)
    .meta({
      kind: aDuration,
      description: "The device's patience; after it the case is escalated with reason `timeout`.",
    })
    .exactOptional(),
  review_within: duration(365 * dayMs)
    .meta({ kind: aDuration, description: "The patience with people; after it the next rung is taken." })
    .exactOptional(),
  fallback: fallbackSchema
    .meta({ kind: "a list of coarse_answer, human_review, safe_action", description: "The ladder, in order." })
    .exactOptional(),
  safe_action: z
    .strictObject({
      label: text.meta({ kind: "a label", description: "The answer." }),
      value: z
        .number()
        .meta({ kind: "a number", description: "Its class index or amount, where it has one." })
        .exactOptional(),
    })
    .nullable()
    .meta({ kind: "{ label, value }", description: "The answer of the `safe_action` rung." })
    .exactOptional(),
  escalations_per_hour: z
    .union([count(0, 1_000_000), z.literal("none")])
    .nullable()
    .meta({ kind: "a whole number, or none", description: "Most cases an hour that go to people; `none` is no limit." })
    .exactOptional(),
  review_capacity: z
    .strictObject({
      per_1000: z.number().min(0).max(1000).meta({
        kind: "a number from 0 to 1000",
        description: "Most of a thousand decisions that go to people; the rest takes the fallback below them.",
      }),
      answer_within: duration(365 * dayMs).meta({
        kind: aDuration,
        description: "Where people take longer (19 of 20 cases), fewer go to them.",
      }),
    })
    .nullable()
    .meta({
      kind: "{ per_1000, answer_within }",
      description: "What people can take; above it they get the cases of the highest expected loss.",
    })
    .exactOptional(),
  audit_share: share
    .meta({ kind: aShare, description: "Share of the accepted decisions that a person looks at as well." })
    .exactOptional(),
  costs: z
    .strictObject({
      review: amount.meta({ kind: "an amount of money", description: "One look by a person." }),
      wrong_accept: amount.meta({ kind: "an amount of money", description: "One wrong decision that was accepted." }),
      currency: z
        .string()
        .regex(/^[A-Z]{3}$/, { error: "must be a currency code of three capitals, for instance USD" })
        .meta({ kind: "three capitals", description: "Currency of both (ISO 4217)." }),
    })
    .nullable()
    .meta({
      kind: "{ review, wrong_accept, currency }",
      description: "What a review and a wrong accepted decision cost.",
    })
    .exactOptional(),
  question: text.meta({ kind: "text", description: "What a reviewer is asked." }).exactOptional(),
  labels: z
    .array(text)
    .max(labelsMax)
    .refine((labels) => new Set(labels).size === labels.length, { error: "names a label twice" })
    .meta({ kind: "a list of labels", description: "What a reviewer may choose where no model names the labels." })
    .exactOptional(),
  rules: rulesSchema
    .meta({
      kind: "a list of rules",
      description: "Hard rules, tried in order before the gate; the first that holds counts.",
    })
    .exactOptional(),
});

const retentionSchema = z.strictObject({
  journal_bytes: size(1e6, 1e15)
    .meta({
      kind: "a size (512MB, 2GB, 1GiB)",
      description: "Pictures and other input bytes that the journal may keep.",
    })
    .exactOptional(),
  input_keep: duration(3650 * dayMs)
    .meta({ kind: aDuration, description: "How long a decided case keeps its input after its answer." })
    .exactOptional(),
  unanswered_max: duration(3650 * dayMs)
    .meta({ kind: aDuration, description: "After this long an escalation that nobody answered takes its fallback." })
    .exactOptional(),
});

const brokerSchema = z.strictObject({
  url: z
    .string()
    .max(1024)
    .regex(/^(?:mqtts?|wss?):\/\/[^\s@/?#]+(?:\/[^\s@?#]*)?$/, {
      error: "must be a broker's address without a name and a secret, for instance mqtt://broker.store.example:1883",
    })
    .meta({
      kind: "mqtt://, mqtts://, ws:// or wss://",
      description: "An existing broker; without it the agent is the broker. Read when the agent starts.",
    }),
  username: z
    .string()
    .regex(namePattern, { error: "must have 1 to 64 letters, digits, dots, dashes and underscores" })
    .meta({ kind: "a name", description: "The agent's user name at the broker; without it, the agent's own name." })
    .exactOptional(),
  password_file: z
    .string()
    .min(1)
    .max(4096)
    .meta({ kind: "a path", description: "A file with the agent's password at the broker and nothing else." })
    .exactOptional(),
  ca_file: z
    .string()
    .min(1)
    .max(4096)
    .meta({ kind: "a path", description: "Certificate (PEM) of the authority that signed the broker's." })
    .exactOptional(),
});

function perTask<S extends z.ZodType>(schema: S): z.ZodRecord<z.ZodString, z.ZodNullable<S>> {
  return z
    .record(taskName, schema.nullable())
    .refine((tasks) => Object.keys(tasks).length <= tasksMax, { error: `has more than ${tasksMax} tasks` });
}

export const layerSchema = z.strictObject({
  store_id: z
    .string()
    .regex(namePattern, { error: "must have 1 to 64 letters, digits, dots, dashes and underscores" })
    .meta({
      kind: "a name",
      description: "The store's name; it is part of every topic. One of the layers must give it.",
    })
    .exactOptional(),
  models: perTask(
    modelSchema.meta({
      kind: "{ model, batch_size, … } or { model_path, … }",
      description: "Which model answers the task; without one its cases go to people.",
    }),
  )
    .nullable()
    .exactOptional(),
  thresholds: perTask(
    gateSchema.meta({
      kind: `${aGate}, or { default, classes, coarse }`,
      description: "The gate threshold of a task, or the contract that computes it.",
    }),
  )
    .nullable()
    .exactOptional(),
  tasks: perTask(
    taskSchema.meta({
      kind: "the keys below",
      description: "How a task is decided. A task may stand here without a model and a gate threshold.",
    }),
  )
    .nullable()
    .exactOptional(),
  retention: retentionSchema.nullable().exactOptional(),
  broker: brokerSchema
    .nullable()
    .meta({
      kind: "{ url, username, password_file, ca_file }",
      description: "See external-broker.md. One value: a lower layer gives all of it anew.",
    })
    .exactOptional(),
  locked: z
    .array(text)
    .max(locksMax)
    .nullable()
    .meta({
      kind: "a list of keys",
      description: "Keys that lower layers may not change, for instance `thresholds.product_identification`.",
    })
    .exactOptional(),
});

/** One layer, read: durations in milliseconds, sizes in bytes, everything else as the YAML says it. */
export type LayerValues = z.output<typeof layerSchema>;
export type ModelValues = NonNullable<NonNullable<LayerValues["models"]>[string]>;
export type GateValues = NonNullable<NonNullable<LayerValues["thresholds"]>[string]>;
export type ContractValues = z.output<typeof contract>;
export type TaskValues = z.output<typeof taskSchema>;
export type BrokerValues = z.output<typeof brokerSchema>;
export type RetentionValues = z.output<typeof retentionSchema>;
/** As it is written. */
export type LayerInput = z.input<typeof layerSchema>;
