import { type HoldpointError } from "./errors.ts";

/**
 * HTTP as data: a room that answers HTTP exports routes, and `platform/http-server.node.ts` serves them. Handlers take
 * and give the web's own Request and Response, so the same ones run in tests without a socket.
 */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path with parameters: `/v1/decisions/:id`. */
  readonly path: string;
  /** Operational errors are thrown as HoldpointError and become problem+json. */
  handle(exchange: Exchange): Response | Promise<Response>;
}

export interface Exchange {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
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
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (error.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(error.retryAfterMs / 1000));
  if (error.status === 401) headers["www-authenticate"] = 'Bearer realm="holdpoint"';
  const body = {
    type: `urn:holdpoint:error:${error.code}`,
    title: error.message,
    status: error.status,
    ...error.body(id),
  };
  return new Response(JSON.stringify(body), { status: error.status, headers });
}
