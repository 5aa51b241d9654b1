import fc from "fast-check";
import { expect, test } from "vitest";
import { RecentMap, universalHasher } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";

const bytes = fc.uint8Array({ maxLength: 300 });
/** Around the block of an HMAC and around what is hashed in one call. */
const long = fc.constantFrom(0, 1, 63, 64, 65, 4095, 4096, 4097, 5000).map((length) => new Uint8Array(length).fill(7));

test("Node's hasher gives what the universal one gives, whatever the lengths", () => {
  const parts = fc.array(fc.oneof(bytes, long), { maxLength: 3 });
  fc.assert(
    fc.property(fc.oneof(bytes, long), parts, (key, given) => {
      expect(Uint8Array.from(nodeHasher.sha256(...given))).toEqual(universalHasher.sha256(...given));
      expect(Uint8Array.from(nodeHasher.hmacSha256(key, ...given))).toEqual(universalHasher.hmacSha256(key, ...given));
    }),
  );
});

test("a digest is its own memory: the next call does not change it", () => {
  const first = nodeHasher.hmacSha256(new Uint8Array(32), new Uint8Array([1]));
  const kept = Uint8Array.from(first);
  nodeHasher.hmacSha256(new Uint8Array(32), new Uint8Array([2]));
  expect(Uint8Array.from(first)).toEqual(kept);
});

test("a recent map keeps the latest entries, at most twice as many, and forgets the deleted", () => {
  const map = new RecentMap<number, string>(10);
  for (let i = 0; i < 100; i += 1) map.set(i, `${i}`);
  for (let i = 90; i < 100; i += 1) expect(map.get(i)).toBe(`${i}`);
  expect(Array.from({ length: 100 }, (_, i) => map.get(i)).filter((value) => value !== undefined).length).toBeLessThan(
    21,
  );
  map.delete(99);
  expect(map.get(99)).toBeUndefined();
  map.clear();
  expect(map.get(98)).toBeUndefined();
});
