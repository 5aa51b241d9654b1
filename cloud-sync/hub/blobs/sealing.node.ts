import { createCipheriv, createSecretKey, hash, randomFillSync } from "node:crypto";
import { type TakenPicture } from "./picture-vault.ts";

/**
 * AES-256-GCM for many pictures at once: a new key and nonce for each, and the sealed ones behind each other in one piece
 * of memory, so that they can be handed to another thread and to the disk without being copied.
 */
export interface SealedPictures {
  /** Nonce, cipher text and tag of each. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The keys behind each other, 32 bytes each; of one that was left out there is none. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** Sealed bytes of each picture, in the order in which they came; 0: its bytes do not have its digest. */
  readonly sizes: readonly number[];
}

/** What the thread that seals pictures is told and answers. */
export interface SealingQuestion {
  readonly job: number;
  /** Memory in which all the pictures lie; it moves to the thread. */
  readonly memory: ArrayBuffer;
  readonly pictures: readonly PictureAt[];
}

interface PictureAt {
  readonly caseId: string;
  readonly offset: number;
  readonly length: number;
  readonly sha256: string | null;
}

export type SealingAnswer = { readonly job: number } & (SealedPictures | { readonly fault: string });

export const keyBytes = 32;
export const nonceBytes = 12;
export const tagBytes = 16;

/**
 * `memory`: where all the pictures lie, if it is free for the sealed ones to be written over them. Memory that is made
 * anew for each message costs more, in pages and in collections, than the sealing.
 */
export function sealPictures(pictures: readonly TakenPicture[], memory: ArrayBuffer | null = null): SealedPictures {
  const isInPlace = memory !== null && mayOverwrite(pictures);
  const bytes = new Uint8Array(isInPlace ? memory : new ArrayBuffer(sealedBytesMax(pictures)));
  // One call for all the randomness: the call costs more than the bytes.
  const secrets = randomFillSync(new Uint8Array(pictures.length * secretBytes));
  const keys = new Uint8Array(pictures.length * keyBytes);
  let at = 0;
  let sealed = 0;
  const sizes = pictures.map((picture) => {
    if (picture.sha256 !== null && hash("sha256", picture.bytes, "hex") !== picture.sha256) return 0;
    const secret = secrets.subarray(sealed * secretBytes, (sealed + 1) * secretBytes);
    const key = secret.subarray(0, keyBytes);
    keys.set(key, sealed * keyBytes);
    const from = at;
    at = seal(picture, key, secret.subarray(keyBytes), bytes, from);
    sealed += 1;
    return at - from;
  });
  secrets.fill(0);
  return { bytes: bytes.subarray(0, at), keys, sizes };
}

const secretBytes = keyBytes + nonceBytes;

function sealedBytesMax(pictures: readonly TakenPicture[]): number {
  return pictures.reduce((sum, { bytes }) => sum + bytes.byteLength + nonceBytes + tagBytes, 0);
}

/** Whether each sealed picture ends before the next open one begins: in a message there is text between them. */
function mayOverwrite(pictures: readonly TakenPicture[]): boolean {
  let end = 0;
  for (const { bytes } of pictures) {
    if (end > bytes.byteOffset) return false;
    end += bytes.byteLength + nonceBytes + tagBytes;
  }
  return end <= (pictures[0]?.bytes.buffer.byteLength ?? 0);
}

/** The case's id is bound in, so that no picture can stand in for another's. Returns where the sealed one ends. */
function seal(
  { bytes, caseId }: TakenPicture,
  key: Uint8Array,
  nonce: Uint8Array,
  into: Uint8Array,
  from: number,
): number {
  // A key object: of plain bytes Node first finds out, by an error that it catches, that they are none.
  const cipher = createCipheriv("aes-256-gcm", createSecretKey(key), nonce);
  cipher.setAAD(Buffer.from(caseId));
  const text = cipher.update(bytes);
  // In this mode nothing is left for the end (NIST SP 800-38D 7.1).
  cipher.final();
  into.set(nonce, from);
  into.set(text, from + nonceBytes);
  const end = from + nonceBytes + text.byteLength;
  into.set(cipher.getAuthTag(), end);
  return end + tagBytes;
}
