import { toHex, type Hasher, type Random } from "../../../protocol/index.ts";

/** Secrets that are shown once: 256 random bits after a word that says what they are. */
export function newToken(random: Random, prefix: string): string {
  return `${prefix}${toHex(random.bytes(32))}`;
}

/** What is kept of one. Against so much randomness no hash needs to be slow. */
export function tokenHash(hasher: Hasher, token: string): string {
  return toHex(hasher.sha256(new TextEncoder().encode(token)));
}
