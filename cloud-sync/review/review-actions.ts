import { z } from "zod";
import {
  HoldpointError,
  jsonResponse,
  leaseReferenceSchema,
  queueStateSchema,
  submitSchema,
  undoSchema,
  type Clock,
  type Result,
  type ReviewNews,
  type ReviewSession,
} from "../../protocol/index.ts";
import {
  answerTakenSchema,
  heldCasesSchema,
  labelsReplySchema,
  leaseReplySchema,
  nothingReplySchema,
  sessionReplySchema,
} from "./review-replies.ts";
import { type Reviewer, type ReviewPicture, type ReviewStore } from "./review-store.ts";
import { type Streams } from "./stream.ts";

/**
 * The review page's API over a ReviewStore, as data: what is asked, and what is answered to a reviewer who is known. Who
 * that is, the server decides: the agent by pairing, the hub by its own sign-in.
 */
export interface ReviewAction {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** `id` is unique among operations; `summary` is one sentence without a full stop. */
  readonly operation: { readonly id: string; readonly summary: string };
  readonly body?: z.ZodType;
  readonly reply: z.ZodType | { readonly contentType: string };
  /** Throws HP_LEASE_LOST, HP_SETTLED, HP_NOT_FOUND, HP_UNKNOWN_TASK, HP_SCHEMA, HP_BUSY. */
  handle(reviewer: Reviewer, call: ReviewCall): Promise<Response>;
}

interface ReviewCall {
  readonly params: Readonly<Record<string, string>>;
  /** As the action's schema has it. */
  readonly body: unknown;
  /** Aborted when the caller is gone. */
  readonly gone: AbortSignal;
}

export interface ReviewActionsOptions {
  readonly store: ReviewStore;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly leaseMs: number;
  /** What the page shows as the place that the reviewer works for. */
  readonly storeNameOf: (reviewer: Reviewer) => string;
}

/** A case that is shown and the one after it. */
const casesAhead = 2;
const nameMax = 200;
const filterSchema = z.strictObject({
  store: z.string().max(nameMax).optional(),
  task: z.string().max(nameMax).optional(),
  skill: z.string().max(nameMax).optional(),
});

interface Spec<B extends z.ZodType> {
  readonly id: string;
  readonly summary: string;
  readonly body?: B;
  readonly reply: ReviewAction["reply"];
  readonly handle: (reviewer: Reviewer, call: ReviewCall & { readonly body: z.output<B> }) => Promise<Response>;
}

function action<B extends z.ZodType>(method: "GET" | "POST", path: string, spec: Spec<B>): ReviewAction {
  const { id, summary, handle, ...rest } = spec;
  const call = handle;
  return { method, path: `/v1/review${path}`, operation: { id, summary }, ...rest, handle: call };
}

export function reviewActions(options: ReviewActionsOptions): readonly ReviewAction[] {
  return [...readingActions(options), ...workingActions(options)];
}

function readingActions(options: ReviewActionsOptions): readonly ReviewAction[] {
  const { store } = options;
  return [
    action("GET", "/session", {
      ...{ id: "readReviewSession", summary: "Who reviews here, and how long leases and undo windows are" },
      reply: sessionReplySchema,
      handle: async (reviewer) => json(await sessionOf(options, reviewer)),
    }),
    action("GET", "/queue", {
      ...{ id: "readReviewQueue", summary: "How much waits for this reviewer" },
      reply: queueStateSchema,
      handle: async (reviewer) => json(await store.queue(reviewer)),
    }),
    action("GET", "/stream", {
      ...{ id: "streamReviewNews", summary: "News for this reviewer, as server-sent events" },
      reply: { contentType: "text/event-stream" },
      handle: (reviewer, { gone }) => stream(options, reviewer, gone),
    }),
    action("GET", "/tasks/:task/labels", {
      ...{ id: "readTaskLabels", summary: "Every label that an answer of the task may have" },
      reply: labelsReplySchema,
      handle: async (reviewer, { params }) => {
        const task = params["task"] ?? "";
        return json({ task, labels: valueOf(await store.labels(task, reviewer)) });
      },
    }),
    action("GET", "/cases/:id/picture", {
      ...{ id: "readReviewPicture", summary: "The picture of a case that the reviewer holds or has just answered" },
      reply: { contentType: "image/*" },
      handle: async (reviewer, { params }) => {
        const found = valueOf(await store.picture(reviewer, params["id"] ?? ""));
        if (found === null) throw new HoldpointError("HP_NOT_FOUND", "the picture is no longer kept here");
        return pictureResponse(found);
      },
    }),
  ];
}

