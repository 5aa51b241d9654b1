import { z } from "zod";
import { limits } from "./limits.ts";

/** What a review page and its server say to each other; the agent and the hub serve the same. */

const text = z.string().max(limits.textCharsMax);
const share = z.number().min(0).max(1);

/** One case as a reviewer sees it. Bytes of the picture come from `pictureUrl`. */
export const reviewCaseSchema = z.strictObject({
  id: text,
  task: text,
  store: text,
  device: text,
  context: z.record(text, z.union([text, z.number(), z.boolean()])),
  inputKind: text,
  /** Relative address of the picture, or null for inputs without one (or whose picture was evicted). */
  pictureUrl: text.nullable(),
  /** Facts to show in place of a picture: features, items, the tail of a sequence. */
  facts: z.array(z.strictObject({ name: text, value: text })),
  /** Best first. Empty where no model answered. */
  suggestions: z.array(z.strictObject({ label: text, confidence: share })),
  gateThreshold: share,
  confidence: share,
  /** Why it was held: reasons of the decision, and one sentence for people. */
  reasons: z.array(text),
  question: text,
  explanation: text.nullable(),
  heldAtMs: z.number(),
  /** Wall-clock end of `review_within`. */
  dueAtMs: z.number(),
  lease: z.strictObject({ reviewer: text, generation: z.number().int(), expiresAtMs: z.number() }).nullable(),
});
export type ReviewCase = z.infer<typeof reviewCaseSchema>;

/** A reviewer's answer. "cannot_tell" and "bad_picture" take the next rung of the ladder. */
export const reviewAnswerSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("label"), label: text.min(1) }),
  z.strictObject({ kind: z.literal("cannot_tell") }),
  z.strictObject({ kind: z.literal("bad_picture") }),
]);
export type ReviewAnswer = z.infer<typeof reviewAnswerSchema>;

export const submitSchema = z.strictObject({
  answer: reviewAnswerSchema,
  /** Generation of the lease that the reviewer holds: a late answer of an expired lease is refused. */
  generation: z.number().int().min(1),
  /** Makes a repeated submit harmless. */
  reviewId: text.min(1),
});
export type Submit = z.infer<typeof submitSchema>;

export const queueStateSchema = z.strictObject({
  store: text,
  waiting: z.number().int(),
  oldestHeldAtMs: z.number().nullable(),
  undoWindowMs: z.number().int(),
  tasks: z.array(z.strictObject({ task: text, waiting: z.number().int() })),
});
export type QueueState = z.infer<typeof queueStateSchema>;
