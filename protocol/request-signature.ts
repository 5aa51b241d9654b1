import { fromBase64, toBase64 } from "./codec.ts";
import { ok, refused, type Result } from "./errors.ts";
import { hubLimits } from "./hub.ts";
import { type Hasher } from "./ports.ts";

/**
 * HTTP message signatures (RFC 9421) as agents use them: Ed25519 over method, path, query, and the digest of the body
 * (RFC 9530), with a time and a nonce. Pure: signing and verifying the bytes are the caller's. One set of covered
 * components, so that nothing is left to negotiate and nothing can be left out.
 */

/** RFC 9421 2.5: the covered components, in this order and no other. */
const covered = '("@method" "@path" "@query" "content-digest")';

export interface SignedRequest {
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** With its "?", or empty. */
  readonly query: string;
  readonly body: Uint8Array;
}

export interface SignatureFacts {
  /** Whose key: the hub's id of the agent. */
  readonly keyId: string;
  /** Wall clock of the signer, seconds. */
  readonly createdS: number;
  readonly nonce: string;
}

export interface SignatureHeaders {
  readonly "content-digest": string;
  readonly "signature-input": string;
  readonly signature: string;
}

const keyIdPattern = /^[A-Za-z0-9_.-]{1,64}$/;
const inputPattern =
  /^hp=\("@method" "@path" "@query" "content-digest"\);created=(\d{1,12});keyid="([A-Za-z0-9_.-]{1,64})";nonce="([A-Za-z0-9_-]{8,64})"$/;

/** What is signed (RFC 9421 2.5), as UTF-8. */
export function signatureBase(request: SignedRequest, facts: SignatureFacts, contentDigest: string): Uint8Array {
  const lines = [
    `"@method": ${request.method.toUpperCase()}`,
    `"@path": ${request.path}`,
    // RFC 9421 2.2.7: an absent query is a lone question mark.
    `"@query": ${request.query === "" ? "?" : request.query}`,
    `"content-digest": ${contentDigest}`,
    `"@signature-params": ${parametersOf(facts)}`,
  ];
  return new TextEncoder().encode(lines.join("\n"));
}

/** RFC 9530 2: `sha-256=:<base64>:`. */
function contentDigestOf(hasher: Hasher, body: Uint8Array): string {
  return `sha-256=:${toBase64(hasher.sha256(body))}:`;
}

/** The three headers of a signed request; `sign` makes 64 bytes of Ed25519 (RFC 8032). */
export function signatureHeaders(
  request: SignedRequest,
  facts: SignatureFacts,
  hasher: Hasher,
  sign: (bytes: Uint8Array) => Uint8Array,
): SignatureHeaders {
  if (!keyIdPattern.test(facts.keyId)) throw new Error(`not a key id: ${facts.keyId}`);
  const digest = contentDigestOf(hasher, request.body);
  return {
    "content-digest": digest,
    "signature-input": `hp=${parametersOf(facts)}`,
    signature: `hp=:${toBase64(sign(signatureBase(request, facts, digest)))}:`,
  };
}

export interface ReadSignature {
  readonly facts: SignatureFacts;
  readonly signature: Uint8Array;
}

/** Reads the headers. HP_UNAUTHORIZED where they are missing or of another form. */
export function readSignature(header: (name: string) => string | null): Result<ReadSignature> {
  const parameters = inputPattern.exec(header("signature-input") ?? "");
  const value = /^hp=:([A-Za-z0-9+/]{86}==):$/.exec(header("signature") ?? "");
  if (parameters === null || value === null) return refused("HP_UNAUTHORIZED", "the request is not signed");
  const [, createdS = "", keyId = "", nonce = ""] = parameters;
  // The pattern has made sure that it is base64.
  const signature = fromBase64(value[1] ?? "");
  return ok({ facts: { keyId, createdS: Number(createdS), nonce }, signature });
}

/**
 * Holds a signed request against its digest, the hub's clock and the key. What it does not know is whether the nonce
 * was used before and whether the key still counts: the caller's. `verify` may run elsewhere; what it throws is thrown.
 */
export async function checkSignature(
  request: SignedRequest,
  { facts, signature }: ReadSignature,
  contentDigest: string | null,
  nowMs: number,
  hasher: Hasher,
  verify: (bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>,
): Promise<Result<SignatureFacts>> {
  const digest = contentDigestOf(hasher, request.body);
  if (contentDigest !== digest) return refused("HP_UNAUTHORIZED", "content-digest does not fit the body");
  const skewMs = facts.createdS * 1000 - nowMs;
  if (Math.abs(skewMs) > hubLimits.signatureSkewMsMax) {
    return refused("HP_CLOCK", `the signature's time is ${Math.round(skewMs / 1000)} s off the hub's clock`);
  }
  if (!(await verify(signatureBase(request, facts, digest), signature))) {
    return refused("HP_UNAUTHORIZED", "the signature does not fit the request");
  }
  return ok(facts);
}

function parametersOf({ createdS, keyId, nonce }: SignatureFacts): string {
  return `${covered};created=${createdS};keyid="${keyId}";nonce="${nonce}"`;
}