function workingActions(options: ReviewActionsOptions): readonly ReviewAction[] {
  const { store } = options;
  return [
    action("POST", "/next", {
      ...{ id: "claimNextCases", summary: "Take the next case and the one after it" },
      body: filterSchema,
      reply: heldCasesSchema,
      handle: async (reviewer, { body }) => json(await store.next(reviewer, casesAhead, body)),
    }),
    action("POST", "/cases/:id/heartbeat", {
      ...{ id: "keepCase", summary: "Keep the lease of a case alive" },
      body: leaseReferenceSchema,
      reply: leaseReplySchema,
      handle: async (reviewer, { params, body }) =>
        json(valueOf(await store.heartbeat(reviewer, params["id"] ?? "", body.generation))),
    }),
    action("POST", "/cases/:id/release", {
      ...{ id: "releaseCase", summary: "Give a case back to the queue" },
      body: leaseReferenceSchema,
      reply: nothingReplySchema,
      handle: async (reviewer, { params, body }) => {
        await store.release(reviewer, params["id"] ?? "", body.generation);
        return json({});
      },
    }),
    action("POST", "/cases/:id/submit", {
      ...{ id: "submitAnswer", summary: "Answer a case; the answer leaves when its undo window ends" },
      body: submitSchema,
      reply: answerTakenSchema,
      handle: async (reviewer, { params, body }) =>
        json(valueOf(await store.submit(reviewer, params["id"] ?? "", body))),
    }),
    action("POST", "/cases/:id/undo", {
      ...{ id: "undoAnswer", summary: "Take an answer back within its undo window" },
      body: undoSchema,
      reply: heldCasesSchema,
      handle: async (reviewer, { params, body }) =>
        json(valueOf(await store.undo(reviewer, params["id"] ?? "", body.reviewId))),
    }),
  ];
}

export async function sessionOf(
  { store, storeNameOf, leaseMs, clock }: ReviewActionsOptions,
  reviewer: Reviewer,
): Promise<ReviewSession> {
  const { undoWindowMs } = await store.queue(reviewer);
  return { reviewer: reviewer.name, store: storeNameOf(reviewer), undoWindowMs, leaseMs, nowMs: clock.wallMs() };
}

async function stream(options: ReviewActionsOptions, reviewer: Reviewer, gone: AbortSignal): Promise<Response> {
  const { store, streams } = options;
  const first: ReviewNews = { kind: "queue", queue: await store.queue(reviewer) };
  return streams.open({ reviewer: reviewer.key, first, gone, listen: (listener) => store.listen(reviewer, listener) });
}

/** A picture as a browser may have it: whatever the bytes are, nothing in them runs, and no other site embeds them. */
export function pictureResponse({ contentType, bytes }: ReviewPicture): Response {
  const headers = {
    ...privateHeaders,
    "content-type": contentType,
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "content-disposition": "inline",
  };
  return new Response(Uint8Array.from(bytes), { headers });
}

const privateHeaders = { "cache-control": "private, no-store", "x-content-type-options": "nosniff" };

/** Not for any cache: what a page shows is for its reviewer, now. */
export function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return jsonResponse(value, 200, { ...privateHeaders, ...headers });
}

export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw result.error;
  return result.value;
}
