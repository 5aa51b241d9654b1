import { z } from "zod";
import { canonicalJson } from "../../../protocol/index.ts";

/**
 * Where the chain stood at a time, signed by the hub. Kept outside of the hub it proves later that no line up to `n` was
 * changed or cut off since, not even by somebody who holds the database and could write the whole chain anew.
 */
export const checkpointSchema = z.strictObject({
  v: z.literal(1),
  hubId: z.string().max(128),
  /** Number of the last line; 0 where there is none. */
  n: z.number().int().min(0),
  /** Hash of that line, hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  atMs: z.number(),
  /** Ed25519, raw 32 bytes in base64url. */
  publicKey: z.string().max(64),
  /** Over everything else, base64url. */
  signature: z.string().max(128),
});
export type Checkpoint = z.output<typeof checkpointSchema>;

export interface CheckpointSigner {
  readonly publicKey: string;
  sign(bytes: Uint8Array): Uint8Array;
}

export function signCheckpoint(
  facts: Pick<Checkpoint, "hubId" | "n" | "hash" | "atMs">,
  signer: CheckpointSigner,
): Checkpoint {
  const unsigned = { v: 1 as const, ...facts, publicKey: signer.publicKey };
  const signature = base64Url(signer.sign(signedBytes(unsigned)));
  return { ...unsigned, signature };
}

export function isSigned(
  { signature, ...unsigned }: Checkpoint,
  verify: (bytes: Uint8Array, signature: Uint8Array) => boolean,
): boolean {
  const bytes = fromBase64Url(signature);
  return bytes !== null && verify(signedBytes(unsigned), bytes);
}

function signedBytes(unsigned: Omit<Checkpoint, "signature">): Uint8Array {
  return new TextEncoder().encode(`holdpoint audit checkpoint 1\n${canonicalJson(unsigned)}`);
}

function base64Url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array | null {
  try {
    const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(bytes, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
