import { type Hasher } from "./ports.ts";

const encoder = new TextEncoder();

/**
 * The id of a request that comes with an `Idempotency-Key`: a UUIDv8 (RFC 9562) from SHA-256 over the caller and the
 * key. The same key always names the same case, across restarts and without a store of keys; whoever keeps the cases
 * then tells a repeat (the same body) from a conflict (another one).
 */
export function idOfKey(hasher: Hasher, caller: string, key: string): string {
  const hash = hasher.sha256(encoder.encode(`holdpoint idempotency key\0${caller}\0${key}`)).slice(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
