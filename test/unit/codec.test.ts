import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import {
  bodyDigest,
  decodeMessage,
  encodeMessage,
  limits,
  parseRequest,
  toHex,
  universalHasher,
  type DecisionRequest,
  type Encoding,
  type Input,
} from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { requestOf } from "../support/requests.ts";

const inputs: Readonly<Record<Input["kind"], Input>> = {
  image: { kind: "image", encoding: "jpeg", data: Uint8Array.of(0xff, 0xd8, 0xff) },
  pixels: { kind: "pixels", width: 2, height: 1, channels: 3, data: new Uint8Array(6) },
  tensor: { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(8) },
  features: { kind: "features", values: { warehouse_block: "F", weight_in_gms: 1233, gift: true, note: null } },
  sequence: { kind: "sequence", channels: ["grams"], hertz: 60, data: new Uint8Array(16) },
  items: { kind: "items", items: [{ label: "Banana", count: 2, confidence: 0.93 }], grams: 1480 },
  event: { kind: "event", entity: "201", values: { rating: -3 } },
  entity: { kind: "entity", entity: "201" },
};
const encodings: readonly Encoding[] = ["json", "msgpack"];
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const codeOf = (bytes: Uint8Array): string => {
  const parsed = parseRequest(bytes);
  return parsed.ok ? "accepted" : parsed.error.code;
};

describe("a refusal names the field in the sender's words", () => {
  it.each([
    [{ v: 1 }, "id: is missing"],
    [{ ...requestOf(), task: undefined }, "task: is missing"],
    [{ ...requestOf(), input: { kind: "features" } }, "input.values: is missing"],
    [{ ...requestOf(), input: { kind: "entity", entity: "" } }, "input.entity: must not be empty"],
  ])("%j", (value, message) => {
    const parsed = parseRequest(text(JSON.stringify(value)));
    expect(parsed.ok ? null : parsed.error.message).toBe(message);
  });
});

describe("a request survives the wire", () => {
  for (const encoding of encodings) {
    for (const [kind, input] of Object.entries(inputs)) {
      it(`as ${encoding} with ${kind}`, () => {
        const request = requestOf({ input, deadlineMs: 2000, context: { basket: "b-17", lane: 3, member: true } });
        const parsed = parseRequest(encodeMessage(request, encoding));
        expect(parsed.ok && parsed.encoding).toBe(encoding);
        expect(parsed.ok && plain(parsed.value)).toEqual(plain(request));
      });
    }
  }
});

/** Buffers and Uint8Arrays compare equal once their bytes are spelled out. */
function plain(request: DecisionRequest): unknown {
  const { input } = request;
  return { ...request, input: "data" in input ? { ...input, data: toHex(input.data) } : input };
}

describe("the body digest", () => {
  it("is the same for both encodings and both hashers, and ignores at and deadlineMs", () => {
    const request = requestOf({ input: inputs.image, context: { basket: "b", shelf: "C2" } });
    const digests = encodings.flatMap((encoding) => {
      const parsed = parseRequest(encodeMessage({ ...request, at: 5, deadlineMs: 9 }, encoding));
      if (!parsed.ok) throw parsed.error;
      return [universalHasher, nodeHasher].map((hasher) => toHex(bodyDigest(hasher, parsed.value)));
    });
    expect(new Set([...digests, toHex(bodyDigest(nodeHasher, request))]).size).toBe(1);
  });

  it("changes with every part of the body", () => {
    const request = requestOf({ input: inputs.image, context: { basket: "b" } });
    const variants: DecisionRequest[] = [
      request,
      { ...request, task: "cart_verification" },
      { ...request, context: { basket: "c" } },
      { ...request, input: { kind: "image", encoding: "png", data: Uint8Array.of(0xff, 0xd8, 0xff) } },
      { ...request, input: { kind: "image", encoding: "jpeg", data: Uint8Array.of(0xff, 0xd8, 0xfe) } },
    ];
    const digests = variants.map((variant) => toHex(bodyDigest(nodeHasher, variant)));
    expect(new Set(digests).size).toBe(variants.length);
  });
});

