import { canonicalJson, digestText, type Certificate, type Hasher } from "../protocol/index.ts";
import { certificatesFor } from "./certificates.ts";
import { faulty, type Faulty } from "./fault.ts";
import { flatConfig } from "./flat.ts";
import { keyText } from "./key-path.ts";
import { lockWarnings, taskNames, withDefaults, type Layered, type Origin, type Segments } from "./layers.ts";
import { exportHint, modelProblem } from "./model-path.ts";
import { nearest, editDistance } from "./nearest.ts";
import {
  type BrokerAddress,
  type ConfigWarning,
  type Contract,
  type EffectiveConfig,
  type GatePolicy,
  type ModelSource,
  type RetentionPolicy,
  type TaskPolicy,
} from "./policy.ts";
import { type BrokerValues, type RetentionValues, type TaskValues } from "./schema.ts";

/** For every key of `flatConfig`, where its value came from. */
export type Provenance = ReadonlyMap<string, Origin>;

export interface ResolvedConfig {
  readonly config: EffectiveConfig;
  readonly warnings: readonly ConfigWarning[];
  readonly provenance: Provenance;
}

export type Resolved = { readonly ok: true; readonly value: ResolvedConfig } | Faulty;

/**
 * The effective config of merged layers: defaults filled in, deeply frozen, `revision` 0 until an agent numbers it.
 * Only a missing `store_id` is an error; everything else was checked when the layers were read. `certificates` are good
 * ones for this store; those whose contract is not in the config are left out.
 */
export function effectiveConfig(layered: Layered, hasher: Hasher, certificates: readonly Certificate[] = []): Resolved {
  const values = new Values(withDefaults(layered));
  const storeId = values.storeId();
  if (storeId === null) {
    const file = [...layered.entries.values()].at(-1)?.origin.file ?? "config";
    const hint = "Add a line such as store_id: store_123 to the store's layer.";
    return faulty([{ file, line: 1, column: 1, key: "store_id", message: "store_id is missing", hint }]);
  }
  const policies = taskNames(layered).map((task) => values.policy(task, certificates));
  // Without a prototype a task called "constructor" is found only if the config has it.
  const tasks = bare(policies.map((policy) => [policy.task, policy] as const));
  const retention = values.retention();
  const digest = digestText(hasher.sha256(new TextEncoder().encode(canonicalJson({ storeId, tasks, retention }))));
  const broker = values.broker();
  const config = deepFreeze<EffectiveConfig>({
    ...{ storeId, digest, revision: 0, tasks, retention },
    ...(broker === null ? {} : { broker }),
  });
  const warnings = [
    ...lockWarnings(layered),
    ...policies.flatMap((policy) => values.warnings(policy)),
    ...typos(policies, values),
  ];
  return { ok: true, value: { config, warnings, provenance: values.provenance(config) } };
}

/** Typed reading of merged entries; the defaults below them leave no key without a value. */
class Values {
  readonly #layered: Layered;

  constructor(layered: Layered) {
    this.#layered = layered;
  }

