import { type EffectiveConfig, type TaskPolicy } from "../config/index.ts";
import {
  calibrationDigest,
  groupedLabels,
  labelsDigest,
  type GroupedLabels,
  type ModelHost,
  type PredictionResult,
  type RunningModel,
} from "../models/index.ts";
import {
  type Clock,
  type Decision,
  type DecisionRequest,
  type Hasher,
  type Reason,
  type Timers,
} from "../protocol/index.ts";
import { coinOf } from "./audit.ts";
import { memoryUse, type CertificateUse } from "./certificate-use.ts";
import { decide, type Decided } from "./decide.ts";
import { evidenceOf } from "./evidence.ts";
import { type GateBy } from "./gate.ts";
import { TaskMemory, type EarlierTasks, type ReviewState } from "./task-memory.ts";
import { type Finding } from "./trace.ts";

/**
 * From a request to a decision, without any memory of cases: the model is asked with the device's patience, and
 * `decide()` gets everything it reads. The agent and the embedded decider share it.
 */
export interface Pipeline {
  /** True if the config has the task. */
  knows(task: string): boolean;
  policy(task: string): TaskPolicy | null;
  /** The task's policy in the config that the decision was made under, while that may still be; else in the newest. */
  policyOf(decision: Decision): TaskPolicy | null;
  config(): EffectiveConfig;
  /** Asks the model. Never rejects. May run while the request is being made durable. */
  find(request: DecisionRequest): Promise<Found>;
  /** Rules on what was found. Uses up escalation budget, so it is called once for each case. */
  rule(request: DecisionRequest, found: Found, situation: Situation): Decided;
  /** Gives back the escalation budget of a decision that was not recorded: the case had been decided before. */
  refund(decided: Decided): void;
  /** A pending case has become final after so long: people are as quick as that. */
  answered(decision: Decision): void;
  /** The hub has told how long its people take, by task, milliseconds at the 95th percentile. */
  toldAnswerTimes(p95Ms: Readonly<Record<string, number>>): void;
  /** How people keep up with a task of stated capacity, or null. */
  reviewState(task: string): ReviewState | null;
  /** What the decisions so far left for the next ones: given as `earlier` to the pipeline of the next life. */
  remains(): EarlierTasks["tasks"];
  /** Puts a config in force together with the models that it asked for. */
  adopt(config: EffectiveConfig): void;
}

