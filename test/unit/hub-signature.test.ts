import { describe, expect, test } from "vitest";
import { HoldpointError, type Result } from "../../protocol/index.ts";
import {
  checkSignature,
  readSignature,
  signatureHeaders,
  type SignedRequest,
} from "../../protocol/request-signature.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import {
  asideVerifier,
  createSigningKey,
  readSigningKey,
  signatureVerifier,
} from "../../protocol/platform/signing.node.ts";

const nowMs = 1_795_000_000_000;
const bytes = (text: string) => new TextEncoder().encode(text);
const request: SignedRequest = { method: "POST", path: "/v1/ingest", query: "", body: bytes('{"v":1}') };
const facts = { keyId: "agt_1", createdS: nowMs / 1000, nonce: "abcdefgh12345678" };
const key = createSigningKey();

function signed(of: SignedRequest = request): Record<string, string> {
  return { ...signatureHeaders(of, facts, nodeHasher, (base) => key.sign(base)) };
}

async function check(
  headers: Readonly<Record<string, string>>,
  got: SignedRequest = request,
  at = nowMs,
  publicKey = key.publicKey,
): Promise<Result<unknown>> {
  const read = readSignature((name) => headers[name] ?? null);
  if (!read.ok) return read;
  const verify = asideVerifier(publicKey);
  if (verify === null) throw new Error("no key");
  return checkSignature(got, read.value, headers["content-digest"] ?? null, at, nodeHasher, verify);
}

function codeOf(result: Result<unknown>): string {
  if (result.ok) return "ok";
  expect(result.error).toBeInstanceOf(HoldpointError);
  return result.error.code;
}

describe("a signed request", () => {
  test("is accepted with the key that signed it", async () => {
    expect(codeOf(await check(signed()))).toBe("ok");
  });

  test("is accepted after its key was written down and read again", async () => {
    const again = readSigningKey(key.pem);
    expect(again.publicKey).toBe(key.publicKey);
    const headers = { ...signatureHeaders(request, facts, nodeHasher, (base) => again.sign(base)) };
    expect(codeOf(await check(headers))).toBe("ok");
  });

  test.each([
    ["method", { ...request, method: "PUT" }],
    ["path", { ...request, path: "/v1/heartbeat" }],
    ["query", { ...request, query: "?cursor=1" }],
    ["body", { ...request, body: bytes('{"v":2}') }],
  ])("is refused where its %s was changed on the way", async (_what, changed) => {
    expect(codeOf(await check(signed(), changed))).toBe("HP_UNAUTHORIZED");
  });

  test("is refused under another agent's key", async () => {
    expect(codeOf(await check(signed(), request, nowMs, createSigningKey().publicKey))).toBe("HP_UNAUTHORIZED");
  });

  test.each([-301_000, 301_000])("is HP_CLOCK where the clocks are %i ms apart", async (skewMs) => {
    expect(codeOf(await check(signed(), request, nowMs + skewMs))).toBe("HP_CLOCK");
  });

  test.each([
    ["no signature", { signature: "" }],
    ["fewer covered components", { "signature-input": 'hp=("@method");created=1;keyid="agt_1";nonce="abcdefgh"' }],
    ["another algorithm's parameters", { "signature-input": `${signed()["signature-input"] ?? ""};alg="hmac-sha256"` }],
    ["a signature that is too short", { signature: "hp=:AAAA:" }],
  ])("is refused with %s", async (_what, headers) => {
    expect(codeOf(await check({ ...signed(), ...headers }))).toBe("HP_UNAUTHORIZED");
  });

  test("a text that is no key verifies nothing", () => {
    expect(signatureVerifier("not a key")).toBeNull();
    expect(asideVerifier("not a key")).toBeNull();
  });

  test("a signature made in a thread is the one that is made at once, byte for byte", async () => {
    const text = bytes("what is signed");
    expect(await key.signAside(text)).toEqual(key.sign(text));
  });
});

test("the signature base is the one of RFC 9421 for these components", async () => {
  const { signatureBase } = await import("../../protocol/request-signature.ts");
  const base = new TextDecoder().decode(signatureBase({ ...request, query: "?a=1" }, facts, "sha-256=:x:"));
  expect(base).toBe(
    [
      '"@method": POST',
      '"@path": /v1/ingest',
      '"@query": ?a=1',
      '"content-digest": sha-256=:x:',
      `"@signature-params": ("@method" "@path" "@query" "content-digest");created=1795000000;keyid="agt_1";nonce="abcdefgh12345678"`,
    ].join("\n"),
  );
});
