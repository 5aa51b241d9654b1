import { encodedText, type Hasher } from "../protocol/index.ts";

/** The coins of a case, each uniform in [0, 1). */
export interface Coin {
  readonly audit: number;
  readonly rules: number;
}

/**
 * HMAC-SHA-256 of the id under the agent's secret. Fixed by the id, so that a repeat gets the same coin; unpredictable
 * without the secret, so that no device can choose ids that are never audited. Each coin has 48 bits.
 */
export function coinOf(hasher: Hasher, secret: Uint8Array, id: string): Coin {
  const mac = hasher.hmacSha256(secret, encodedText(id));
  const view = new DataView(mac.buffer, mac.byteOffset, mac.byteLength);
  const at = (offset: number): number => (view.getUint32(offset) * 65_536 + view.getUint16(offset + 4)) / 2 ** 48;
  return { audit: at(0), rules: at(6) };
}
