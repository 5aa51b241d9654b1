import { fromBase64, toBase64, type Hasher } from "../../../protocol/index.ts";

/**
 * Signatures of the Standard Webhooks specification 1.0: HMAC-SHA-256 over `id.timestamp.body`, so that a receiver with
 * any of its libraries can check them.
 */
const secretPrefix = "whsec_";

/** Specification, "Signature scheme": 24 to 64 random bytes, in base64 behind a prefix. */
export function secretText(bytes: Uint8Array): string {
  return `${secretPrefix}${toBase64(bytes)}`;
}

export interface WebhookMessage {
  /** The same in every attempt of one delivery. */
  readonly id: string;
  /** Wall clock of this attempt, whole seconds: a receiver refuses what is older than a few minutes. */
  readonly timestampS: number;
  readonly body: string;
}

/** The three headers of an attempt. Pure. */
export function webhookHeaders(
  { id, timestampS, body }: WebhookMessage,
  secret: string,
  hasher: Hasher,
): Readonly<Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string>> {
  const key = fromBase64(secret.slice(secretPrefix.length));
  const mac = hasher.hmacSha256(key, new TextEncoder().encode(`${id}.${timestampS}.${body}`));
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestampS),
    "webhook-signature": `v1,${toBase64(mac)}`,
  };
}
