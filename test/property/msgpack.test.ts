import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { readMsgpack } from "../../protocol/msgpack-reader.ts";

/** The library that writes our messages, as the judge of how they are read. */
const packr = new Packr({ useRecords: false, int64AsType: "number" });

const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ maxLength: 60, unit: "grapheme" }),
  fc.constant("\uFEFFa"),
);
const key = text.filter((name) => name !== "__proto__");
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(text, fc.boolean(), fc.constant(null), fc.double({ noNaN: true }), fc.integer(), fc.maxSafeInteger()),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
  ),
}));
const message = fc.dictionary(key, value, { maxKeys: 8, noNullPrototype: true });

test("a message is read as it was written", () => {
  fc.assert(
    fc.property(message, (given) => {
      const bytes = Uint8Array.from(packr.pack(given));
      expect(readMsgpack(bytes)).toEqual({ ok: true, value: packr.unpack(bytes) as unknown });
    }),
  );
});

test("a message cut short or followed by more is no MessagePack", () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.boolean(), (given, at, longer) => {
      const bytes = Uint8Array.from(packr.pack(given));
      const broken = longer ? Uint8Array.of(...bytes, at & 0xff) : bytes.slice(0, at % bytes.byteLength);
      expect(readMsgpack(broken)).toMatchObject({ ok: false, code: "HP_ENCODING" });
    }),
  );
});

test("whatever the bytes are, they are read as msgpackr reads them or refused", () => {
  let taken = 0;
  const garbled = fc.tuple(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }));
  fc.assert(
    fc.property(garbled, ([given, changes]) => {
      const bytes = Uint8Array.from(packr.pack(given));
      for (const [at, byte] of changes) bytes[at % bytes.byteLength] = byte;
      const read = readMsgpack(bytes);
      // What is not UTF-8 has no right reading.
      if (!read.ok || JSON.stringify(read.value).includes("\uFFFD")) return;
      taken += 1;
      expect(read.value).toEqual(packr.unpack(bytes));
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(200);
});

test.each([
  ["a key twice", [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2], "HP_SCHEMA", "stands twice"],
  ["a key that is a number", [0x81, 1, 1], "HP_SCHEMA", "not text"],
  ["__proto__", [0x81, 0xa9, ...new TextEncoder().encode("__proto__"), 1], "HP_SCHEMA", "__proto__"],
  ["an extension", [0x81, 0xa1, 0x61, 0xd4, 0x72, 0x40], "HP_SCHEMA", "extensions"],
  ["the byte that means nothing", [0x81, 0xa1, 0x61, 0xc1], "HP_SCHEMA", "extensions"],
  ["seventeen deep", [...new Array<number>(17).fill(0x91), 1], "HP_SCHEMA", "deeper than 16"],
  ["a map of four billion members", [0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 1], "HP_ENCODING", "ends early"],
  ["a text of four billion bytes", [0x81, 0xa1, 0x61, 0xdb, 0xff, 0xff, 0xff, 0xff], "HP_ENCODING", "ends early"],
  ["nothing", [], "HP_ENCODING", "ends early"],
] as const)("refuses %s", (_name, bytes, code, words) => {
  const read = readMsgpack(Uint8Array.from(bytes));
  expect(read).toMatchObject({ ok: false, code });
  expect(read.ok ? "" : read.message).toContain(words);
});

test("sixteen deep is read, and empty containers do not count", () => {
  expect(readMsgpack(Uint8Array.from([...new Array<number>(16).fill(0x91), 0x90])).ok).toBe(true);
});
