import {
  checkMessage,
  decodeMessage,
  errorCatalogue,
  HoldpointError,
  type ErrorCode,
  type HoldpointErrorOptions,
} from "../../protocol/index.ts";
import { type z } from "zod";
import { type ExchangeOutcome, type HubAnswer } from "./hub-port.ts";

/** An answer as it came from the network, whole and within its bound. */
export interface RawAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly header: (name: string) => string | null;
  readonly body: Uint8Array;
}

/**
 * Reads an answer that may be anybody's: between a store and its hub there are captive portals, proxies and wrong
 * addresses. Pure. `nowMs` is the box's wall clock, for a `Retry-After` that is a date.
 */
export function readAnswer<T>(raw: RawAnswer, schema: z.ZodType<T>, nowMs: number): HubAnswer<T> {
  const early = headFault(raw, nowMs);
  if (early) return early;
  const type = contentType(raw);
  if (type !== "application/json" && type !== "application/problem+json") return foreignText(raw, type, nowMs);
  // MessagePack is nothing that a hub answers with: the first byte alone must not choose the decoder.
  const decoded = raw.body[0] === 0x7b ? decodeMessage(raw.body) : null;
  if (decoded?.ok !== true) {
    return fault("foreign", "HP_NOT_HUB", `an answer with status ${raw.status} is not the JSON that it says it is`, {
      cause: decoded?.error,
    });
  }
  const { value } = decoded.value;
  if (raw.status >= 400) return problemOf(raw, value, nowMs);
  const checked = checkMessage(value, schema);
  if (checked.ok) return { ok: true, value: checked.value };
  return fault("foreign", "HP_NOT_HUB", `the answer has not the shape of a hub's: ${checked.error.message}`);
}

/** What the head of an answer says already, before its body is worth reading. */
export function headFault(raw: Omit<RawAnswer, "body">, nowMs: number): Exclude<HubAnswer<never>, { ok: true }> | null {
  if (raw.status >= 300 && raw.status < 400) {
    const to = raw.header("location")?.slice(0, 200) ?? "nowhere";
    return fault("redirect", "HP_NOT_HUB", `the hub's address redirects to ${to}, which a hub never does`, {
      hint: "Log this network in at its portal, or give the hub's own url.",
    });
  }
  const encoding = raw.header("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    return fault(
      "compressed",
      "HP_NOT_HUB",
      `the answer is compressed (${encoding.slice(0, 40)}) without being asked to be`,
      {
        hint: "Take the compressing proxy out of the way to the hub.",
      },
    );
  }
  if (raw.status < 200) return fault("foreign", "HP_NOT_HUB", `status ${raw.status}`, retryAfter(raw, nowMs));
  return null;
}

/** The hub's own refusal, by its code; a code that this agent has never heard of keeps its words. */
function problemOf(raw: RawAnswer, value: unknown, nowMs: number): HubAnswer<never> {
  const body = value as { readonly code?: unknown; readonly message?: unknown; readonly hint?: unknown };
  const { code } = body;
  const message = typeof body.message === "string" ? body.message.slice(0, 500) : `status ${raw.status}`;
  const hint = typeof body.hint === "string" ? { hint: body.hint.slice(0, 500) } : {};
  const later = retryAfter(raw, nowMs);
  if (typeof code === "string" && Object.hasOwn(errorCatalogue, code)) {
    return fault("refused", code as ErrorCode, message, { ...hint, ...later });
  }
  if (typeof code === "string" && code.startsWith("HP_")) {
    const known: ErrorCode = raw.status >= 500 ? "HP_UNREACHABLE" : "HP_VERSION";
    return fault("refused", known, `${code.slice(0, 40)}: ${message}`, { ...hint, ...later });
  }
  return proxyFault(raw, nowMs) ?? fault("foreign", "HP_NOT_HUB", `an answer with status ${raw.status} is no hub's`);
}

function foreignText(raw: RawAnswer, type: string, nowMs: number): HubAnswer<never> {
  const what = type === "" ? "no type" : `type ${type}`;
  return (
    proxyFault(raw, nowMs) ??
    fault(
      "foreign",
      "HP_NOT_HUB",
      `an answer with status ${raw.status} and ${what}: something else than the hub answers`,
    )
  );
}

/** What a proxy in front of the hub says in its own words, and means as a hub would. */
function proxyFault(raw: RawAnswer, nowMs: number): HubAnswer<never> | null {
  const { status } = raw;
  if (status === 413) return fault("refused", "HP_TOO_LARGE", "a proxy before the hub takes no body of this size");
  if (status === 429)
    return fault("refused", "HP_RATE", "a proxy before the hub wants fewer calls", retryAfter(raw, nowMs));
  if (status < 502 || status > 504) return null;
  return fault("unreachable", "HP_UNREACHABLE", `a proxy answers ${status} for the hub`, retryAfter(raw, nowMs));
}

export function fault(
  outcome: Exclude<ExchangeOutcome, "ok">,
  code: ErrorCode,
  message: string,
  options: HoldpointErrorOptions = {},
): Exclude<HubAnswer<never>, { ok: true }> {
  return { ok: false, outcome, error: new HoldpointError(code, message, options) };
}

function contentType({ header }: Omit<RawAnswer, "body">): string {
  return (header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** RFC 9110 10.2.3: seconds or a date. */
function retryAfter({ header }: Omit<RawAnswer, "body">, nowMs: number): { readonly retryAfterMs?: number } {
  const text = header("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return { retryAfterMs: Number(text) * 1000 };
  const atMs = text === "" ? NaN : Date.parse(text);
  return Number.isFinite(atMs) ? { retryAfterMs: Math.max(0, atMs - nowMs) } : {};
}
