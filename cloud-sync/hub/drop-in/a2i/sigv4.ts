import { toHex, type Hasher } from "../../../../protocol/index.ts";

/**
 * Signature Version 4, read and checked as AWS describes it ("Create a signed AWS API request"): the canonical request,
 * the string to sign, the derived key. In the Authorization header, or in the query of a presigned link. Pure.
 */
export interface SignedCall {
  readonly method: string;
  /** As it came, percent-encoded. */
  readonly path: string;
  /** Without the question mark, as it came. */
  readonly query: string;
  header(name: string): string | null;
  readonly headerNames: readonly string[];
  readonly body: Uint8Array;
}

export interface SigV4 {
  readonly keyId: string;
  /** `20261120T141500Z`. */
  readonly date: string;
  /** `20261120/eu-central-1/sagemaker/aws4_request`. */
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** Of a presigned link: for how long it is good. Null in a header. */
  readonly expiresS: number | null;
}

export type SigV4Refusal = "missing" | "incomplete" | "skew" | "mismatch";

const algorithm = "AWS4-HMAC-SHA256";
const skewMsMax = 300_000;
/** AWS's own bound: seven days. */
const expiresSMax = 604_800;
const encoder = new TextEncoder();

/** Reads what the call says of its signature; a refusal where there is none or where it is not whole. */
export function readSigV4(call: SignedCall): SigV4 | Extract<SigV4Refusal, "missing" | "incomplete"> {
  const header = call.header("authorization");
  if (header?.startsWith(`${algorithm} `) === true) return readHeader(call, header.slice(algorithm.length));
  const query = new URLSearchParams(call.query);
  if (query.get("X-Amz-Algorithm") !== algorithm) return "missing";
  const expiresS = Number(query.get("X-Amz-Expires"));
  if (!Number.isInteger(expiresS) || expiresS < 1 || expiresS > expiresSMax) return "incomplete";
  return assembled(call, {
    credential: query.get("X-Amz-Credential"),
    signedHeaders: query.get("X-Amz-SignedHeaders"),
    signature: query.get("X-Amz-Signature"),
    date: query.get("X-Amz-Date"),
    expiresS,
  });
}

function readHeader(call: SignedCall, text: string): SigV4 | "incomplete" {
  const parts = new Map(
    text.split(",").map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    }),
  );
  return assembled(call, {
    credential: parts.get("Credential") ?? null,
    signedHeaders: parts.get("SignedHeaders") ?? null,
    signature: parts.get("Signature") ?? null,
    date: call.header("x-amz-date"),
    expiresS: null,
  });
}

interface Fields {
  readonly credential: string | null;
  readonly signedHeaders: string | null;
  readonly signature: string | null;
  readonly date: string | null;
  readonly expiresS: number | null;
}

function assembled(call: SignedCall, { credential, signedHeaders, signature, date, expiresS }: Fields) {
  const match = /^([^/]{1,128})\/((\d{8})\/[^/]{1,64}\/[^/]{1,64}\/aws4_request)$/.exec(credential ?? "");
  const [, keyId, scope, day] = match ?? [];
  if (keyId === undefined || scope === undefined || day === undefined) return "incomplete";
  if (date === null || !/^\d{8}T\d{6}Z$/.test(date) || !date.startsWith(day)) return "incomplete";
  if (signature === null || !/^[0-9a-f]{64}$/.test(signature)) return "incomplete";
  const names = (signedHeaders ?? "").split(";");
  // What is not signed could be changed on the way: AWS asks for the host and every header of its own.
  const needed = ["host", ...call.headerNames.filter((name) => name.startsWith("x-amz-"))];
  if (!needed.every((name) => names.includes(name))) return "incomplete";
  return { keyId, date, scope, signedHeaders: names, signature, expiresS };
}

