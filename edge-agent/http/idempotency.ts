import { HoldpointError, type Exchange } from "../../protocol/index.ts";
import { type HttpLimits } from "./http-limits.ts";

/** The key of a call, or null. Errors: HP_SCHEMA for an empty or too long one. */
export function idempotencyKey(exchange: Exchange, limits: HttpLimits): string | null {
  const key = exchange.header("idempotency-key");
  if (key === null) return null;
  const trimmed = key.trim();
  if (trimmed.length > 0 && trimmed.length <= limits.idempotencyKeyCharsMax) return trimmed;
  throw new HoldpointError("HP_SCHEMA", `Idempotency-Key must have 1 to ${limits.idempotencyKeyCharsMax} characters`);
}
