import fc from "fast-check";
import { expect, test } from "vitest";
import { fromBase64, toBase64 } from "../../protocol/index.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

test("bytes come back from base64 as they were, and the text is everybody's base64", () => {
  fc.assert(
    fc.property(bytes, (given) => {
      const text = toBase64(given);
      expect(text).toBe(Buffer.from(given).toString("base64"));
      expect(fromBase64(text)).toEqual(given);
    }),
  );
});

test("more bytes than one call can take as arguments come back as well", () => {
  const many = Uint8Array.from({ length: 200_001 }, (_, i) => (i * 37) % 256);
  expect(Buffer.compare(fromBase64(toBase64(many)), many)).toBe(0);
});

test("a character that is not of base64, or one too many, throws", () => {
  fc.assert(
    fc.property(bytes, fc.constantFrom("-", "_", "é", "\u0000", "A===", "💥"), (given, stranger) => {
      expect(() => fromBase64(`${stranger}${toBase64(given)}`)).toThrow();
    }),
  );
});
