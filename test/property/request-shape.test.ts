import fc from "fast-check";
import { expect, test } from "vitest";
import { requestSchema } from "../../protocol/decision.ts";
import { isPlainRequest } from "../../protocol/request-shape.ts";
import { type Input } from "../../protocol/index.ts";
import { packInputs, unpackInputs } from "../../models/runtimes/input-pack.ts";
import { requestOf, tinyInput } from "../support/requests.ts";

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    -1,
    0,
    -0,
    1.5,
    NaN,
    Infinity,
    2 ** 53,
    8.64e15,
    1e6,
    1e6 + 1,
    "",
    "x",
    true,
  ),
  fc.constantFrom<unknown>(
    [],
    {},
    [1],
    [0],
    [1, 2],
    [1, 2.5],
    new Uint8Array(8),
    "float32",
    "uint8",
    "pixels",
    "tensor",
  ),
  fc.string({ maxLength: 300 }),
  fc.integer(),
);
const pixels: Input = { kind: "pixels", width: 2, height: 1, channels: 3, data: new Uint8Array(6) };
const base = fc.constantFrom<Input>(tinyInput, pixels, {
  kind: "tensor",
  dtype: "uint8",
  shape: [2, 3],
  data: new Uint8Array(6),
});
const paths = fc.constantFrom(
  ...["v", "id", "task", "at", "deadlineMs", "input", "context", "more", "input.kind", "input.data", "input.dtype"],
  ...["input.shape", "input.width", "input.height", "input.channels", "input.more", "context.basket", "context.more"],
);

test("whatever the short way takes, the schema takes, and leaves as it is", () => {
  let taken = 0;
  fc.assert(
    fc.property(base, fc.array(fc.tuple(paths, odd), { maxLength: 2 }), (input, changes) => {
      const request: unknown = requestOf({ input: { ...input }, context: { basket: "b", lane: 3 } });
      for (const [path, value] of changes) put(request as Record<string, unknown>, path.split("."), value);
      if (!isPlainRequest(request)) return;
      taken += 1;
      const checked = requestSchema.safeParse(request);
      expect(checked.error?.issues ?? []).toEqual([]);
      expect(checked.data).toEqual(request);
    }),
    { numRuns: 5000 },
  );
  expect(taken).toBeGreaterThan(500);
});

test("usual requests go the short way", () => {
  expect(isPlainRequest(requestOf({ input: tinyInput, deadlineMs: 200, context: { basket: "b-17" } }))).toBe(true);
  expect(isPlainRequest(requestOf({ input: pixels }))).toBe(true);
});

test("inputs come out of the pack as they went in", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 20 });
  const input = fc.oneof(
    fc.record({
      kind: fc.constant("tensor" as const),
      dtype: fc.constantFrom("float32" as const, "uint8" as const),
      shape: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 2 }),
      data: bytes,
    }),
    fc.record({
      kind: fc.constant("pixels" as const),
      width: fc.integer({ min: 1, max: 2 }),
      height: fc.constant(1),
      channels: fc.constant(3 as const),
      data: bytes,
    }),
    fc.record({
      kind: fc.constant("image" as const),
      encoding: fc.constantFrom("png" as const, "jpeg" as const),
      data: bytes,
    }),
    fc.record({
      kind: fc.constant("sequence" as const),
      channels: fc.constantFrom<string[]>(["a"], ["a", "b"]),
      hertz: fc.constantFrom(1, 2),
      data: bytes,
    }),
    fc.constant<Input>({ kind: "features", values: { a: 1 } }),
    fc.constant<Input>({ kind: "entity", entity: "201" }),
  );
  fc.assert(
    fc.property(fc.array(input, { maxLength: 12 }), (inputs) => {
      expect(unpackInputs(structuredClone(packInputs(inputs)))).toEqual(inputs);
    }),
  );
});

function put(target: Record<string, unknown>, [key = "", ...rest]: readonly string[], value: unknown): void {
  // A copy: what one run writes into it must not reach the next.
  if (rest.length === 0) target[key] = Array.isArray(value) ? [...(value as unknown[])] : value;
  else if (typeof target[key] === "object" && target[key] !== null)
    put(target[key] as Record<string, unknown>, rest, value);
}
