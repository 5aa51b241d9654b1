import { expect, test } from "vitest";
import { diffConfigs, flatConfig, resolveConfig, type LayerName, type ResolvedConfig } from "../../config/index.ts";
import { universalHasher } from "../../protocol/index.ts";

function resolved(layers: Partial<Record<LayerName, string>>): ResolvedConfig {
  const texts = Object.entries(layers).map(([layer, text]) => ({
    layer: layer as LayerName,
    file: `${layer}.yaml`,
    text,
  }));
  const result = resolveConfig(texts, universalHasher);
  if (!result.ok) throw result.error;
  return result.value;
}

test("a lower layer's value replaces a higher one's, key by key, and each tells where it came from", () => {
  const { config, provenance } = resolved({
    fleet:
      "models:\n  shelf: { model: shelf@^1, batch_size: 16 }\ntasks:\n  shelf: { audit_share: 0.05, decide_within: 3s }\n",
    region: "thresholds:\n  shelf: 0.9\n",
    store: "store_id: s\n\nthresholds:\n  shelf: 0.97\ntasks:\n  shelf:\n    decide_within: 1s\n",
    device: "tasks: { shelf: { question: Which one? } }\n",
  });
  expect(config.tasks["shelf"]).toMatchObject({
    model: { kind: "registry", spec: "shelf@^1" },
    batchSize: 16,
    gate: { target: { kind: "number", gateThreshold: 0.97 }, floor: null },
    auditShare: 0.05,
    decideWithinMs: 1000,
    question: "Which one?",
  });
  expect(provenance.get("thresholds.shelf")).toEqual({ layer: "store", file: "store.yaml", line: 4 });
  expect(provenance.get("tasks.shelf.decide_within")).toEqual({ layer: "store", file: "store.yaml", line: 7 });
  expect(provenance.get("tasks.shelf.audit_share")).toEqual({ layer: "fleet", file: "fleet.yaml", line: 4 });
  expect(provenance.get("tasks.shelf.question")).toEqual({ layer: "device", file: "device.yaml", line: 1 });
  expect(provenance.get("models.shelf.model")).toEqual({ layer: "fleet", file: "fleet.yaml", line: 2 });
  expect(provenance.get("tasks.shelf.review_within")).toEqual({ layer: "default", file: null, line: null });
});

test("the layer's name says what goes over what, not the order of the list", () => {
  const texts = [
    { layer: "device", file: "d", text: "thresholds: { a: 0.4 }" },
    { layer: "store", file: "s", text: "store_id: s\nthresholds: { a: 0.3 }" },
    { layer: "fleet", file: "f", text: "thresholds: { a: 0.2 }" },
  ] as const;
  const digests = [texts, texts.toReversed()].map((layers) => {
    const result = resolveConfig(layers, universalHasher);
    return result.ok ? [result.value.config.digest, result.value.config.tasks["a"]?.gate.target] : null;
  });
  expect(digests[0]).toEqual(digests[1]);
  expect(digests[0]?.[1]).toEqual({ kind: "number", gateThreshold: 0.4 });
});

test("under a fleet's contract a store's number is a floor", () => {
  const { config, provenance } = resolved({
    fleet: "thresholds: { a: { max_error: 0.005, delta: 0.05 } }",
    store: "store_id: s\nthresholds: { a: 0.92 }",
  });
  expect(config.tasks["a"]?.gate).toMatchObject({
    target: { kind: "contract", maxError: 0.005, delta: 0.05 },
    floor: 0.92,
  });
  expect(provenance.get("thresholds.a")?.layer).toBe("fleet");
  expect(provenance.get("thresholds.a.floor")).toEqual({ layer: "store", file: "store.yaml", line: 2 });
});

test("the floor is the last number that a layer below the contract gave", () => {
  const { config } = resolved({
    fleet: "thresholds: { a: { max_error: 0.005 } }",
    region: "thresholds: { a: 0.99 }",
    store: "store_id: s\nthresholds: { a: { default: 0.92, classes: { milk: 0.98 } } }",
  });
  expect(config.tasks["a"]?.gate).toMatchObject({ floor: 0.92, classes: { milk: 0.98 } });
});

