import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buildFeatures,
  createRows,
  featureCount,
  type DecodedInput,
  type EventHistory,
  type FeatureResult,
  type FeatureSpec,
  type ModelDtype,
} from "../../models/index.ts";
import { type Manifest } from "../../models/index.ts";
import { linearModel, manifestOf } from "../support/models-fixtures.ts";

/** Builds one row; the manifest around the features does not matter here. */
function build(
  features: FeatureSpec,
  input: DecodedInput,
  options: { dtype?: ModelDtype; layout?: "NCT"; shape?: number[]; history?: EventHistory } = {},
): { result: FeatureResult; row: number[] } {
  const shape = options.shape ?? [featureCount(features) ?? 1];
  const elements = shape.reduce((product, size) => product * size, 1);
  const modelInput = {
    name: "x",
    dtype: options.dtype ?? "float32",
    shape: ["batch" as const, ...shape],
    ...(options.layout ? { layout: options.layout } : {}),
  };
  const manifest: Manifest = { ...manifestOf(linearModel()), features, inputs: [modelInput] };
  const rows = createRows(modelInput.dtype, elements, 1);
  const result = buildFeatures(manifest, input, rows, 0, options.history);
  return { result, row: Array.from(rows.data, Number) };
}

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

describe("tabular features", () => {
  const spec: FeatureSpec = {
    kind: "tabular",
    columns: [
      { name: "weight", type: "number", mean: 100, std: 50 },
      { name: "discount", type: "number", mean: 0, std: 1, missing: 5 },
      { name: "block", type: "category", values: ["A", "B", 3], unknown: "zeros" },
      { name: "mode", type: "category", values: ["Ship", "Road"], unknown: "refuse" },
    ],
  };
  const values = { weight: 150, discount: null, block: "B", mode: "Road" };

  it("scales numbers, fills in what is missing and spreads categories", () => {
    const { result, row } = build(spec, { kind: "features", values: { ...values, more: "ignored" } });
    expect(result).toEqual({ ok: true });
    expect(row).toEqual([1, 5, 0, 1, 0, 0, 1]);
    expect(build(spec, { kind: "features", values: { ...values, block: 3 } }).row.slice(2, 5)).toEqual([0, 0, 1]);
    expect(build(spec, { kind: "features", values: { ...values, block: "?" } }).row.slice(2, 5)).toEqual([0, 0, 0]);
  });

  it.each([
    ["a missing number", { ...values, weight: null }, "bad_input"],
    ["a text for a number", { ...values, weight: "heavy" }, "bad_input"],
    ["an unknown category where that is refused", { ...values, mode: "Air" }, "bad_input"],
    ["a key of the prototype for a column", { ...values, weight: undefined as never }, "bad_input"],
    ["NaN", { ...values, weight: NaN }, "not_finite"],
    ["a number beyond float32", { ...values, weight: 1e300 }, "not_finite"],
  ])("refuses %s", (_what, given, reason) => {
    expect(build(spec, { kind: "features", values: given }).result).toMatchObject({ ok: false, reason });
  });
});

describe("tensor features", () => {
  const spec: FeatureSpec = { kind: "tensor" };

  it("takes every dtype that the model's can hold, with or without the batch", () => {
    const shape = [2, 2];
    const tensor = (
      dtype: "float32" | "float64" | "int32" | "int64" | "uint8",
      data: ArrayBuffer,
      given: number[],
    ): DecodedInput => ({
      kind: "tensor",
      dtype,
      shape: given,
      data: new Uint8Array(data),
    });
    const numbers = [1, 2, 3, 4];
    const cases: DecodedInput[] = [
      tensor("float32", Float32Array.from(numbers).buffer, [1, 2, 2]),
      tensor("float64", Float64Array.from(numbers).buffer, [2, 2]),
      tensor("int32", Int32Array.from(numbers).buffer, [2, 2]),
      tensor("int64", BigInt64Array.from(numbers, BigInt).buffer, [2, 2]),
      tensor("uint8", Uint8Array.from(numbers).buffer, [2, 2]),
    ];
    for (const dtype of ["float32", "uint8", "int64"] as const) {
      for (const input of cases)
        expect(build(spec, input, { dtype, shape })).toEqual({ result: { ok: true }, row: numbers });
    }
  });

  it("reads numbers wherever they start in their buffer", () => {
    const buffer = new Uint8Array(9);
    buffer.set(floats(1.5, -2), 1);
    const input: DecodedInput = { kind: "tensor", dtype: "float32", shape: [2], data: buffer.subarray(1) };
    expect(build(spec, input, { shape: [2] }).row).toEqual([1.5, -2]);
    // Node's Buffer, as channels and decoders deliver it: its `slice` is a view into what lies before and after.
    const view: DecodedInput = { ...input, data: Buffer.from(buffer.buffer, 1, 8) };
    expect(build(spec, view, { shape: [2] }).row).toEqual([1.5, -2]);
  });

  it("refuses another shape, fractions for integers, and numbers that do not fit", () => {
    const of = (...values: number[]): DecodedInput => ({
      kind: "tensor",
      dtype: "float32",
      shape: [values.length],
      data: floats(...values),
    });
    expect(build(spec, of(1, 2, 3), { shape: [2] }).result).toMatchObject({ reason: "bad_input" });
    expect(build(spec, of(1.5), { shape: [1], dtype: "int64" }).result).toMatchObject({ reason: "bad_input" });
    expect(build(spec, of(256), { shape: [1], dtype: "uint8" }).result).toMatchObject({ reason: "bad_input" });
    expect(build(spec, of(NaN), { shape: [1] }).result).toMatchObject({ reason: "not_finite" });
    expect(build(spec, of(1e6), { shape: [1], dtype: "float16" }).result).toMatchObject({ reason: "not_finite" });
  });
});

