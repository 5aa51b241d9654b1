import fc from "fast-check";
import { expect, test } from "vitest";
import { bodyDigest, encodedText, inputData, universalHasher, type DecisionRequest } from "../../protocol/index.ts";
import { canonicalHeader, canonicalJson } from "../../protocol/canonical.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { requestOf, tinyInput } from "../support/requests.ts";

const text = fc.string({ maxLength: 12, unit: "binary" });
const scalar = fc.oneof(text, fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const values = fc.dictionary(text, scalar, { maxKeys: 6 });
const input: fc.Arbitrary<DecisionRequest["input"]> = fc.oneof(
  fc.constant(tinyInput),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((data) => ({ kind: "image", encoding: "png", data }) as const),
  values.map((given) => ({ kind: "features", values: given }) as const),
  fc.tuple(text, values).map(([entity, given]) => ({ kind: "event", entity, values: given }) as const),
);
const request = fc
  .record({ id: text, task: text, input, context: values }, { requiredKeys: ["id", "task", "input"] })
  .map((given) => requestOf(given));

test("the header that is hashed is the canonical JSON of its members", () => {
  fc.assert(
    fc.property(request, (given) => {
      const { v, id, task, context } = given;
      const whole = { v, id, task, input: { ...given.input, data: undefined }, context: context ?? {} };
      const header = canonicalHeader(given);
      expect(header).toBe(canonicalJson(whole));
      expect(JSON.parse(header)).toEqual(JSON.parse(JSON.stringify(whole)));
    }),
  );
});

test("a body has one digest, whoever hashes it and however it is written down", () => {
  fc.assert(
    fc.property(request, (given) => {
      const { v, id, task, input: inside, context } = given;
      const header = canonicalJson({ v, id, task, input: { ...inside, data: undefined }, context: context ?? {} });
      const whole = universalHasher.sha256(
        new TextEncoder().encode(`${header}\0`),
        inputData(inside) ?? new Uint8Array(0),
      );
      expect(Uint8Array.from(bodyDigest(universalHasher, given))).toEqual(whole);
      expect(Uint8Array.from(bodyDigest(nodeHasher, given))).toEqual(whole);
    }),
  );
});

test("a text is encoded as UTF-8, however long it is", () => {
  const long = fc.integer({ min: 1300, max: 1400 }).map((length) => "€".repeat(length));
  fc.assert(
    fc.property(fc.oneof(text, long), (given) => {
      expect(Uint8Array.from(encodedText(given))).toEqual(new TextEncoder().encode(given));
    }),
  );
});
