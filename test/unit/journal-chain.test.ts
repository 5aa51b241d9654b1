import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inputCommitment, recordHash, revisionDigest, textDigest } from "../../edge-agent/journal/chain.ts";
import { chainHash, commitment, freshKey, textHash } from "../../edge-agent/journal/journal-ledger.node.ts";
import { toHex, universalHasher } from "../../protocol/index.ts";

/** The fast functions of the writer, the plain ones of chain.ts, and Node's own HMAC must be one and the same. */

const text = fc.string({ unit: "binary", maxLength: 300 });
const bytes = fc.uint8Array({ maxLength: 9000 });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });

test("the writer's chain hash is the documented one", () => {
  fc.assert(
    fc.property(key, text, (previous, header) => {
      expect(toHex(chainHash(previous, header))).toBe(toHex(recordHash(universalHasher, previous, header)));
      expect(textHash(header)).toBe(toHex(textDigest(universalHasher, header)));
      expect(textHash(`${header}\0`)).toBe(toHex(revisionDigest(universalHasher, header, null)));
    }),
  );
});

test("the writer's commitment is HMAC-SHA-256, for bytes and text of any length", () => {
  fc.assert(
    fc.property(key, fc.oneof(text, bytes), (secret, input) => {
      const expected = createHmac("sha256", secret).update(input).digest("hex");
      expect(commitment(secret, input)).toBe(expected);
      expect(toHex(inputCommitment(universalHasher, secret, input))).toBe(expected);
    }),
  );
});

test("fresh keys differ and do not share memory", () => {
  const keys = Array.from({ length: 1000 }, freshKey);
  expect(new Set(keys.map(toHex)).size).toBe(1000);
  expect(keys.every((one) => one.length === 32)).toBe(true);
});