/** Whether the signature is this secret's, over this call, at about this time; null where it is. */
export function checkSigV4(
  hasher: Hasher,
  call: SignedCall,
  signed: SigV4,
  secret: string,
  nowMs: number,
): Extract<SigV4Refusal, "skew" | "mismatch"> | null {
  const payload = toHex(hasher.sha256(call.body));
  const stated = call.header("x-amz-content-sha256");
  // A presigned link is a GET without a body; in a header the body is always covered.
  if (stated !== null && stated !== payload) return "mismatch";
  const expected = signatureOf(hasher, canonicalRequest(call, signed, payload), signed, secret);
  if (!isSame(expected, signed.signature)) return "mismatch";
  // The time is looked at last: who does not know the secret learns nothing of this clock.
  const ageMs = nowMs - timeOf(signed.date);
  const oldestMs = signed.expiresS === null ? skewMsMax : signed.expiresS * 1000;
  return ageMs > oldestMs || ageMs < -skewMsMax ? "skew" : null;
}

/** A link that is good for `expiresS` seconds, signed as the caller's own client would. `url` has no query. */
export function presign(
  hasher: Hasher,
  url: URL,
  key: { readonly keyId: string; readonly secret: string; readonly scope: string },
  nowMs: number,
  expiresS: number,
): string {
  const date = dateText(nowMs);
  const scope = `${date.slice(0, 8)}/${key.scope.split("/").slice(1).join("/")}`;
  const query = [
    ["X-Amz-Algorithm", algorithm],
    ["X-Amz-Credential", `${key.keyId}/${scope}`],
    ["X-Amz-Date", date],
    ["X-Amz-Expires", String(expiresS)],
    ["X-Amz-SignedHeaders", "host"],
  ]
    .map(([name = "", value = ""]) => `${name}=${escaped(value)}`)
    .join("&");
  const call: SignedCall = {
    ...{ method: "GET", path: url.pathname, query, body: new Uint8Array(0), headerNames: ["host"] },
    header: (name) => (name === "host" ? url.host : null),
  };
  const signed = { keyId: key.keyId, date, scope, signedHeaders: ["host"], signature: "", expiresS };
  const payload = toHex(hasher.sha256(call.body));
  const signature = signatureOf(hasher, canonicalRequest(call, signed, payload), signed, key.secret);
  return `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${signature}`;
}

function canonicalRequest(call: SignedCall, { signedHeaders }: SigV4, payload: string): string {
  const names = [...signedHeaders].sort();
  const headers = names.map((name) => `${name}:${(call.header(name) ?? "").trim().replace(/\s+/g, " ")}\n`);
  return [
    ...[call.method, canonicalPath(call.path), canonicalQuery(call.query), headers.join("")],
    ...[names.join(";"), payload],
  ].join("\n");
}

/** Every service but S3 encodes the path a second time. */
function canonicalPath(path: string): string {
  return path.split("/").map(escaped).join("/");
}

function canonicalQuery(query: string): string {
  if (query === "") return "";
  return query
    .split("&")
    .map((pair) => {
      const at = pair.indexOf("=");
      return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    })
    .map(([name = "", value = ""]) => [escaped(unescaped(name)), escaped(unescaped(value))] as const)
    .filter(([name]) => name !== "X-Amz-Signature")
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function signatureOf(hasher: Hasher, canonical: string, { date, scope }: SigV4, secret: string): string {
  const text = [algorithm, date, scope, toHex(hasher.sha256(encoder.encode(canonical)))].join("\n");
  let key: Uint8Array = encoder.encode(`AWS4${secret}`);
  for (const part of scope.split("/")) key = hasher.hmacSha256(key, encoder.encode(part));
  return toHex(hasher.hmacSha256(key, encoder.encode(text)));
}

/** Compares every character, wherever they first differ. */
function isSame(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

/** RFC 3986: only letters, digits and `-._~` stand for themselves. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function dateText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}Z`;
}

function timeOf(date: string): number {
  const [, year, month, day, hour, minute, second] = /^(.{4})(..)(..)T(..)(..)(..)Z$/.exec(date) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}
