import { expect, test } from "vitest";
import { parseLayer, resolveConfig, type ConfigFault, type ResolvedConfig } from "../../config/index.ts";
import { universalHasher } from "../../protocol/index.ts";

/** The store config at the end of design.md section 7, to the letter. */
const retailer = `store_id: store_123
models:
  product_identification: { model_path: /models/product_id_v3.pkl, batch_size: 32 }
  customer_tracking: { model_path: /models/tracking_v2.onnx, max_history_frames: 30 }
thresholds: { product_identification: 0.92, customer_tracking: 0.85, cart_verification: 0.98 }
`;

/** The one of design.md section 4.5. */
const full = `store_id: store_123
models:
  product_identification: { model: product-id@^3, batch_size: 32 }   # from the registry; or model_path: /models/tracking_v2.onnx
thresholds:
  product_identification: 0.92                                        # a number; under a fleet contract it is a floor
  cart_verification: { max_error: 0.005, delta: 0.05 }                # a contract: the gate threshold is computed and certified
tasks:
  product_identification:
    decide_within: 2s
    review_within: 15m
    fallback: [coarse_answer, human_review, safe_action]              # the ladder, in order
    safe_action: { label: "ask-shopper" }
    escalations_per_hour: 120
    audit_share: 0.02
    costs: { review: 0.08, wrong_accept: 3.50, currency: USD }
`;

function resolved(text: string): ResolvedConfig {
  const result = resolveConfig([{ layer: "store", file: "store.yaml", text }], universalHasher);
  if (!result.ok) throw result.error;
  return result.value;
}

function faults(text: string): readonly ConfigFault[] {
  const parsed = parseLayer(text, "store.yaml");
  return parsed.ok ? [] : parsed.faults;
}

function onlyFault(text: string): ConfigFault {
  const found = faults(text);
  expect(found.map(({ message }) => message)).toHaveLength(1);
  return found[0] as ConfigFault;
}

test("the config that a store already has loads unchanged", () => {
  const { config, warnings } = resolved(retailer);
  expect(config.storeId).toBe("store_123");
  expect(Object.keys(config.tasks)).toEqual(["cart_verification", "customer_tracking", "product_identification"]);

  const product = config.tasks["product_identification"];
  expect(product?.model).toBeNull();
  expect(product?.modelProblem?.code).toBe("HP_MODEL_FORMAT");
  expect(product?.modelProblem?.hint).toMatch(/skl2onnx/);
  expect(product?.batchSize).toBe(32);
  expect(product?.gate.target).toEqual({ kind: "number", gateThreshold: 0.92 });

  const tracking = config.tasks["customer_tracking"];
  expect(tracking?.model).toEqual({ kind: "path", path: "/models/tracking_v2.onnx" });
  expect(tracking?.modelProblem).toBeNull();
  expect(tracking?.modelOptions).toEqual({ max_history_frames: 30 });

  const cart = config.tasks["cart_verification"];
  expect(cart?.model).toBeNull();
  expect(cart?.modelProblem).toBeNull();
  expect(cart?.gate.target).toEqual({ kind: "number", gateThreshold: 0.98 });

  expect(warnings.map(({ key, code }) => [key, code])).toEqual([
    ["models.cart_verification", "HP_MODEL_NOT_FOUND"],
    ["models.product_identification.model_path", "HP_MODEL_FORMAT"],
  ]);
  expect(warnings[0]?.message).toContain("store.yaml:5");
  expect(warnings[0]?.hint).toMatch(/ONNX/);
  expect(warnings[1]?.message).toContain("store.yaml:3");
});

test("every key of the documented config arrives where the code reads it", () => {
  const { config } = resolved(full);
  expect(config.tasks["product_identification"]).toMatchObject({
    model: { kind: "registry", spec: "product-id@^3" },
    batchSize: 32,
    gate: { target: { kind: "number", gateThreshold: 0.92 }, floor: null, classes: {}, coarse: null },
    decideWithinMs: 2000,
    reviewWithinMs: 900_000,
    fallback: ["coarse_answer", "human_review", "safe_action"],
    safeAction: { label: "ask-shopper" },
    escalationsPerHour: 120,
    auditShare: 0.02,
    costs: { review: 0.08, wrongAccept: 3.5, currency: "USD" },
  });
  expect(config.tasks["cart_verification"]?.gate.target).toEqual({
    ...{ kind: "contract", maxError: 0.005, delta: 0.05 },
    ...{ launchLabels: null, lapseAfterMs: 1_209_600_000, lapseAccepts: 50_000 },
  });
});

