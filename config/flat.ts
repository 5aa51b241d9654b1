import { keyText } from "./key-path.ts";
import { type Segments } from "./layers.ts";
import { type EffectiveConfig, type TaskPolicy } from "./policy.ts";
import { formatBytes, formatDuration } from "./units.ts";

/** One key of an effective config with its value as YAML would write it, for printing, comparing and a form. */
export interface FlatEntry {
  readonly key: string;
  readonly value: unknown;
  /** The key in the merged layers, where its provenance is found. */
  readonly segments: Segments;
}

/** Every key of an effective config by its name, in the order of a config file. */
export function flatConfig(config: EffectiveConfig): ReadonlyMap<string, FlatEntry> {
  const entries: FlatEntry[] = [];
  const add: Add = (segments, value, shown = segments) => entries.push({ key: keyText(shown), value, segments });
  add(["store_id"], config.storeId);
  const policies = Object.values(config.tasks);
  for (const policy of policies) addModel(add, policy);
  for (const policy of policies) addGate(add, policy);
  for (const policy of policies) addTask(add, policy);
  add(["retention", "journal_bytes"], formatBytes(config.retention.journalBytesMax));
  add(["retention", "input_keep"], formatDuration(config.retention.inputKeepMs));
  add(["retention", "unanswered_max"], formatDuration(config.retention.unansweredMaxMs));
  if (config.broker) {
    const { url, username, passwordFile, caFile } = config.broker;
    const given = { url, username, password_file: passwordFile, ca_file: caFile };
    add(["broker"], Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)));
  }
  return new Map(entries.map((entry) => [entry.key, entry]));
}

type Add = (segments: Segments, value: unknown, shown?: Segments) => void;

function addModel(add: Add, { task, model, modelProblem, batchSize, modelOptions }: TaskPolicy): void {
  const at = ["models", task];
  if (model?.kind === "registry") add([...at, "model"], model.spec);
  if (model?.kind === "path") add([...at, "model"], model.path, [...at, "model_path"]);
  if (modelProblem !== null) add([...at, "model"], `unusable: ${modelProblem.message}`, [...at, "model_path"]);
  if (model === null && modelProblem === null) add([...at, "model"], null);
  add([...at, "batch_size"], batchSize);
  for (const [name, value] of Object.entries(modelOptions)) {
    add([...at, "options", name], value, name === "max_history_frames" ? [...at, name] : [...at, "options", name]);
  }
}

function addGate(add: Add, { task, gate }: TaskPolicy): void {
  const at = ["thresholds", task];
  if (gate.target.kind === "number") add([...at, "number"], gate.target.gateThreshold, at);
  else add([...at, "contract"], { max_error: gate.target.maxError, delta: gate.target.delta }, at);
  if (gate.floor !== null) add([...at, "number"], gate.floor, [...at, "floor"]);
  for (const [label, value] of Object.entries(gate.classes)) add([...at, "classes", label], value);
  add([...at, "coarse"], gate.coarse);
}

function addTask(add: Add, policy: TaskPolicy): void {
  const { costs } = policy;
  const values = {
    decide_within: formatDuration(policy.decideWithinMs),
    review_within: formatDuration(policy.reviewWithinMs),
    fallback: policy.fallback,
    safe_action: policy.safeAction,
    escalations_per_hour: policy.escalationsPerHour ?? "none",
    audit_share: policy.auditShare,
    costs: costs && { review: costs.review, wrong_accept: costs.wrongAccept, currency: costs.currency },
    question: policy.question,
    labels: policy.labels,
    rules: policy.rules,
  };
  for (const [name, value] of Object.entries(values)) add(["tasks", policy.task, name], value);
}
