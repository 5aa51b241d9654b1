import { contractDefaults, lapseAfterMsDefault } from "./defaults.ts";
import { keyText } from "./key-path.ts";
import { type Segments } from "./layers.ts";
import { type Certificate } from "../protocol/index.ts";
import { type Contract, type EffectiveConfig, type TaskPolicy } from "./policy.ts";
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
  else add([...at, "contract"], contractValues(gate.target), at);
  if (gate.floor !== null) add([...at, "number"], gate.floor, [...at, "floor"]);
  for (const [label, contract] of Object.entries(gate.classContracts)) {
    add([...at, "classContracts", label], contractValues(contract), [...at, "classes", label]);
  }
  for (const [label, value] of Object.entries(gate.classes)) {
    const isFloor = Object.hasOwn(gate.classContracts, label);
    add([...at, "classes", label], value, [...at, "classes", label, ...(isFloor ? ["floor"] : [])]);
  }
  if (gate.coarseContract === null) add([...at, "coarse"], gate.coarse);
  else {
    add([...at, "coarseContract"], contractValues(gate.coarseContract), [...at, "coarse"]);
    if (gate.coarse !== null) add([...at, "coarse"], gate.coarse, [...at, "coarse", "floor"]);
  }
  for (const certificate of gate.certificates) {
    const { scope, rung, label } = certificate;
    const of = [scope.level, ...(rung === "fine" ? [] : [rung]), ...(label === null ? [] : [label])];
    add([...at, "certificates", ...of], certificateValues(certificate));
  }
}

/** As a config writes it; what nobody gave is left out. */
function contractValues(contract: Contract): unknown {
  const { maxError, delta, launchLabels, lapseAfterMs, lapseAccepts } = contract;
  return {
    max_error: maxError,
    delta,
    ...(launchLabels === null ? {} : { launch_labels: launchLabels }),
    ...(lapseAfterMs === lapseAfterMsDefault ? {} : { lapse_after: formatDuration(lapseAfterMs) }),
    ...(lapseAccepts === contractDefaults.lapse_accepts ? {} : { lapse_accepts: lapseAccepts }),
  };
}

/** What people ask of a certificate: which one, and what it allows. */
function certificateValues({ id, renewal, gateThreshold, basis }: Certificate): unknown {
  return { id, renewal, gate_threshold: gateThreshold, basis };
}

function addTask(add: Add, policy: TaskPolicy): void {
  const { costs, reviewCapacity } = policy;
  const values = {
    decide_within: formatDuration(policy.decideWithinMs),
    review_within: formatDuration(policy.reviewWithinMs),
    fallback: policy.fallback,
    safe_action: policy.safeAction,
    escalations_per_hour: policy.escalationsPerHour ?? "none",
    review_capacity: reviewCapacity && {
      per_1000: reviewCapacity.per1000,
      answer_within: formatDuration(reviewCapacity.answerWithinMs),
    },
    audit_share: policy.auditShare,
    costs: costs && { review: costs.review, wrong_accept: costs.wrongAccept, currency: costs.currency },
    question: policy.question,
    labels: policy.labels,
    rules: policy.rules,
  };
  for (const [name, value] of Object.entries(values)) add(["tasks", policy.task, name], value);
}