  storeId(): string | null {
    return (this.#value(["store_id"]) as string | undefined) ?? null;
  }

  retention(): RetentionPolicy {
    const value = (name: keyof RetentionValues): number => this.#value(["retention", name]) as number;
    return {
      journalBytesMax: value("journal_bytes"),
      inputKeepMs: value("input_keep"),
      unansweredMaxMs: value("unanswered_max"),
    };
  }

  broker(): BrokerAddress | null {
    const given = (this.#value(["broker"]) as BrokerValues | null | undefined) ?? null;
    if (given === null) return null;
    const { url, username = null, password_file: passwordFile = null, ca_file: caFile = null } = given;
    return { url, username, passwordFile, caFile };
  }

  policy(task: string, certificates: readonly Certificate[]): TaskPolicy {
    // The schema checked each value under its own key, and merging moves no value to another key.
    const value = <K extends keyof TaskValues>(name: K): Required<TaskValues>[K] =>
      this.#value(["tasks", task, name]) as Required<TaskValues>[K];
    const source = (this.#value(["models", task, "model"]) as ModelSource | undefined) ?? null;
    const problem = source?.kind === "path" ? modelProblem(source.path) : null;
    const costs = value("costs");
    const capacity = value("review_capacity");
    return {
      task,
      model: problem === null ? source : null,
      modelProblem: problem,
      batchSize: this.#value(["models", task, "batch_size"]) as number,
      modelOptions: this.#below<number | string | boolean>(["models", task, "options"]),
      gate: this.#gate(task, certificates),
      rules: value("rules"),
      decideWithinMs: value("decide_within"),
      reviewWithinMs: value("review_within"),
      fallback: value("fallback"),
      safeAction: value("safe_action"),
      escalationsPerHour: value("escalations_per_hour") as number | null,
      reviewCapacity: capacity && { per1000: capacity.per_1000, answerWithinMs: capacity.answer_within },
      auditShare: value("audit_share"),
      costs: costs && { review: costs.review, wrongAccept: costs.wrong_accept, currency: costs.currency },
      question: value("question"),
      labels: value("labels"),
    };
  }

  #gate(task: string, certificates: readonly Certificate[]): GatePolicy {
    const number = (this.#value(["thresholds", task, "number"]) as number | undefined) ?? null;
    const contract = this.#value(["thresholds", task, "contract"]) as Contract | undefined;
    const gate = {
      target: contract ?? ({ kind: "number", gateThreshold: number ?? 1 } as const),
      floor: contract ? number : null,
      classes: this.#below<number>(["thresholds", task, "classes"]),
      classContracts: this.#below<Contract>(["thresholds", task, "classContracts"]),
      coarse: (this.#value(["thresholds", task, "coarse"]) as number | null | undefined) ?? null,
      coarseContract: (this.#value(["thresholds", task, "coarseContract"]) as Contract | null | undefined) ?? null,
    };
    return { ...gate, certificates: certificatesFor(task, gate, certificates) };
  }

  warnings({ task, model, modelProblem: problem, reviewWithinMs }: TaskPolicy): readonly ConfigWarning[] {
    const found: ConfigWarning[] = [];
    if (problem !== null) {
      const where = this.#place(["models", task, "model"]);
      found.push({
        ...problem,
        key: keyText(["models", task, "model_path"]),
        message: `${where}${problem.message}; every case of ${task} goes to people`,
      });
    } else if (model === null) {
      const where = this.#place(["models", task, ""], ["thresholds", task, ""], ["tasks", task, ""]);
      found.push({
        key: keyText(["models", task]),
        code: "HP_MODEL_NOT_FOUND",
        message: `${where}${task} has no model; every case of it goes to people`,
        hint: `Add it under models, for instance ${task}: { model_path: /models/${task}.onnx }. ${exportHint}`,
      });
    }
    if (reviewWithinMs > this.retention().unansweredMaxMs) {
      found.push({
        key: keyText(["tasks", task, "review_within"]),
        code: "HP_CONFIG",
        message: `${this.#place(["tasks", task, "review_within"])}review_within of ${task} is longer than retention.unanswered_max, which comes first`,
        hint: "Shorten review_within or lengthen retention.unanswered_max.",
      });
    }
    return found;
  }

  provenance(config: EffectiveConfig): Provenance {
    const keys = [...flatConfig(config).values()];
    return new Map(keys.map(({ key, segments }) => [key, this.#origin(segments)]));
  }

  /** True where a layer, and not a default, names the task in this section. */
  names(section: "models" | "thresholds" | "tasks", task: string): boolean {
    return (this.#layered.entries.get(keyText([section, task, ""]))?.origin.file ?? null) !== null;
  }

  #origin(segments: Segments): Origin {
    return this.#layered.entries.get(keyText(segments))?.origin ?? { layer: "default", file: null, line: null };
  }

  /** `store.yaml:4: ` of the first of these keys that a layer gave. */
  #place(...candidates: readonly Segments[]): string {
    const origin = candidates.map((segments) => this.#origin(segments)).find(({ file }) => file !== null);
    return origin === undefined ? "" : `${origin.file ?? ""}:${origin.line ?? 1}: `;
  }

  #value(segments: Segments): unknown {
    return this.#layered.entries.get(keyText(segments))?.value;
  }

  #below<T>(prefix: Segments): Readonly<Record<string, T>> {
    const found = [...this.#layered.entries.values()].filter(
      ({ segments }) =>
        segments.length === prefix.length + 1 && prefix.every((segment, index) => segment === segments[index]),
    );
    return bare(found.map(({ segments, value }) => [segments.at(-1) ?? "", value as T] as const));
  }
}

/** A gate threshold under a misspelt task would be a task of its own and leave the real one at the default. */
function typos(policies: readonly TaskPolicy[], values: Values): readonly ConfigWarning[] {
  const withModel = policies.filter(({ task }) => values.names("models", task)).map(({ task }) => task);
  return policies.flatMap(({ task }) => {
    const near = values.names("models", task) ? null : nearest(task, withModel);
    if (near === null || editDistance(task, near) > 2) return [];
    const message = `the task ${task} has no entry under models, and ${near} has: is it misspelt?`;
    return [
      {
        key: keyText(["tasks", task]),
        code: "HP_CONFIG",
        message,
        hint: `Rename ${task} to ${near} if they are one task.`,
      },
    ];
  });
}

function bare<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  const record = Object.create(null) as Record<string, T>;
  for (const [name, value] of entries) record[name] = value;
  return record;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
