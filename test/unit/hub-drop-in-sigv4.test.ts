import { expect, test } from "vitest";
import { checkSigV4, presign, readSigV4, type SignedCall } from "../../cloud-sync/hub/drop-in/a2i/sigv4.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const nowMs = Date.UTC(2015, 7, 30, 12, 36, 0);
const credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

function call(signature: string, more: Partial<SignedCall> = {}, headers: Record<string, string> = {}): SignedCall {
  const all: Record<string, string> = {
    host: "example.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host;x-amz-date, Signature=${signature}`,
    ...headers,
  };
  return {
    ...{ method: "GET", path: "/", query: "", body: new Uint8Array(0), headerNames: Object.keys(all) },
    header: (name) => all[name] ?? null,
    ...more,
  };
}

function check(of: SignedCall, atMs = nowMs): string | null {
  const signed = readSigV4(of);
  return typeof signed === "string" ? signed : checkSigV4(nodeHasher, of, signed, secret, atMs);
}

// AWS's own test suite for Signature Version 4: get-vanilla, get-vanilla-query-order-key-case.
const vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const ordered = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";

test("AWS's published signatures are good", () => {
  expect(check(call(vanilla))).toBeNull();
  expect(check(call(ordered, { query: "Param2=value2&Param1=value1" }))).toBeNull();
});

test("whatever of a signed call is changed, its signature is not good any more", () => {
  expect(check(call(vanilla, { method: "POST" }))).toBe("mismatch");
  expect(check(call(vanilla, { path: "/a" }))).toBe("mismatch");
  expect(check(call(vanilla, { query: "a=1" }))).toBe("mismatch");
  expect(check(call(vanilla, { body: new Uint8Array([1]) }))).toBe("mismatch");
  expect(check(call(vanilla, {}, { host: "other.amazonaws.com" }))).toBe("mismatch");
  expect(check(call(vanilla.replace("5", "6")))).toBe("mismatch");
});

test("a signature is good for five minutes, before and after", () => {
  expect(check(call(vanilla), nowMs + 300_000)).toBeNull();
  expect(check(call(vanilla), nowMs - 300_000)).toBeNull();
  expect(check(call(vanilla), nowMs + 300_001)).toBe("skew");
  expect(check(call(vanilla), nowMs - 300_001)).toBe("skew");
});

test("a call that does not sign its host, its date's day or a header of AWS's is not whole", () => {
  const without = (from: string, to: string) => {
    const authorization = call(vanilla).header("authorization")?.replace(from, to) ?? "";
    return check(call(vanilla, {}, { authorization }));
  };
  expect(without("host;x-amz-date", "x-amz-date")).toBe("incomplete");
  expect(without("host;x-amz-date", "host")).toBe("incomplete");
  expect(without("20150830/", "20150829/")).toBe("incomplete");
  expect(without("AWS4-HMAC-SHA256 ", "Bearer ")).toBe("missing");
  expect(check(call(vanilla, {}, { "x-amz-target": "other" }))).toBe("incomplete");
});

test("a link is good until it ends, for its own path", () => {
  const key = { keyId: "AKIDEXAMPLE", secret, scope: "20150830/us-east-1/sagemaker/aws4_request" };
  const url = new URL(presign(nodeHasher, new URL("https://hub.example/human-loops/a/output.json"), key, nowMs, 60));
  const follow = (path: string): SignedCall => ({
    ...{ method: "GET", path, query: url.search.slice(1), body: new Uint8Array(0), headerNames: ["host"] },
    header: (name) => (name === "host" ? "hub.example" : null),
  });
  expect(check(follow(url.pathname))).toBeNull();
  expect(check(follow(url.pathname), nowMs + 60_000)).toBeNull();
  expect(check(follow(url.pathname), nowMs + 60_001)).toBe("skew");
  expect(check(follow("/human-loops/b/output.json"))).toBe("mismatch");
});
