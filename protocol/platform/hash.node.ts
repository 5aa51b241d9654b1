import { createHash, createHmac } from "node:crypto";
import { type Hasher } from "../ports.ts";

/** Node's own SHA-256: native, and on pictures several times faster than the universal one. */
export const nodeHasher: Hasher = Object.freeze({
  sha256: (...parts: readonly Uint8Array[]) => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
  hmacSha256: (key: Uint8Array, ...parts: readonly Uint8Array[]) => {
    const mac = createHmac("sha256", key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  },
});