describe("bad messages get a code, never an exception", () => {
  const valid = requestOf();
  const json = JSON.stringify({ ...valid, input: { kind: "entity", entity: "7" } });
  const with_ = (part: string, replacement: string): Uint8Array => text(json.replace(part, replacement));
  const deepJson = text(`{"v":1,"a":${"[".repeat(5000)}${"]".repeat(5000)}}`);
  const deepMsgpack = Uint8Array.from([0x81, 0xa1, 0x61, ...new Array<number>(5000).fill(0x91), 0xc0]);
  const record = new Packr({ useRecords: true }).pack({ v: 1, id: valid.id });
  const cases: readonly [name: string, bytes: Uint8Array, code: string][] = [
    ["nothing", new Uint8Array(0), "HP_ENCODING"],
    ["a JSON array", text("[1]"), "HP_ENCODING"],
    ["half a JSON object", text(json.slice(0, 40)), "HP_ENCODING"],
    ["text that is not UTF-8", Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d), "HP_ENCODING"],
    ["half a MessagePack map", encodeMessage(valid, "msgpack").slice(0, 30), "HP_ENCODING"],
    ["a map that claims four billion members", Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff), "HP_ENCODING"],
    ["MessagePack records", record, record[0] === 0x81 ? "HP_SCHEMA" : "HP_ENCODING"],
    ["a MessagePack extension", Uint8Array.of(0x81, 0xa1, 0x76, 0xd4, 0x01, 0x02), "HP_SCHEMA"],
    ["JSON five thousand deep", deepJson, "HP_SCHEMA"],
    ["MessagePack five thousand deep", deepMsgpack, "HP_SCHEMA"],
    ["another version", with_('"v":1', '"v":2'), "HP_VERSION"],
    ["an unknown key", with_('"v":1', '"v":1,"priority":9'), "HP_SCHEMA"],
    ["a key that stands twice", with_('"v":1', '"v":1,"v":1'), "HP_SCHEMA"],
    ["a key that stands twice, once escaped", with_('"v":1', '"v":1,"\\u0076":1'), "HP_SCHEMA"],
    ["__proto__", with_('"v":1', '"v":1,"__proto__":{"x":1}'), "HP_SCHEMA"],
    ["an id that is no UUID", with_(valid.id, "42"), "HP_SCHEMA"],
    ["an unknown input kind", with_('"entity","entity"', '"video","entity"'), "HP_SCHEMA"],
    [
      "data shorter than its shape",
      encodeMessage({ ...valid, input: { ...inputs.tensor, shape: [1, 3] } }, "json"),
      "HP_SCHEMA",
    ],
    [
      "a NaN in a tensor",
      encodeMessage({ ...valid, input: { ...inputs.tensor, data: floats(1, Number.NaN) } }, "msgpack"),
      "HP_NOT_FINITE",
    ],
    [
      "an infinity in a feature",
      encodeMessage({ ...valid, input: { kind: "features", values: { x: Infinity } } }, "msgpack"),
      "HP_NOT_FINITE",
    ],
    ["a message that is too large", new Uint8Array(limits.messageBytesMax + 1), "HP_TOO_LARGE"],
  ];
  for (const [name, bytes, code] of cases) it(name, () => expect(codeOf(bytes)).toBe(code));

  it("names the id where one can be read, so that the device knows which request it was", () => {
    const refusal = parseRequest(with_('"v":1', '"v":1,"priority":9'));
    expect(refusal.ok ? "" : refusal.error.body(refusal.id).id).toBe(valid.id);
    const hopeless = parseRequest(with_('"v":1', '"v":1,"v":1'));
    expect(hopeless.ok ? "" : hopeless.id).toBeNull();
    const wrong = parseRequest(with_('"at":', '"at":-'));
    expect(wrong.ok ? "" : wrong.id).toBe(valid.id);
  });

  it("and a good request right after is served", () => expect(codeOf(text(json))).toBe("accepted"));
});

function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

describe("decoding", () => {
  it("never throws on random bytes", () => {
    for (let seed = 1; seed < 3000; seed += 1) {
      const bytes = Uint8Array.from({ length: seed % 64 }, (_, i) => (Math.imul(seed + i, 2654435761) >>> 13) & 0xff);
      expect(() => decodeMessage(bytes)).not.toThrow();
      expect(() => parseRequest(bytes)).not.toThrow();
    }
  });
});
