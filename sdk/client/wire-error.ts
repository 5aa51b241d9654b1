import { decodeMessage, errorCatalogue, HoldpointError, idPattern, type ErrorCode } from "../../protocol/index.ts";

/** An error as an agent sent it. */
export interface WireError {
  readonly id: string | null;
  readonly error: HoldpointError;
}

/** Reads the error topic's payload, or the body of a problem+json; null where it is neither. */
export function parseWireError(bytes: Uint8Array): WireError | null {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return null;
  const body = decoded.value.value;
  if (typeof body !== "object" || body === null) return null;
  const { id, code, message, hint, retry, retryAfterMs } = body as Readonly<Record<string, unknown>>;
  if (typeof code !== "string" || typeof message !== "string") return null;
  const known = Object.hasOwn(errorCatalogue, code);
  const error = new HoldpointError(
    known ? (code as ErrorCode) : retry === "backoff" ? "HP_BUSY" : "HP_SCHEMA",
    // A newer agent may know more codes than this catalogue; its `retry` says what matters.
    known ? message : `${code}: ${message}`,
    {
      ...(typeof hint === "string" ? { hint } : {}),
      ...(typeof retryAfterMs === "number" && retryAfterMs >= 0 && retryAfterMs <= retryAfterMsMax
        ? { retryAfterMs }
        : {}),
    },
  );
  return { id: typeof id === "string" && idPattern.test(id) ? id : null, error };
}

/** An agent that asks for more patience than this is not obeyed: one minute. */
const retryAfterMsMax = 60_000;
