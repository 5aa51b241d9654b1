import { z } from "zod";
import {
  queueStateSchema,
  reviewCaseSchema,
  type AnswerTaken,
  type HeldCases,
  type ReviewSession,
} from "../../protocol/index.ts";

/** What the review page's API answers, as schemas: the hub's OpenAPI document is made of them. */

export const sessionReplySchema: z.ZodType<ReviewSession> = z.strictObject({
  reviewer: z.string(),
  store: z.string(),
  undoWindowMs: z.number().int(),
  leaseMs: z.number().int(),
  nowMs: z.number(),
});

export const heldCasesSchema: z.ZodType<HeldCases> = z.strictObject({
  cases: z.array(reviewCaseSchema),
  queue: queueStateSchema,
  nowMs: z.number(),
});

export const answerTakenSchema: z.ZodType<AnswerTaken> = z.strictObject({
  id: z.string(),
  reviewId: z.string(),
  undoUntilMs: z.number(),
  nowMs: z.number(),
});

export const leaseReplySchema = z.strictObject({ expiresAtMs: z.number() });
export const labelsReplySchema = z.strictObject({ task: z.string(), labels: z.array(z.string()) });
export const nothingReplySchema = z.strictObject({});