test("a contract below a number replaces it", () => {
  const { config } = resolved({
    fleet: "thresholds: { a: 0.9 }",
    store: "store_id: s\nthresholds: { a: { max_error: 0.01 } }",
  });
  expect(config.tasks["a"]?.gate).toMatchObject({ target: { kind: "contract", maxError: 0.01 }, floor: null });
});

test("a store that gives a path replaces the fleet's model from the registry, and the other way round", () => {
  const byPath = {
    store: "store_id: s\nmodels: { a: { model_path: /m.onnx } }",
    fleet: "models: { a: { model: a@^1 } }",
  };
  const byName = {
    fleet: "models: { a: { model_path: /m.onnx } }",
    store: "store_id: s\nmodels: { a: { model: a@^1 } }",
  };
  expect(resolved(byPath).config.tasks["a"]?.model).toEqual({ kind: "path", path: "/m.onnx" });
  expect(resolved(byName).config.tasks["a"]?.model).toEqual({ kind: "registry", spec: "a@^1" });
  expect(resolved(byPath).provenance.get("models.a.model_path")?.layer).toBe("store");
});

test("a locked key keeps the higher layer's value and says so", () => {
  const { config, warnings } = resolved({
    fleet: "models: { a: { model: a@^1 } }\nthresholds: { a: 0.99 }\nlocked:\n  - thresholds.a\n",
    store: "store_id: s\nthresholds: { a: 0.5 }\ntasks: { a: { audit_share: 0.1 } }",
  });
  expect(config.tasks["a"]?.gate.target).toEqual({ kind: "number", gateThreshold: 0.99 });
  expect(config.tasks["a"]?.auditShare).toBe(0.1);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatchObject({ key: "thresholds.a", code: "HP_CONFIG" });
  expect(warnings[0]?.message).toContain("store.yaml:2 (store)");
  expect(warnings[0]?.message).toContain("fleet.yaml:3 (fleet)");
});

test.each([
  ["thresholds.a", "thresholds: { a: { max_error: 0.4 } }"],
  ["thresholds.a", "thresholds: { a: { classes: { milk: 0.1 } } }"],
  ["thresholds.a.max_error", "thresholds: { a: { max_error: 0.4 } }"],
  ["thresholds", "thresholds: { a: 0.1 }"],
  ["models.a.model", "models: { a: { model_path: /tmp/x.onnx } }"],
  ["models.a", "models: { a: { options: { x: 1 } } }"],
  ["tasks.a.safe_action.label", "tasks: { a: { safe_action: { label: give-away } } }"],
  ["tasks.a", "tasks: { a: { rules: [] } }"],
  ["retention", "retention: { journal_bytes: 1MB }"],
])("the lock %s cannot be evaded by %s", (lock, evasion) => {
  const fleet = `models: { a: { model: a@^1 } }\nthresholds: { a: { max_error: 0.01 } }\nlocked: [${lock}]\n`;
  const without = resolved({ fleet, store: "store_id: s" });
  const evading = resolved({ fleet, store: `store_id: s\n${evasion}` });
  expect(evading.config.digest).toBe(without.config.digest);
  expect(evading.warnings.length).toBeGreaterThan(without.warnings.length);
});

test("a lock does not bind the layer that sets it, nor the ones above", () => {
  const { config } = resolved({
    fleet: "thresholds: { a: 0.7 }",
    region: "thresholds: { a: 0.8 }\nlocked: [thresholds.a]",
    store: "store_id: s\nthresholds: { a: 0.1 }",
  });
  expect(config.tasks["a"]?.gate.target).toEqual({ kind: "number", gateThreshold: 0.8 });
});

test("a lock on a value does not unmake the task", () => {
  const { config } = resolved({ fleet: "locked: [thresholds.a]", store: "store_id: s\nthresholds: { a: 0.1 }" });
  expect(config.tasks["a"]?.gate.target).toEqual({ kind: "number", gateThreshold: 0.95 });
});

