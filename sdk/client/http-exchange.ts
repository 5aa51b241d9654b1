import { HoldpointError, limits, type Timers } from "../../protocol/index.ts";
import { parseWireError } from "./wire-error.ts";

export interface HttpExchangeOptions {
  /** `http://` or `https://`, without a slash at its end. */
  readonly url: string;
  readonly device: string;
  readonly secret: string;
  readonly fetch: typeof globalThis.fetch;
  readonly timers: Timers;
}

export interface HttpCall {
  readonly method: "GET" | "POST";
  /** Below the url, with the query. */
  readonly path: string;
  readonly body: Uint8Array | null;
  /** Everything together: connect, wait, headers, body. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

export type HttpAnswer =
  | { readonly kind: "ok"; readonly status: number; readonly bytes: Uint8Array }
  /** The agent refused it, in its own words. */
  | { readonly kind: "refused"; readonly error: HoldpointError }
  /** No agent answered: nothing is known of the request. */
  | { readonly kind: "failed"; readonly error: HoldpointError };

/** One HTTP exchange with an agent: bounded in time and bytes, redirects not followed. Never rejects. */
export async function exchange(options: HttpExchangeOptions, call: HttpCall): Promise<HttpAnswer> {
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(call.signal.reason);
  call.signal.addEventListener("abort", onAbort, { once: true });
  if (call.signal.aborted) onAbort();
  const cancel = options.timers.after(call.deadlineMs, () => {
    abort.abort(new HoldpointError("HP_TIMEOUT", `the agent did not answer within ${call.deadlineMs} ms`));
  });
  try {
    const response = await options.fetch(`${options.url}${call.path}`, init(options, call, abort.signal));
    return await read(response);
  } catch (cause) {
    const reason: unknown = abort.signal.aborted ? abort.signal.reason : cause;
    if (reason instanceof HoldpointError) return { kind: "failed", error: reason };
    return failed(`no connection to ${options.url}: ${wordsOf(reason)}`, reason);
  } finally {
    cancel();
    call.signal.removeEventListener("abort", onAbort);
  }
}

function init({ device, secret }: HttpExchangeOptions, { method, body }: HttpCall, signal: AbortSignal): RequestInit {
  // A secret from `device add` begins with the device's name already.
  const token = secret.startsWith(`${device}.`) ? secret : `${device}.${secret}`;
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    accept: "application/msgpack, application/json",
  };
  if (body !== null) headers["content-type"] = body[0] === 0x7b ? "application/json" : "application/msgpack";
  return {
    method,
    headers,
    signal,
    // A followed redirect would carry the secret to another place.
    redirect: "manual",
    cache: "no-store",
    credentials: "omit",
    ...(body === null ? {} : { body: body as Uint8Array<ArrayBuffer> }),
  };
}

async function read(response: Response): Promise<HttpAnswer> {
  const bytes = await readBounded(response, limits.messageBytesMax);
  if (response.ok) return { kind: "ok", status: response.status, bytes };
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    return failed("the address redirects; give the agent's own url");
  }
  const wire = parseWireError(bytes);
  // Without the agent's words it is a proxy, or some other server: that says nothing about the request.
  return wire === null
    ? failed(`status ${response.status} without an agent's answer; is the url right?`)
    : { kind: "refused", error: wire.error };
}

async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      await reader.cancel();
      throw new HoldpointError("HP_UNREACHABLE", `the answer is larger than ${bytesMax} bytes; is the url right?`);
    }
    chunks.push(value);
  }
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function failed(message: string, cause?: unknown): HttpAnswer {
  return { kind: "failed", error: new HoldpointError("HP_UNREACHABLE", message, { cause }) };
}

/** `fetch failed` says nothing; its cause does. */
function wordsOf(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  return reason.cause instanceof Error ? reason.cause.message : reason.message;
}
