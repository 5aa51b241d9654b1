import {
  HoldpointError,
  jsonResponse,
  leaseReferenceSchema,
  pairSchema,
  submitSchema,
  undoSchema,
  type Clock,
  type Exchange,
  type Result,
  type ReviewNews,
  type ReviewSession,
  type Route,
} from "../../protocol/index.ts";
import { checkChange, checkOrigin, readJson, sessionCookie, tokenOf } from "./guards.ts";
import { type Pairing } from "./pairing.ts";
import { type Reviewer, type ReviewStore } from "./review-store.ts";
import { sessionMsDefault, type Sessions } from "./sessions.ts";
import { type Streams } from "./stream.ts";

/** The review page's API over a ReviewStore: the agent serves it on its own listener, the hub among its pages. */
export interface ReviewHandlersOptions {
  readonly store: ReviewStore;
  readonly storeName: string;
  readonly pairing: Pairing;
  readonly sessions: Sessions;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly sessionMs?: number;
  /** True behind TLS. */
  readonly isSecure: boolean;
  /** Names under which this server may be called. */
  readonly isOwnHost: (host: string) => boolean;
}

/** A case that is shown and the one after it. */
const casesAhead = 2;

type Handle = (reviewer: Reviewer, exchange: Exchange) => Promise<Response>;

export function reviewRoutes(options: ReviewHandlersOptions): readonly Route[] {
  const { store } = options;
  const get = (path: string, handle: Handle): Route => ({
    method: "GET",
    path: `/v1/review${path}`,
    handle: (exchange) => {
      checkOrigin(exchange.request, options.isOwnHost);
      return handle(reviewerOf(options, exchange), exchange);
    },
  });
  const post = (path: string, handle: Handle): Route => ({
    method: "POST",
    path: `/v1/review${path}`,
    handle: (exchange) => {
      checkChange(exchange.request, options.isOwnHost);
      return handle(reviewerOf(options, exchange), exchange);
    },
  });
  return [
    { method: "POST", path: "/v1/review/pair", handle: (exchange) => pair(options, exchange) },
    post("/leave", (_reviewer, exchange) => leave(options, exchange)),
    get("/session", async (reviewer) => json(await sessionOf(options, reviewer))),
    get("/queue", async () => json(await store.queue())),
    get("/stream", (reviewer, { gone }) => stream(options, reviewer, gone)),
    get("/tasks/:task/labels", async (_reviewer, { params }) => {
      const task = params["task"] ?? "";
      return json({ task, labels: valueOf(await store.labels(task)) });
    }),
    get("/cases/:id/picture", async (reviewer, { params }) => picture(options, reviewer, params["id"] ?? "")),
    post("/next", async (reviewer) => json(await store.next(reviewer, casesAhead))),
    post("/cases/:id/heartbeat", async (reviewer, exchange) => {
      const { generation } = await readJson(exchange, leaseReferenceSchema);
      return json(valueOf(await store.heartbeat(reviewer, exchange.params["id"] ?? "", generation)));
    }),
    post("/cases/:id/release", async (reviewer, exchange) => {
      const { generation } = await readJson(exchange, leaseReferenceSchema);
      await store.release(reviewer, exchange.params["id"] ?? "", generation);
      return json({});
    }),
    post("/cases/:id/submit", async (reviewer, exchange) => {
      const submit = await readJson(exchange, submitSchema);
      return json(valueOf(await store.submit(reviewer, exchange.params["id"] ?? "", submit)));
    }),
    post("/cases/:id/undo", async (reviewer, exchange) => {
      const { reviewId } = await readJson(exchange, undoSchema);
      return json(valueOf(await store.undo(reviewer, exchange.params["id"] ?? "", reviewId)));
    }),
  ];
}

async function pair(options: ReviewHandlersOptions, exchange: Exchange): Promise<Response> {
  checkChange(exchange.request, options.isOwnHost);
  const { pin, name, code } = await readJson(exchange, pairSchema);
  options.pairing.redeem({ pin, code: code ?? null, remote: exchange.remote });
  const { token, reviewer } = options.sessions.open(printable(name));
  const cookie = sessionCookie(token, options.sessionMs ?? sessionMsDefault, options.isSecure);
  return json(await sessionOf(options, reviewer), { "set-cookie": cookie });
}

async function leave(options: ReviewHandlersOptions, exchange: Exchange): Promise<Response> {
  options.sessions.end(tokenOf(exchange.request) ?? "");
  return Promise.resolve(json({}, { "set-cookie": sessionCookie("", 0, options.isSecure) }));
}

async function sessionOf(options: ReviewHandlersOptions, reviewer: Reviewer): Promise<ReviewSession> {
  const { undoWindowMs } = await options.store.queue();
  const { storeName, leaseMs, clock } = options;
  return { reviewer: reviewer.name, store: storeName, undoWindowMs, leaseMs, nowMs: clock.wallMs() };
}

async function stream(options: ReviewHandlersOptions, reviewer: Reviewer, gone: AbortSignal): Promise<Response> {
  const { store, streams } = options;
  const first: ReviewNews = { kind: "queue", queue: await store.queue() };
  return streams.open({ reviewer: reviewer.key, first, gone, listen: (listener) => store.listen(reviewer, listener) });
}

async function picture(options: ReviewHandlersOptions, reviewer: Reviewer, id: string): Promise<Response> {
  const found = valueOf(await options.store.picture(reviewer, id));
  if (found === null) throw new HoldpointError("HP_NOT_FOUND", "the picture is no longer kept on this box");
  const headers = {
    ...privateHeaders,
    "content-type": found.contentType,
    // Whatever the bytes are: nothing in them runs, and no other site may embed them.
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "content-disposition": "inline",
  };
  return new Response(Uint8Array.from(found.bytes), { headers });
}

/** Throws HP_UNAUTHORIZED. */
function reviewerOf(options: ReviewHandlersOptions, exchange: Exchange): Reviewer {
  const token = tokenOf(exchange.request);
  const reviewer = token === null ? null : options.sessions.find(token);
  if (reviewer !== null) return reviewer;
  throw new HoldpointError("HP_UNAUTHORIZED", "this page is not paired with the box any more", {
    hint: "Pair the page again with the PIN that the agent shows.",
  });
}

const privateHeaders = { "cache-control": "private, no-store", "x-content-type-options": "nosniff" };

function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return jsonResponse(value, 200, { ...privateHeaders, ...headers });
}

function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

/** A name goes into the journal and onto other people's screens: no control or direction characters in it. */
function printable(name: string): string {
  const clean = name.replaceAll(/[\p{Cc}\p{Cf}]/gu, "").trim();
  if (clean === "") throw new HoldpointError("HP_SCHEMA", "name: must have a letter");
  return clean;
}
