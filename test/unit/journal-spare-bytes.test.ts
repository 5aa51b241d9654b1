import { expect, test } from "vitest";
import { SpareBytes, spareBytesMin } from "../../edge-agent/journal/spare-bytes.node.ts";

test("memory that came back carries the next bytes that it has room for", () => {
  const spares = new SpareBytes();
  const [small, large] = [spares.take(100_000), spares.take(700_000)];
  expect([small.byteLength, large.byteLength]).toEqual([2 ** 17, 2 ** 20]);
  for (const spare of [small, large]) spares.give(spare);
  expect(spares.take(120_000)).toBe(small);
  expect(spares.take(120_000)).toBe(large);
  expect(spares.take(120_000)).not.toBe(large);
});

test("what is short is as long as it was asked for", () => {
  expect(new SpareBytes().take(spareBytesMin - 1).byteLength).toBe(spareBytesMin - 1);
});

test("two are kept, the largest, and none that is larger than a message is", () => {
  const spares = new SpareBytes();
  const huge = spares.take(2 ** 23);
  const lengths = [2 ** 17, 2 ** 19, 2 ** 18];
  for (const spare of [huge, ...lengths.map((bytes) => spares.take(bytes))]) spares.give(spare);
  const kept = [spares.take(spareBytesMin), spares.take(spareBytesMin), spares.take(spareBytesMin)];
  expect(kept.map(({ byteLength }) => byteLength)).toEqual([2 ** 18, 2 ** 19, spareBytesMin]);
  expect(spares.take(2 ** 23)).not.toBe(huge);
});
