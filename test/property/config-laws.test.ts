import fc from "fast-check";
import { expect, test } from "vitest";
import {
  emptyLayered,
  formatBytes,
  formatDuration,
  layerOf,
  mergeLayers,
  parseBytes,
  parseDurationMs,
  parseLayer,
  resolveConfig,
  type Layered,
  type LayerName,
} from "../../config/index.ts";
import { keySegments, keyText } from "../../config/key-path.ts";
import { editDistance, nearest } from "../../config/nearest.ts";
import { universalHasher } from "../../protocol/index.ts";

const task = fc.constantFrom("a", "b", "c.d");
const share = fc.integer({ min: 0, max: 1000 }).map((milli) => milli / 1000);
const contract = fc.record({ max_error: fc.constantFrom(0.01, 0.05, 0.1), delta: fc.constantFrom(0.01, 0.05) });
const gate = fc.oneof(
  share,
  contract,
  fc.record(
    {
      default: fc.oneof(share, contract),
      classes: fc.dictionary(fc.constantFrom("milk", "x y"), fc.oneof(share, contract)),
      coarse: fc.oneof(share, contract, fc.constant(null)),
    },
    { requiredKeys: [] },
  ),
);
const model = fc.oneof(
  fc.record(
    { model: fc.constantFrom("m@^1", "n@^2"), batch_size: fc.integer({ min: 1, max: 9 }) },
    { requiredKeys: [] },
  ),
  fc.record(
    { model_path: fc.constantFrom("/x.onnx", "/y.pkl"), max_history_frames: fc.constant(3) },
    { requiredKeys: [] },
  ),
);
const policy = fc.record(
  {
    decide_within: fc.constantFrom("1s", "2s", "250ms"),
    audit_share: share,
    fallback: fc.constantFrom(["human_review"], ["coarse_answer", "safe_action"]),
    safe_action: fc.constantFrom(null, { label: "x" }),
    escalations_per_hour: fc.constantFrom("none", 3),
  },
  { requiredKeys: [] },
);
const lock = fc.constantFrom(
  "thresholds",
  "thresholds.a",
  "thresholds.b.classes",
  "thresholds.a.coarse",
  "models.b.model",
  "tasks.a.audit_share",
  'tasks["c.d"]',
  "retention",
);
const layer = fc.record(
  {
    thresholds: fc.dictionary(task, gate, { maxKeys: 3 }),
    models: fc.dictionary(task, model, { maxKeys: 3 }),
    tasks: fc.dictionary(task, fc.oneof(policy, fc.constant(null)), { maxKeys: 3 }),
    retention: fc.record({ input_keep: fc.constantFrom("1h", "2d") }, { requiredKeys: [] }),
    locked: fc.array(lock, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
type Layer = typeof layer extends fc.Arbitrary<infer T> ? T : never;

function layered(values: object, name: LayerName): Layered {
  const parsed = parseLayer(JSON.stringify(values), `${name}.yaml`);
  if (!parsed.ok) throw parsed.error;
  return layerOf(name, parsed.document);
}

function seen({ entries, locks }: Layered): object {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return { entries: sorted, locks };
}

test("merging is associative, and the empty layer is its unit", () => {
  fc.assert(
    fc.property(layer, layer, layer, (one, two, three) => {
      const [a, b, c] = [layered(one, "fleet"), layered(two, "region"), layered(three, "store")];
      expect(seen(mergeLayers(mergeLayers(a, b), c))).toEqual(seen(mergeLayers(a, mergeLayers(b, c))));
      expect(seen(mergeLayers(emptyLayered, a))).toEqual(seen(a));
      expect(seen(mergeLayers(a, emptyLayered))).toEqual(seen(a));
    }),
    { numRuns: 300 },
  );
});

test("the last layer that sets an unlocked key wins, and provenance says which it was", () => {
  const names = ["fleet", "region", "store", "device"] as const;
  fc.assert(
    fc.property(fc.array(layer, { minLength: 4, maxLength: 4 }), (given) => {
      const layers = given.map((values, index) => layered(withoutLocks(values), names[index] ?? "device"));
      const merged = layers.reduce(mergeLayers, emptyLayered);
      for (const [key, entry] of merged.entries) {
        const last = layers.findLast(({ entries }) => entries.has(key));
        expect(entry).toBe(last?.entries.get(key));
      }
      const keys = new Set(layers.flatMap(({ entries }) => [...entries.keys()]));
      for (const key of keys) {
        // Only a number under a later contract goes away without a successor of its own.
        if (!/\.(?:number|coarse|classes\.milk|classes\["x y"\])$/.test(key))
          expect(merged.entries.has(key)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

test("a locked key never takes a lower layer's value", () => {
  fc.assert(
    fc.property(layer, layer, (fleet, store) => {
      const locked = { ...fleet, locked: ["thresholds", "models", "tasks", "retention"] };
      const merged = mergeLayers(layered(locked, "fleet"), layered(store, "store"));
      expect([...merged.entries.values()].filter(({ origin }) => origin.layer === "store")).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test("the digest does not depend on the order of keys, on comments or on the split into layers", () => {
  fc.assert(
    fc.property(layer, (values) => {
      const plain = { store_id: "s", ...withoutLocks(values) };
      const digest = (layers: readonly (readonly [LayerName, object])[]): string => {
        const texts = layers.map(([name, part]) => ({
          layer: name,
          file: name,
          text: `# a comment\n${JSON.stringify(part)}`,
        }));
        const resolved = resolveConfig(texts, universalHasher);
        if (!resolved.ok) throw resolved.error;
        return resolved.value.config.digest;
      };
      const { store_id, thresholds, ...others } = plain as Record<string, unknown>;
      const whole = digest([["store", plain]]);
      expect(digest([["store", reversed(plain) as object]])).toBe(whole);
      expect(
        digest([
          ["fleet", thresholds === undefined ? {} : { thresholds }],
          ["store", { store_id, ...others }],
        ]),
      ).toBe(whole);
    }),
    { numRuns: 100 },
  );
});

test("any text is either a config or faults with places, and never an exception", () => {
  const junk = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json({ maxDepth: 5 }),
    fc
      .array(
        fc.constantFrom(
          "a",
          ":",
          " ",
          "\n",
          "-",
          "{",
          "}",
          "[",
          "]",
          "&x",
          "*x",
          "!!",
          "|",
          ">",
          '"',
          "'",
          "#",
          "?",
          "\t",
          "thresholds",
        ),
        { maxLength: 60 },
      )
      .map((parts) => parts.join("")),
    fc.tuple(layer, fc.nat(), fc.string({ minLength: 1, maxLength: 3 })).map(([values, at, noise]) => {
      const text = JSON.stringify(values);
      return text.slice(0, at % text.length) + noise + text.slice(at % text.length);
    }),
  );
  fc.assert(
    fc.property(junk, (text) => {
      const parsed = parseLayer(text, "f");
      if (parsed.ok) return;
      expect(parsed.faults.length).toBeGreaterThan(0);
      const lines = text.split(/\r\n|\r|\n/).length;
      for (const fault of parsed.faults) {
        expect(fault.line).toBeGreaterThanOrEqual(1);
        expect(fault.line).toBeLessThanOrEqual(lines);
        expect(fault.column).toBeGreaterThanOrEqual(1);
        expect(fault.message).not.toBe("");
      }
    }),
    { numRuns: 1000 },
  );
});

test("durations and sizes read back what they write", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e12 }), (quantity) => {
      expect(parseDurationMs(formatDuration(quantity))).toBe(quantity);
      expect(parseBytes(formatBytes(quantity))).toBe(quantity);
    }),
  );
});

test("a key's text reads back as the same key", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 4 }), (segments) => {
      expect(keySegments(keyText(segments))).toEqual(segments);
    }),
  );
});

test("the edit distance is a distance, and a single edit stays nearest", () => {
  const word = fc.stringMatching(/^[a-z_]{1,12}$/);
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
    }),
  );
  const keys = ["decide_within", "review_within", "fallback", "safe_action", "escalations_per_hour", "audit_share"];
  fc.assert(
    fc.property(fc.constantFrom(...keys), fc.nat(), (key, at) => {
      const position = at % key.length;
      expect(nearest(key.slice(0, position) + key.slice(position + 1), keys)).toBe(key);
    }),
  );
});

function withoutLocks(values: Layer): object {
  return { ...values, locked: [] };
}

function reversed(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reversed(member)]),
  );
}
