import type { ErrorBody, ErrorCode } from "../../../protocol/index.ts";

/**
 * One call to the hub. A refusal is a value, a failure inside the hub as well; only a hub that cannot be reached (or
 * cannot answer now) is `null`.
 */
export type Answered<T> = { readonly ok: true; readonly value: T } | Refused | null;

export interface Refused {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly retryAfterMs: number | null;
}

const callMsMax = 15_000;

/** A fault of the hub itself, in words for whoever looks at the page. */
const failed: Omit<Refused, "retryAfterMs"> = {
  ok: false,
  code: "HP_INTERNAL",
  message: "The hub failed with this request",
  hint: "What went wrong is in its log. Try again in a moment.",
};

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export async function ask<T>(method: Method, path: string, body?: unknown): Promise<Answered<T>> {
  try {
    const response = await fetch(path, {
      method,
      // What changes something must be JSON: a form of another site cannot send that (CSRF).
      ...(method === "GET"
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) }),
      cache: "no-store",
      signal: AbortSignal.timeout(callMsMax),
    });
    const text = await response.text();
    const answer = text === "" ? null : (JSON.parse(text) as unknown);
    if (response.ok) return { ok: true, value: answer as T };
    const { code, message, hint, retry, retryAfterMs } = answer as ErrorBody;
    if (code === "HP_INTERNAL") return { ...failed, retryAfterMs: retryAfterMs ?? null };
    if (response.status >= 500 || (retry === "backoff" && code !== "HP_RATE")) return null;
    return { ok: false, code, message, hint, retryAfterMs: retryAfterMs ?? null };
  } catch {
    return null;
  }
}

/** `?a=b` of what is not null. */
export function search(query: Readonly<Record<string, string | number | null | undefined>>): string {
  const entries = Object.entries(query).filter(
    (entry) => entry[1] !== null && entry[1] !== undefined && entry[1] !== "",
  );
  const text = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}

/** One level of a path. */
export function level(text: string): string {
  return encodeURIComponent(text);
}
