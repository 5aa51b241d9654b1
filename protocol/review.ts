import { z } from "zod";
import { limits } from "./limits.ts";

/** What a review page and its server say to each other; the agent and the hub serve the same. */

const text = z.string().max(limits.textCharsMax);
const share = z.number().min(0).max(1);

/** Bounds of the review page and its server. docs/review.md says what happens at each of them. */
export const reviewLimits = Object.freeze({
  /** Body of a call to `/v1/review`. HP_TOO_LARGE above it. */
  bodyBytesMax: 16 * 1024,
  nameCharsMax: 60,
  /** Points of one curve; longer sequences are thinned. */
  seriesPointsMax: 240,
  /** Curves of a case; further channels are left out and named as a fact. */
  seriesMax: 6,
  /** Facts of a case; further ones are counted in the last one. */
  factsMax: 40,
  /** Cases that one reviewer holds at a time: the one shown, the next one, and those that an undo brought back. */
  leasesPerReviewerMax: 4,
});

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
  /** Facts to show in place of a picture: features, items, what a sequence measures. */
  facts: z.array(z.strictObject({ name: text, value: text })),
  /** Curves of a sequence, one per channel, thinned to `seriesPointsMax` points. */
  series: z.array(z.strictObject({ name: text, points: z.array(z.number()), seconds: z.number() })),
  /** Best first. Empty where no model answered. */
  suggestions: z.array(z.strictObject({ label: text, confidence: share })),
  gateThreshold: share,
  confidence: share,
  /** Why it was held: reasons of the decision, and one sentence for people. */
  reasons: z.array(text),
  question: text,
  explanation: text.nullable(),
  /** A sample of accepted decisions that people check as well; the device does not wait for it. */
  audit: z.boolean(),
  heldAtMs: z.number(),
  /** Wall-clock end of `review_within`; null for audit samples, which nothing waits for. */
  dueAtMs: z.number().nullable(),
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
  /** From showing the case to the answer, milliseconds. */
  tookMs: z.number().int().min(0).max(86_400_000).nullable(),
});
export type Submit = z.infer<typeof submitSchema>;

export const pairSchema = z.strictObject({
  pin: z.string().max(32),
  name: z.string().trim().min(1).max(reviewLimits.nameCharsMax),
  /** The one-time code of the QR code, where the page was opened by it. */
  code: z.string().max(128).optional(),
});

export const leaseReferenceSchema = z.strictObject({ generation: z.number().int().min(1) });
export const undoSchema = z.strictObject({ reviewId: text.min(1) });

export const queueStateSchema = z.strictObject({
  store: text,
  /** Cases that nobody has yet. */
  waiting: z.number().int(),
  /** Cases that reviewers have before them. */
  leased: z.number().int(),
  /** There are more than the server counts at a time. */
  more: z.boolean(),
  oldestHeldAtMs: z.number().nullable(),
  undoWindowMs: z.number().int(),
  tasks: z.array(z.strictObject({ task: text, waiting: z.number().int() })),
});
export type QueueState = z.infer<typeof queueStateSchema>;

/** What a reviewer's page is told of itself at its start and when it comes back. */
export interface ReviewSession {
  readonly reviewer: string;
  readonly store: string;
  readonly undoWindowMs: number;
  readonly leaseMs: number;
  /** Wall clock of the server: the page's own may be wrong. */
  readonly nowMs: number;
}

/** Cases that the reviewer holds now, in the order in which to show them. */
export interface HeldCases {
  readonly cases: readonly ReviewCase[];
  readonly queue: QueueState;
  readonly nowMs: number;
}

/** An answer that was taken: it leaves for the device at `undoUntilMs` (wall clock of the server). */
export interface AnswerTaken {
  readonly id: string;
  readonly reviewId: string;
  readonly undoUntilMs: number;
  readonly nowMs: number;
}

/** What `/v1/review/stream` tells, as server-sent events with `kind` as the event's name. */
export type ReviewNews =
  | { readonly kind: "queue"; readonly queue: QueueState }
  /** The case is closed or gone to somebody else: take it off the page. */
  | { readonly kind: "withdrawn"; readonly id: string; readonly why: "settled" | "expired" | "lease_lost" }
  /** The journal has made the decision final; `isConflict`: by another answer than this reviewer's. */
  | { readonly kind: "final"; readonly id: string; readonly label: string | null; readonly isConflict?: boolean }
  /** The device has acknowledged the final decision. */
  | { readonly kind: "delivered"; readonly id: string };
