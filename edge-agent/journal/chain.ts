import type { Hasher } from "../../protocol/index.ts";

/**
 * The hash chain. Every step of the journal is a record whose header is JSON with sorted keys;
 * hash(n) = SHA-256(hash(n − 1) ‖ header(n) as UTF-8), hash(0) = SHA-256(genesis text ‖ epoch). Headers hold digests of
 * bodies and keyed commitments to inputs, never input bytes: deleting bytes and key leaves a chain that still verifies
 * and says nothing about what was deleted.
 */

const encoder = new TextEncoder();

export type RecordKind =
  | "start"
  | "stop"
  | "clock"
  | "config"
  | "admit"
  | "decide"
  | "review"
  | "settle"
  | "outcome"
  | "observe"
  | "evict"
  | "erase"
  | "prune";

/** What the record of a case says that was admitted and decided in one step. */
export interface JointFacts {
  readonly at: number;
  readonly audit: string;
  /** Of the input. */
  readonly bytes: number;
  /** JSON of revision 1. */
  readonly decision: string;
  readonly device: string;
  readonly encoding: string;
  /** The commitment to the input, hex; null where it was not kept. */
  readonly input: string | null;
  readonly n: number;
  /** JSON of the request without its input. */
  readonly request: string;
  readonly trace: string;
  readonly transport: string;
}

/** The header of that record: it holds request, decision and trace as they are, so they stand nowhere else. */
export function jointHeader(facts: JointFacts): string {
  const { at, audit, bytes, decision, device, encoding, input, n, request, trace, transport } = facts;
  return (
    `{"at":${at},"audit":"${audit}","bytes":${bytes},"decision":${decision},"device":${JSON.stringify(device)},` +
    `"encoding":"${encoding}","input":${input === null ? "null" : `"${input}"`},"kind":"admit","n":${n},` +
    `"request":${request},"trace":${trace},"transport":"${transport}"}`
  );
}

export function genesisHash(hasher: Hasher, epoch: string): Uint8Array {
  return hasher.sha256(encoder.encode(`holdpoint journal 1\n${epoch}`));
}

export function recordHash(hasher: Hasher, previous: Uint8Array, header: string): Uint8Array {
  return hasher.sha256(previous, encoder.encode(header));
}

/** HMAC-SHA-256 under a random key of the case. Text counts as its UTF-8. */
export function inputCommitment(hasher: Hasher, key: Uint8Array, bytes: Uint8Array | string): Uint8Array {
  return hasher.hmacSha256(key, typeof bytes === "string" ? encoder.encode(bytes) : bytes);
}

/** Digest of a revision: its body, a zero byte, and its trace (empty after revision 1). */
export function revisionDigest(hasher: Hasher, body: string, trace: string | null): Uint8Array {
  return hasher.sha256(encoder.encode(`${body}\0${trace ?? ""}`));
}

export function textDigest(hasher: Hasher, text: string): Uint8Array {
  return hasher.sha256(encoder.encode(text));
}

/** Signs the point up to which old records were removed: whoever lacks the agent's secret cannot cut the chain. */
export function checkpointMac(hasher: Hasher, key: Uint8Array, epoch: string, n: number, hash: Uint8Array): Uint8Array {
  return hasher.hmacSha256(key, encoder.encode(`holdpoint checkpoint 1\n${epoch}\n${n}\n`), hash);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
