import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { type Hasher } from "./ports.ts";

/** The hasher for every runtime. `platform/hash.node.ts` has the faster one of Node. */
export const universalHasher: Hasher = Object.freeze({
  sha256: (...parts: readonly Uint8Array[]) => {
    const hash = sha256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
  hmacSha256: (key: Uint8Array, ...parts: readonly Uint8Array[]) => {
    const mac = hmac.create(sha256, key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  },
});

export const toHex: (bytes: Uint8Array) => string = bytesToHex;
export const fromHex: (hex: string) => Uint8Array = hexToBytes;

/** `sha256:<hex>`, the way digests are written everywhere. */
export function digestText(hash: Uint8Array): string {
  return `sha256:${bytesToHex(hash)}`;
}