export interface PipelineOptions {
  readonly config: EffectiveConfig;
  readonly host: ModelHost;
  /** Key of the audit coin. */
  readonly secret: Uint8Array;
  /** Counts what certificates are used for; in memory unless given. */
  readonly use?: CertificateUse;
  /** What the decisions of an earlier life left. */
  readonly earlier?: EarlierTasks;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What the model said, and when. */
export interface Found {
  readonly finding: Finding;
  readonly by: RunningModel | null;
  readonly batch: number | null;
  readonly modelMs: number | null;
  /** Monotonic time at which the request came in. */
  readonly startedMs: number;
}

/** What holds around the case and not in it. */
export interface Situation {
  readonly reviewer: boolean;
  readonly storage: boolean;
}

/**
 * A config and the model digests that came into force with it. A prediction that was under way while the config changed
 * is ruled by the config that its model belongs to: never a decision with the model of one revision and the gate of
 * another.
 */
interface Generation {
  readonly config: EffectiveConfig;
  readonly digests: ReadonlyMap<string, string>;
}

/** Generations that may still have predictions under way. */
const generationsMax = 4;

export function createPipeline(options: PipelineOptions): Pipeline {
  const { host, hasher, clock, secret, use = memoryUse(options.clock) } = options;
  let generations: readonly Generation[] = [generationOf(options.config, host)];
  const memory = new TaskMemory(clock, options.earlier);
  const askedBy = gatesBy(hasher);
  const newest = (): EffectiveConfig => (generations[0] as Generation).config;

  const configOf = (task: string, by: RunningModel | null): EffectiveConfig => {
    if (!by) return newest();
    const own = generations.find((generation) => generation.digests.get(task) === by.reference.digest);
    return own?.config ?? newest();
  };

  return {
    knows: (task) => Object.hasOwn(newest().tasks, task),
    policy: (task) => taskPolicy(newest(), task),
    policyOf: ({ task, config }) => {
      const own = generations.find((generation) => generation.config.digest === config.digest);
      return taskPolicy(own?.config ?? newest(), task);
    },
    config: newest,
    find: (request) => find(request, options, taskPolicy(newest(), request.task)),
    rule: (request, found, situation) => {
      const config = configOf(request.task, found.by);
      const policy = taskPolicy(config, request.task) ?? taskPolicy(newest(), request.task);
      if (!policy) throw new Error(`no policy for the admitted task ${request.task}`);
      const decided = decide({
        id: request.id,
        context: request.context ?? {},
        policy,
        config: { revision: config.revision, digest: config.digest },
        finding: found.finding,
        model: found.by?.reference ?? null,
        // Where nothing was predicted no provider ran, whatever serves the task.
        provider: found.finding.kind === "evidence" ? (found.by?.provider ?? "none") : "none",
        runtime: found.by?.runtime ?? null,
        batch: found.batch,
        modelMs: found.modelMs,
        coin: coinOf(hasher, secret, request.id),
        by: askedBy(found.by, use.lapsed(policy.gate), policy.labels),
        ...memory.of(policy),
        ...situation,
        atMs: Math.floor(clock.wallMs()),
        latencyMs: roundMs(clock.monotonicMs() - found.startedMs),
      });
      memory.decided(policy, decided);
      if (decided.under) use.accepted(decided.under);
      return decided;
    },
    refund: (decided) => memory.refund(taskPolicy(newest(), decided.decision.task), decided),
    answered: ({ task, latencyMs }) => memory.answered(taskPolicy(newest(), task), latencyMs),
    toldAnswerTimes: (p95Ms) => {
      for (const [task, tookMs] of Object.entries(p95Ms)) memory.told(taskPolicy(newest(), task), tookMs);
    },
    reviewState: (task) => memory.reviewState(taskPolicy(newest(), task)),
    remains: () => memory.remains(),
    adopt: (config) => {
      generations = [generationOf(config, host), ...generations].slice(0, generationsMax);
    },
  };
}

/** Which model asks a gate: one object for each running model, while the same certificates have lapsed. */
function gatesBy(
  hasher: Hasher,
): (by: RunningModel | null, lapsed: readonly string[], labels: readonly string[]) => GateBy {
  const known = new WeakMap<RunningModel, { readonly gate: GateBy; readonly labels: readonly string[] }>();
  return (by, lapsed, labels) => {
    if (!by) return { model: null, calibration: null, coarseCalibration: null, lapsed };
    const last = known.get(by);
    const isSame = last?.labels === labels;
    if (isSame && last.gate.lapsed === lapsed) return last.gate;
    const next = {
      model: by.reference.digest,
      calibration: last?.gate.calibration ?? calibrationDigest(by.calibration, hasher),
      coarseCalibration: last?.gate.coarseCalibration ?? calibrationDigest(by.coarseCalibration, hasher),
      groups: isSame ? (last.gate.groups ?? null) : groupsDigest(groupedLabels(labels, by), hasher),
      lapsed,
    };
    known.set(by, { gate: next, labels });
    return next;
  };
}

function groupsDigest({ labels, coarse }: GroupedLabels, hasher: Hasher): string | null {
  return coarse && labelsDigest(labels, coarse, hasher);
}

function generationOf(config: EffectiveConfig, host: ModelHost): Generation {
  const running = host.states().flatMap((state) => (state.running ? [state.running] : []));
  return { config, digests: new Map(running.map((model) => [model.task, model.reference.digest])) };
}

function taskPolicy(config: EffectiveConfig, task: string): TaskPolicy | null {
  return Object.hasOwn(config.tasks, task) ? (config.tasks[task] ?? null) : null;
}

function find(request: DecisionRequest, options: PipelineOptions, policy: TaskPolicy | null): Promise<Found> {
  const { host, clock, timers } = options;
  const startedMs = clock.monotonicMs();
  const failed = (reason: Reason, message: string, by: RunningModel | null = null): Found => {
    return { finding: { kind: "failure", reason, message }, by, batch: null, modelMs: null, startedMs };
  };
  if (!policy?.model) {
    return Promise.resolve(failed("no_model", policy?.modelProblem?.message ?? "the config names no model"));
  }
  const patienceMs = request.deadlineMs ?? policy.decideWithinMs;
  return new Promise((resolve) => {
    const cancel = timers.after(patienceMs, () => {
      resolve(failed("timeout", `no prediction within ${patienceMs} ms`));
    });
    const answered = (result: PredictionResult): void => {
      cancel();
      resolve(result.ok ? foundIn(result, startedMs) : failed(result.reason, result.message, result.by));
    };
    host.predict(request.task, request.id, request.input, patienceMs).then(answered, (cause: unknown) => {
      answered({ ok: false, reason: "model_error", message: String(cause), by: null });
    });
  });
}

function foundIn({ prediction, by }: Extract<PredictionResult, { ok: true }>, startedMs: number): Found {
  const { batch, runMs } = prediction;
  return { finding: evidenceOf(prediction, by), by, batch, modelMs: runMs, startedMs };
}

/** A thousandth of a millisecond is enough for a latency, and shorter on the wire. */
export function roundMs(ms: number): number {
  return Math.max(0, Math.round(ms * 1000) / 1000);
}
