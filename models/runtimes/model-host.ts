import { HoldpointError, type Input, type Logger, type Result } from "../../protocol/index.ts";
import { featureBuilder } from "../features/build.ts";
import { createRows } from "../features/rows.ts";
import { type EventHistory } from "../features/windows.ts";
import { featureCount, type FeatureSpec } from "../feature-spec.ts";
import { type Manifest } from "../manifest.ts";
import {
  type ModelHost,
  type ModelState,
  type PredictionResult,
  type RunningModel,
  type WantedModel,
} from "../prediction.ts";
import { type BatcherOptions } from "./batcher.ts";
import { stillWanted, type Candidate } from "./candidate.ts";

/** One task's model, wherever it runs. */
export interface Engine {
  readonly candidate: Candidate;
  readonly running: RunningModel;
  /** False when it can no longer answer and must be brought up anew, although nothing about it changed. */
  serves(): boolean;
  predict(id: string, input: Input, withinMs?: number): Promise<PredictionResult>;
  /** Answers what it has taken, then frees the model. */
  retire(): Promise<void>;
}

export interface HostParts {
  /** Finds a wanted model. Never rejects. */
  readonly find: (wanted: WantedModel) => Promise<Result<Candidate>>;
  /** Brings the candidates up, each by itself: the result is in their order. May hand back an engine that serves. */
  readonly bringUp: (
    candidates: readonly Candidate[],
    served: ReadonlyMap<string, Engine>,
  ) => Promise<readonly Result<Engine>[]>;
  readonly problems: () => ReturnType<ModelHost["problems"]>;
  readonly close: () => Promise<void>;
  readonly history: EventHistory;
  readonly logger: Logger;
}

interface Served {
  readonly task: string;
  readonly engine: Engine | null;
  readonly problem: ModelState["problem"];
}

/** Read when asked: after a restart a model may run on another provider. */
function statesOf(served: readonly Served[]): readonly ModelState[] {
  return served.map(({ task, engine, problem }) => ({ task, running: engine?.running ?? null, problem }));
}

/** The part that every host shares: which engine serves which task, and how one set follows another without a gap. */
export function hostOf(parts: HostParts): ModelHost {
  let engines: ReadonlyMap<string, Engine> = new Map();
  let served: readonly Served[] = [];
  let closed = false;
  let turn: Promise<unknown> = Promise.resolve();

  const applyNow = async (wanted: readonly WantedModel[]): Promise<readonly ModelState[]> => {
    if (closed) return statesOf(served);
    const found = await Promise.all(wanted.map((one) => parts.find(one)));
    const candidates = found.flatMap((result) => (result.ok ? [result.value] : []));
    const brought = await parts.bringUp(candidates, engines);
    const next = new Map<string, Engine>();
    served = wanted.map((one, i): Served => {
      const candidate = found[i];
      if (!candidate) throw new RangeError("a wanted model was looked for");
      const result = candidate.ok ? brought[candidates.indexOf(candidate.value)] : candidate;
      if (!result) throw new RangeError("a candidate was brought up or refused");
      if (result.ok) {
        next.set(one.task, result.value);
        return { task: one.task, engine: result.value, problem: null };
      }
      const { code, message, hint } = result.error;
      parts.logger.warn("model_refused", { task: one.task, code, message });
      const predecessor = engines.get(one.task);
      const kept = predecessor && stillWanted(predecessor.candidate, one) ? predecessor : null;
      if (kept) next.set(one.task, kept);
      return { task: one.task, engine: kept, problem: { code, message, hint } };
    });
    const gone = [...engines.values()].filter((engine) => ![...next.values()].includes(engine));
    engines = next;
    // Not awaited: the new set serves already, and a slow last batch must not hold the config change.
    for (const engine of gone) void engine.retire();
    return statesOf(served);
  };

  return {
    apply: (wanted) => {
      const applied = turn.then(() => applyNow(wanted));
      turn = applied.catch((cause: unknown) => parts.logger.error("model_apply_failed", { cause }));
      return applied;
    },
    states: () => statesOf(served),
    predict: (task, id, input, withinMs) => {
      const engine = engines.get(task);
      if (!engine || closed) {
        const message = served.find((one) => one.task === task)?.problem?.message ?? `no model serves "${task}"`;
        return Promise.resolve({ ok: false, reason: "no_model", message, by: null });
      }
      const ready = localFeatures(engine, input, parts.history);
      if ("reason" in ready) return Promise.resolve({ ok: false, ...ready, by: engine.running });
      return engine.predict(id, ready.input, withinMs);
    },
    problems: () => parts.problems(),
    close: async () => {
      if (closed) return;
      closed = true;
      await turn;
      await Promise.all([...engines.values()].map((engine) => engine.retire()));
      engines = new Map();
      await parts.close();
    },
  };
}

type Local =
  { readonly input: Input } | { readonly reason: "bad_input" | "bad_picture" | "not_finite"; readonly message: string };

const builders = new WeakMap<Manifest, ReturnType<typeof featureBuilder>>();

/** Windows over events are read where their state is, which is not in the child: their numbers travel as a tensor. */
function localFeatures({ candidate: { manifest } }: Engine, input: Input, history: EventHistory): Local {
  const { features } = manifest;
  if (features.kind !== "windows" || input.kind === "tensor") return { input };
  const rows = createRows("float32", columnsOf(features), 1);
  let builder = builders.get(manifest);
  if (!builder) builders.set(manifest, (builder = featureBuilder(manifest, history)));
  const built = input.kind === "image" ? null : builder.build(input, rows, 0);
  if (!built) return { reason: "bad_input", message: "the model takes event or entity input, not image" };
  if (!built.ok) return built;
  const shape = manifest.inputs[0]?.shape.slice(1).map((size) => (size === "batch" ? 1 : size)) ?? [];
  const data = new Uint8Array(rows.data.buffer);
  return { input: { kind: "tensor", dtype: "float32", shape: [1, ...shape], data } };
}

function columnsOf(features: FeatureSpec): number {
  return featureCount(features) ?? 0;
}

/** What a batcher answers for rows that it does not run. */
export function shedding(
  running: () => RunningModel,
): Pick<BatcherOptions<never, PredictionResult>, "overload" | "timeout"> {
  return {
    overload: () => failure("overload", "more waits for the model than it can run in time", running()),
    timeout: () => failure("timeout", "nobody waited any more when the model was free", running()),
  };
}

/** For predictions that a host cannot even try. */
export function failure(
  reason: Extract<PredictionResult, { ok: false }>["reason"],
  message: string,
  by: RunningModel | null,
): PredictionResult {
  return { ok: false, reason, message, by };
}

export function refusedWith(error: unknown, fallback: "HP_MODEL_LOAD"): Result<never> {
  return { ok: false, error: HoldpointError.from(error, fallback) };
}