describe("sequence features", () => {
  const spec: FeatureSpec = { kind: "sequence", channels: ["grams"], hertz: 2, samples: 4 };

  it("takes the newest samples at the model's rate and repeats the first one in front", () => {
    const input: DecodedInput = { kind: "sequence", channels: ["grams"], hertz: 4, data: floats(0, 1, 2, 3, 4, 5) };
    // Half a second apart, anchored at the last: positions −1 → 0, 1, 3, 5 of the input.
    expect(build(spec, input).row).toEqual([0, 1, 3, 5]);
    const slow: DecodedInput = { ...input, hertz: 1, data: floats(0, 10) };
    expect(build(spec, slow).row).toEqual([0, 0, 5, 10]);
  });

  it("matches channels by name, scales them, and lays them out as the model wants", () => {
    const two: FeatureSpec = {
      kind: "sequence",
      channels: ["b", "a"],
      hertz: 1,
      samples: 2,
      mean: [0, 1],
      std: [1, 2],
    };
    const input: DecodedInput = { kind: "sequence", channels: ["a", "b"], hertz: 1, data: floats(1, 10, 3, 20) };
    expect(build(two, input).row).toEqual([10, 0, 20, 1]);
    expect(build(two, input, { layout: "NCT" }).row).toEqual([10, 20, 0, 1]);
    expect(build(two, { ...input, channels: ["a", "c"] }).result).toMatchObject({ reason: "bad_input" });
  });
});

describe("item features", () => {
  it("counts labels, keeps the lowest confidence of each, and refuses what it does not know", () => {
    const spec: FeatureSpec = { kind: "items", labels: ["milk", "juice"] };
    const items = [
      { label: "juice", count: 1, confidence: 0.9 },
      { label: "juice", count: 2, confidence: 0.5 },
    ];
    expect(build(spec, { kind: "items", items, grams: 500 }).row).toEqual([0, 3, 0, 0.5, 500]);
    expect(build(spec, { kind: "items", items: [{ label: "milk", count: 1 }] }).row).toEqual([1, 0, 1, 0, 0]);
    const unknown: DecodedInput = { kind: "items", items: [{ label: "tea", count: 1 }] };
    expect(build(spec, unknown).result).toMatchObject({ ok: false, reason: "bad_input" });
  });
});

describe("window features", () => {
  const column = { mean: 0, std: 1 };
  const spec: FeatureSpec = {
    kind: "windows",
    columns: [
      { value: "*", statistic: "count", windowMs: 1000, ...column },
      { value: "amount", statistic: "count", windowMs: 1000, ...column },
      { value: "amount", statistic: "sum", windowMs: 1000, ...column },
      { value: "amount", statistic: "mean", windowMs: 1000, ...column },
      { value: "amount", statistic: "last", windowMs: 500, ...column },
      { value: "amount", statistic: "max", windowMs: 100_000, mean: 10, std: 5 },
    ],
  };
  const history: EventHistory = {
    nowMs: () => 10_000,
    eventsOf: () => [
      { atMs: 9_900, values: { amount: 4 } },
      { atMs: 9_000, values: { amount: 100 } },
      { atMs: 9_001, values: { amount: 2 } },
      { atMs: 9_500, values: { note: "no amount" } },
      { atMs: 10_001, values: { amount: 1000 } },
    ],
  };

  it("sums up what an entity did, each window open on the left, the future left out", () => {
    expect(build(spec, { kind: "entity", entity: "e" }, { history }).row).toEqual([3, 2, 6, 3, 4, 18]);
  });

  it("counts the event that is being decided", () => {
    const input: DecodedInput = { kind: "event", entity: "e", values: { amount: 9 } };
    expect(build(spec, input, { history }).row).toEqual([4, 3, 15, 5, 9, 18]);
  });

  it("is all zeros for an entity that nobody has seen", () => {
    expect(build(spec, { kind: "entity", entity: "new" }).row).toEqual([0, 0, 0, 0, 0, -2]);
  });

  it("does not depend on the order in which the history tells the events", () => {
    const events = history.eventsOf("e", 0);
    fc.assert(
      fc.property(fc.shuffledSubarray([...events], { minLength: events.length }), (shuffled) => {
        const told = { ...history, eventsOf: () => shuffled };
        expect(build(spec, { kind: "entity", entity: "e" }, { history: told }).row).toEqual([3, 2, 6, 3, 4, 18]);
      }),
    );
  });
});
