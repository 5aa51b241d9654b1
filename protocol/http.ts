import { type HoldpointError } from "./errors.ts";

/**
 * HTTP as data: a room that answers HTTP exports routes, and `platform/http-server.node.ts` serves them. Handlers take
 * and give the web's own Request and Response, so the same ones run in tests without a socket.
 */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path with parameters: `/v1/decisions/:id`. */
  readonly path: string;
  /** Operational errors are thrown as HoldpointError and become problem+json; anything else that is thrown is a bug. */
  handle(exchange: Exchange): Response | Reply | Promise<Response | Reply>;
}

/** An answer as plain data: for the busy routes, because making a `Response` costs more than the rest of the exchange. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface Exchange {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Aborted when the peer is gone before it has its answer: whoever waits on its behalf can stop. */
  readonly gone: AbortSignal;
  /** One header of the request, in lower case; without the cost of `request`. */
  header(name: string): string | null;
  /** The same object for all requests of one connection: what is kept for it is kept under this, weakly. */
  readonly connection: object;
  /** Address of the peer, for rate limits. */
  readonly remote: string;
  /** The whole body. Throws HP_TOO_LARGE above the server's `bodyBytesMax`, before it is read into memory. */
  body(): Promise<Uint8Array>;
}

export function jsonResponse(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", ...headers } });
}

/** RFC 9457, with the members of our error body. */
export function problemResponse(error: HoldpointError, id: string | null = null): Response {
  const { body, status, headers } = problemReply(error, id);
  return new Response(body as string, { status, headers });
}

export function jsonReply(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** RFC 9457, as plain data. `status` where it is another than the catalogue's. */
export function problemReply(error: HoldpointError, id: string | null = null, status = error.status): Reply {
  // A cache may keep a 404 or 405 that says nothing of it.
  const headers: Record<string, string> = { "content-type": "application/problem+json", ...refusalHeaders };
  if (error.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(error.retryAfterMs / 1000));
  if (error.status === 401) headers["www-authenticate"] = 'Bearer realm="holdpoint"';
  const said = error.body(id);
  const body = { type: `urn:holdpoint:error:${error.code}`, title: said.message, status, ...said };
  return { status, headers, body: JSON.stringify(body) };
}

const refusalHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