test("a task that is only named has every default", () => {
  const { config } = resolved("store_id: s\ntasks: { shelf: }\n");
  expect(config.tasks["shelf"]).toEqual({
    task: "shelf",
    model: null,
    modelProblem: null,
    batchSize: 8,
    modelOptions: {},
    gate: {
      ...{ target: { kind: "number", gateThreshold: 0.95 }, floor: null, classes: {}, classContracts: {} },
      ...{ coarse: null, coarseContract: null, certificates: [] },
    },
    rules: [],
    decideWithinMs: 2000,
    reviewWithinMs: 900_000,
    fallback: ["human_review", "safe_action"],
    safeAction: null,
    escalationsPerHour: null,
    reviewCapacity: null,
    auditShare: 0.02,
    costs: null,
    question: "Which answer is right?",
    labels: [],
  });
  expect(config.retention).toEqual({ journalBytesMax: 2e9, inputKeepMs: 259_200_000, unansweredMaxMs: 1_209_600_000 });
  expect(config.revision).toBe(0);
  expect(config.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
});

test("per-class gate thresholds, a coarse one, rules, labels and the question are read", () => {
  const { config } = resolved(`store_id: s
thresholds:
  shelf:
    default: { max_error: 0.01, launch_labels: 800, lapse_after: 7d, lapse_accepts: 9000 }
    classes: { Oatly-Oat-Milk: 0.99, "404": 1, Wine: { max_error: 0.001, delta: 0.01 } }
    coarse: { max_error: 0.02 }
tasks:
  shelf:
    question: Which product is on the shelf?
    labels: [milk, juice]
    escalations_per_hour: none
    review_capacity: { per_1000: 50, answer_within: 30s }
    rules:
      - name: expensive
        when: { And: [{ ConditionType: LabelCheck, ConditionParameters: { LabelIn: [wine] } }, { Not: { ConditionType: ContextCheck, ConditionParameters: { Key: aisle, Equals: 3 } } }] }
        then: escalate
      - name: sure
        when: { ConditionType: ConfidenceCheck, ConditionParameters: { ConfidenceGreaterThanEquals: 0.999 } }
        then: { verdict: accept, label: milk }
`);
  const shelf = config.tasks["shelf"];
  const contract = { kind: "contract", launchLabels: null, lapseAfterMs: 1_209_600_000, lapseAccepts: 50_000 };
  expect(shelf?.gate).toEqual({
    target: {
      kind: "contract",
      maxError: 0.01,
      delta: 0.05,
      launchLabels: 800,
      lapseAfterMs: 604_800_000,
      lapseAccepts: 9000,
    },
    floor: null,
    classes: { "404": 1, "Oatly-Oat-Milk": 0.99 },
    classContracts: { Wine: { ...contract, maxError: 0.001, delta: 0.01 } },
    coarse: null,
    coarseContract: { ...contract, maxError: 0.02, delta: 0.05 },
    certificates: [],
  });
  expect(shelf?.reviewCapacity).toEqual({ per1000: 50, answerWithinMs: 30_000 });
  expect(shelf?.rules.map(({ name, then }) => [name, then])).toEqual([
    ["expensive", { verdict: "escalate" }],
    ["sure", { verdict: "accept", label: "milk" }],
  ]);
  expect(shelf).toMatchObject({ labels: ["milk", "juice"], question: "Which product is on the shelf?" });
});

test("an effective config cannot be changed, and knows no task by inheritance", () => {
  const { config } = resolved(full);
  expect(() => Object.assign(config.tasks["product_identification"] ?? {}, { auditShare: 1 })).toThrow(TypeError);
  expect(() => (config.tasks["product_identification"]?.fallback as string[]).push("x")).toThrow(TypeError);
  expect(config.tasks["constructor"]).toBeUndefined();
  expect("toString" in (config.tasks["product_identification"]?.gate.classes ?? {})).toBe(false);
});

test.each([
  ["pkl", /skl2onnx/],
  ["joblib", /skl2onnx/],
  ["pt", /torch\.onnx\.export/],
  ["PTH", /torch\.onnx\.export/],
  ["safetensors", /torch\.onnx\.export/],
  ["h5", /tf2onnx/],
  ["keras", /tf2onnx/],
  ["tflite", /tf2onnx/],
  ["ubj", /onnxmltools/],
  ["cbm", /save_model/],
  ["engine", /ONNX/],
])("a model path that ends in .%s says how to export it", (ending, hint) => {
  const { config } = resolved(`store_id: s\nmodels: { a: { model_path: /m/model.${ending} } }\n`);
  expect(config.tasks["a"]?.model).toBeNull();
  expect(config.tasks["a"]?.modelProblem).toMatchObject({
    code: "HP_MODEL_FORMAT",
    hint: expect.stringMatching(hint) as string,
  });
});

test("a gate threshold under a misspelt task is pointed out", () => {
  const { warnings } = resolved("store_id: s\nmodels: { shelf: { model: shelf@^1 } }\nthresholds: { shlef: 0.99 }\n");
  expect(warnings.map(({ message }) => message)).toContainEqual(expect.stringContaining("is it misspelt?") as string);
});

test.each([
  // text, line, column, key, message
  ["tresholds: { a: 0.9 }", 1, 1, "tresholds", 'the nearest is "thresholds"'],
  ["Store_Id: s", 1, 1, "Store_Id", 'the nearest is "store_id"'],
  ["models:\n  a:\n    batchsize: 3", 3, 5, "models.a.batchsize", 'the nearest is "batch_size"'],
  ["models: { a: { path: x } }", 1, 16, "models.a.path", 'the nearest is "model'],
  ["thresholds: { a: { max_eror: 0.1, delta: 0.05 } }", 1, 20, "thresholds.a.max_eror", 'the nearest is "max_error"'],
  ["thresholds: { a: { defalt: 0.1, coarse: 0.05 } }", 1, 20, "thresholds.a.defalt", 'the nearest is "default"'],
  [
    "thresholds: { a: { default: { maxerror: 0.1 } } }",
    1,
    31,
    "thresholds.a.default.maxerror",
    'the nearest is "max_error"',
  ],
  ["tasks:\n  a:\n\n    decide_witin: 2s", 4, 5, "tasks.a.decide_witin", 'the nearest is "decide_within"'],
  ["tasks: { a: { costs: { reviw: 1, wrong_accept: 1, currency: USD } } }", 1, 24, "tasks.a.costs.reviw", '"review"'],
  ["tasks: { a: { safe_action: { lable: x } } }", 1, 30, "tasks.a.safe_action.lable", 'the nearest is "label"'],
  [
    "tasks: { a: { rules: [{ nme: x, when: { Not: 3 }, then: accept }] } }",
    1,
    25,
    "tasks.a.rules[0].nme",
    'the nearest is "name"',
  ],
  ["retention: { journal_byte: 2GB }", 1, 14, "retention.journal_byte", 'the nearest is "journal_bytes"'],
  ["lockd: [thresholds]", 1, 1, "lockd", 'the nearest is "locked"'],
  ["decide_within: 2s", 1, 1, "decide_within", "it belongs at tasks.<task>.decide_within"],
])("an unknown key names the nearest one and its place: %s", (text, line, column, key, message) => {
  const found = faults(text).find((fault) => fault.key === key);
  expect(found).toMatchObject({
    file: "store.yaml",
    line,
    column,
    key,
    message: expect.stringContaining(message) as string,
  });
  const result = resolveConfig([{ layer: "store", file: "store.yaml", text }], universalHasher);
  expect(result).toMatchObject({ ok: false, error: { code: "HP_CONFIG" } });
});

test.each([
  ["thresholds: { a: 92 }", "thresholds.a", "at most 1", "0.92"],
  ["thresholds: { a: -0.1 }", "thresholds.a", "at least 0", ""],
  ["thresholds: { a: .nan }", "thresholds.a", "not NaN", ""],
  ["thresholds: { a: .inf }", "thresholds.a", "not Infinity", ""],
  ["thresholds: { a: '0.9' }", "thresholds.a", "number from 0 to 1", ""],
  ["thresholds: { a: { max_error: x, delta: 0.05 } }", "thresholds.a.max_error", "must be a share", ""],
  ["thresholds: { a: { max_error: .nan, lapse_after: 3d } }", "thresholds.a.max_error", "not NaN", ""],
  ["thresholds: { a: { max_error: 0 } }", "thresholds.a.max_error", "at least", ""],
  ["thresholds: { a: { default: 0.9, classes: { milk: 2 } } }", "thresholds.a.classes.milk", "at most 1", ""],
  ["thresholds: { a: { max_error: 0.1, classes: { milk: 1 } } }", "thresholds.a.classes", "does not go together", ""],
  ["models: { a: { batch_size: 0 } }", "models.a.batch_size", "at least 1", ""],
  ["models: { a: { batch_size: 1.5 } }", "models.a.batch_size", "whole number", ""],
  ["models: { a: { model: x, model_path: y } }", "models.a", "both model and model_path", ""],
  ["models: { a: { model: '../x' } }", "models.a.model", "name and a version range", ""],
  ["models: { a: { options: { batch_size: 3 } } }", "models.a", "repeats a key", ""],
  ["models: { '-a': { model: x } }", "models.-a", "a task name", ""],
  ["tasks: { a: { decide_within: 2 } }", "tasks.a.decide_within", "duration", "2s"],
  ["tasks: { a: { decide_within: 2 s } }", "tasks.a.decide_within", "duration", ""],
  ["tasks: { a: { decide_within: 0s } }", "tasks.a.decide_within", "duration", ""],
  ["tasks: { a: { decide_within: 25h } }", "tasks.a.decide_within", "at most 1d", ""],
  ["tasks: { a: { fallback: [] } }", "tasks.a.fallback", "at least 1", ""],
  ["tasks: { a: { fallback: [human] } }", "tasks.a.fallback[0]", 'the nearest is "human_review"', ""],
  ["tasks: { a: { fallback: [safe_action, human_review] } }", "tasks.a.fallback[1]", "never reached", ""],
  ["tasks: { a: { fallback: [human_review, human_review] } }", "tasks.a.fallback", "twice", ""],
  ["tasks: { a: { audit_share: 2 } }", "tasks.a.audit_share", "at most 1", "0.02"],
  ["tasks: { a: { escalations_per_hour: -1 } }", "tasks.a.escalations_per_hour", "at least 0", ""],
  ["tasks: { a: { safe_action: { label: 404 } } }", "tasks.a.safe_action.label", "must be a label, not 404", '"404"'],
  ["tasks: { a: { safe_action: { value: 4 } } }", "tasks.a.safe_action", '"label" is missing', "label"],
  [
    "tasks: { a: { costs: { review: 1, wrong_accept: 1, currency: usd } } }",
    "tasks.a.costs.currency",
    "three capitals",
    "",
  ],
  ["tasks: { a: { labels: [x, x] } }", "tasks.a.labels", "twice", ""],
  ["tasks: { a: { rules: 3 } }", "tasks.a.rules", "a list of rules", ""],
  ["retention: { journal_bytes: 2 }", "retention.journal_bytes", "size", "2MB"],
  ["retention: { journal_bytes: 2KB }", "retention.journal_bytes", "between", ""],
  ["store_id: 42", "store_id", "must be a name, not 42", '"42"'],
  ["store_id: a/b", "store_id", "letters", ""],
])("a value out of bounds is told with its key and what to write: %s", (text, key, message, hint) => {
  expect(onlyFault(text)).toMatchObject({
    key,
    message: expect.stringContaining(message) as string,
    hint: expect.stringContaining(hint) as string,
  });
});

test.each([
  [
    "{ ConditionType: ConfidenceChek, ConditionParameters: { ConfidenceLessThan: 0.3 } }",
    ".ConditionType",
    '"ConfidenceCheck"',
  ],
  [
    "{ ConditionType: ConfidenceCheck, ConditionParameters: { ConfidenceLesThan: 0.3 } }",
    ".ConditionParameters.ConfidenceLesThan",
    '"ConfidenceLessThan"',
  ],
  ["{ ConditionType: ConfidenceCheck, ConditionParameters: { Label: x } }", ".ConditionParameters", "must compare"],
  [
    "{ ConditionType: ConfidenceCheck, ConditionParameters: { ConfidenceLessThan: 30 } }",
    ".ConditionParameters.ConfidenceLessThan",
    "at most 1",
  ],
  ["{ ConditionType: ContextCheck, ConditionParameters: { Key: x } }", ".ConditionParameters", "must test the value"],
  [
    "{ ConditionType: Sampling, ConditionParameters: { RandomSamplingPercentage: 0 } }",
    ".ConditionParameters.RandomSamplingPercentage",
    "at least 0.01",
  ],
  ["{ Nt: { ConditionType: LabelCheck, ConditionParameters: { LabelIn: [a] } } }", ".Nt", '"Not"'],
  ["{ Or: [] }", ".Or", "at least 1"],
  [
    "{ Not: { And: [{ ConditionType: LabelCheck, ConditionParameters: { LabelIm: [a] } }] } }",
    ".Not.And[0].ConditionParameters.LabelIm",
    '"LabelIn"',
  ],
])("a condition that is wrong is told where it is wrong: %s", (when, key, message) => {
  const fault = onlyFault(`tasks:\n  a:\n    rules:\n      - name: x\n        when: ${when}\n        then: escalate\n`);
  expect(fault).toMatchObject({
    line: 5,
    key: `tasks.a.rules[0].when${key}`,
    message: expect.stringContaining(message) as string,
  });
});

test.each([
  ["", "empty"],
  ["# nothing\n", "empty"],
  ["[]", "must be keys with values, not a list"],
  ["hello", "must be keys with values"],
  ["store_id: a\nstore_id: b", "this key stands twice"],
  ["tasks: { a: { audit_share: 0, audit_share: 1 } }", "this key stands twice"],
  ["__proto__: { store_id: x }", "not allowed"],
  ["store_id: [", "Flow sequence"],
  ["store_id: *x", "no anchor"],
  ["store_id: !!js/function x", "Unresolved tag"],
  ["a: &a [*a]", "nested deeper"],
  ["store_id: x\n---\nstore_id: y", "a layer is one document"],
  ["? [a, b]\n: 3", "must be"],
  ["\tstore_id: x", "Tabs"],
])("a file that is no config is refused with a line: %j", (text, message) => {
  const [fault] = faults(text);
  expect(fault?.message).toContain(message);
  expect(fault?.line).toBeGreaterThanOrEqual(1);
  expect(fault?.column).toBeGreaterThanOrEqual(1);
});

test("several faults come together, in the order of the file", () => {
  const text = "store_id: 3\nthresholds: { a: 92 }\ntasks: { a: { audit_shar: 1 } }\n";
  const parsed = parseLayer(text, "store.yaml");
  if (parsed.ok) throw new Error("must be refused");
  expect(parsed.faults.map(({ line }) => line)).toEqual([1, 2, 3]);
  expect(parsed.error.message).toBe("store.yaml:1:11 store_id: must be a name, not 3 (and 2 more)");
});

test("a file that unfolds into millions of values is refused fast", () => {
  const lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1]"];
  for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg", "gh"]) {
    lines.push(`${to ?? ""}: &${to ?? ""} [${Array.from({ length: 8 }, () => `*${from ?? ""}`).join(", ")}]`);
  }
  const started = performance.now();
  expect(faults(lines.join("\n"))[0]?.message).toMatch(/more than 100000 values/);
  expect(performance.now() - started).toBeLessThan(2000);
});

