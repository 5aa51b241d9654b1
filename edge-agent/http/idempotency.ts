import { HoldpointError, type Exchange, type Hasher } from "../../protocol/index.ts";
import { type HttpLimits } from "./http-limits.ts";

const encoder = new TextEncoder();

/**
 * The id of a request that comes with an `Idempotency-Key`: a UUIDv8 (RFC 9562) from SHA-256 over the device and the
 * key. The same key always names the same case, across restarts and without a store of keys; the journal then tells a
 * repeat (the same body) from a conflict (another one).
 */
export function idOfKey(hasher: Hasher, device: string, key: string): string {
  const hash = hasher.sha256(encoder.encode(`holdpoint idempotency key\0${device}\0${key}`)).slice(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The key of a call, or null. Errors: HP_SCHEMA for an empty or too long one. */
export function idempotencyKey(exchange: Exchange, limits: HttpLimits): string | null {
  const key = exchange.header("idempotency-key");
  if (key === null) return null;
  const trimmed = key.trim();
  if (trimmed.length > 0 && trimmed.length <= limits.idempotencyKeyCharsMax) return trimmed;
  throw new HoldpointError("HP_SCHEMA", `Idempotency-Key must have 1 to ${limits.idempotencyKeyCharsMax} characters`);
}