test.each([
  ["tresholds.a", '"thresholds"'],
  ["tasks.a.decide_witin", '"decide_within"'],
  ["locked", '"'],
  ["tasks..a", '"'],
])("a lock that names no key is refused: %s", (lock, message) => {
  const text = `store_id: s\nlocked:\n  - ${lock}\n`;
  const result = resolveConfig([{ layer: "store", file: "store.yaml", text }], universalHasher);
  if (result.ok) throw new Error("must be refused");
  expect(result.error.code).toBe("HP_CONFIG");
  expect(result.faults[0]).toMatchObject({
    line: 3,
    key: "locked[0]",
    message: expect.stringContaining(message) as string,
  });
});

test("a higher layer's list is replaced whole, and null takes a value back", () => {
  const { config } = resolved({
    fleet:
      "tasks: { a: { fallback: [coarse_answer, safe_action], safe_action: { label: x, value: 3 }, escalations_per_hour: 9 } }",
    store:
      "store_id: s\ntasks: { a: { fallback: [human_review], safe_action: { label: y }, escalations_per_hour: none } }",
  });
  expect(config.tasks["a"]).toMatchObject({ fallback: ["human_review"], escalationsPerHour: null });
  expect(config.tasks["a"]?.safeAction).toEqual({ label: "y" });
});

test("faults of all layers come together with their files", () => {
  const result = resolveConfig(
    [
      { layer: "fleet", file: "fleet.yaml", text: "thresholds: { a: 3 }" },
      { layer: "store", file: "store.yaml", text: "store_id: s\ntask: {}" },
    ],
    universalHasher,
  );
  if (result.ok) throw new Error("must be refused");
  expect(result.faults.map(({ file, line }) => `${file}:${line}`)).toEqual(["fleet.yaml:1", "store.yaml:2"]);
});

test("every key of an effective config has its provenance", () => {
  const { config, provenance } = resolved({
    fleet: "thresholds: { a: { default: { max_error: 0.01 }, classes: { 'Oat.Milk 1%': 0.99 }, coarse: 0.5 } }",
    store:
      "store_id: s\nthresholds: { a: 0.9 }\nmodels: { b: { model_path: x.pkl, max_history_frames: 3, options: { depth: 4 } } }",
  });
  expect([...provenance.keys()]).toEqual([...flatConfig(config).keys()]);
  expect(provenance.get('thresholds.a.classes["Oat.Milk 1%"]')?.layer).toBe("fleet");
  expect(provenance.get("models.b.max_history_frames")?.layer).toBe("store");
  expect(provenance.get("models.b.options.depth")?.layer).toBe("store");
  expect(provenance.get("models.b.model_path")?.layer).toBe("store");
});

test("a diff names what changed, what came and what went", () => {
  const before = resolved({ store: "store_id: s\nthresholds: { a: 0.9, b: 0.8 }" }).config;
  const after = resolved({
    store:
      "store_id: s\nthresholds: { a: { default: 0.95, classes: { milk: 0.99 } } }\ntasks: { a: { decide_within: 90s } }",
  }).config;
  const diff = diffConfigs(before, after);
  expect(diff.filter(({ key }) => !key.includes(".b"))).toEqual([
    { key: "thresholds.a", from: 0.9, to: 0.95 },
    { key: "tasks.a.decide_within", from: "2s", to: "90s" },
    { key: "thresholds.a.classes.milk", from: undefined, to: 0.99 },
  ]);
  expect(diff.find(({ key }) => key === "thresholds.b")).toEqual({ key: "thresholds.b", from: 0.8, to: undefined });
  // A value that goes away counts even where it was null.
  expect(diff.find(({ key }) => key === "thresholds.b.coarse")).toEqual({
    key: "thresholds.b.coarse",
    from: null,
    to: undefined,
  });
  expect(diffConfigs(before, before)).toEqual([]);
});