test("nine thousand keys do not take the square of their number", () => {
  const classes = Array.from({ length: 9000 }, (_, index) => `    label-${index}: 0.9`).join("\n");
  const started = performance.now();
  const { config } = resolved(`store_id: s\nthresholds:\n  a:\n   classes:\n${classes}\n`);
  expect(Object.keys(config.tasks["a"]?.gate.classes ?? {})).toHaveLength(9000);
  expect(performance.now() - started).toBeLessThan(5000);
});

test("a file above the limit is refused unread", () => {
  expect(faults(`store_id: s # ${"x".repeat(1024 * 1024)}`)[0]?.message).toMatch(/larger than 1048576 bytes/);
});

test("anchors and JSON are read", () => {
  const { config } = resolved("store_id: s\ntasks:\n  a: &usual { decide_within: 3s }\n  b: *usual\n");
  expect(config.tasks["b"]?.decideWithinMs).toBe(3000);
  expect(resolved(JSON.stringify({ store_id: "s", thresholds: { a: 0.9 } })).config.storeId).toBe("s");
});

test("without a store_id there is no effective config", () => {
  const result = resolveConfig(
    [{ layer: "store", file: "store.yaml", text: "thresholds: { a: 0.9 }" }],
    universalHasher,
  );
  expect(result).toMatchObject({
    ok: false,
    error: { code: "HP_CONFIG", message: "store.yaml:1:1 store_id: store_id is missing" },
  });
});

test("a file of nothing but mistakes is refused in bounded time and words", () => {
  const keys = Array.from({ length: 40_000 }, (_, index) => `"k${index}": 1`).join(", ");
  const started = performance.now();
  for (const text of [`{ ${keys} }`, `thresholds: { a: { ${keys} } }`, `{ ${"k".repeat(500_000)}: 1 }`]) {
    const parsed = parseLayer(text, "store.yaml");
    if (parsed.ok) throw new Error("must be refused");
    expect(parsed.faults.length).toBeLessThanOrEqual(100);
    expect(parsed.error.message.length).toBeLessThan(1000);
  }
  expect(performance.now() - started).toBeLessThan(15_000);
});
