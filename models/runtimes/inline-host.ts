import {
  HoldpointError,
  inputData,
  ok,
  silentLogger,
  type Clock,
  type Input,
  type Logger,
  type Result,
  type Timers,
} from "../../protocol/index.ts";
import { type DecodePicture } from "../features/decode.ts";
import { noHistory, type EventHistory } from "../features/windows.ts";
import { type ModelHost, type PredictionResult, type RunningModel, type WantedModel } from "../prediction.ts";
import { Batcher } from "./batcher.ts";
import { candidateKey, runningModel, type Candidate } from "./candidate.ts";
import { DecodeGate } from "./decode-gate.ts";
import { LoadedModel, type BatchAnswer } from "./loaded-model.ts";
import { failure, hostOf, refusedWith, shedding, type Engine } from "./model-host.ts";
import { type ProviderName, type Runtime } from "./runtime.ts";

/** Rows that may wait for a model; their bytes are bounded as well. */
export const queueRowsMaxDefault = 2048;

export interface InlineHostOptions {
  readonly runtime: Runtime;
  readonly find: (wanted: WantedModel) => Promise<Result<Candidate>>;
  /** The bytes of a candidate's file, digest checked. */
  readonly read: (candidate: Candidate) => Promise<Result<Uint8Array>>;
  readonly decode: DecodePicture;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly providers?: readonly ProviderName[];
  readonly intraOpThreads?: number;
  readonly decodesAtOnceMax?: number;
  /** How long an idle model waits for a fuller batch. Default 0. */
  readonly batchWaitMs?: number;
  readonly queueRowsMax?: number;
  readonly history?: EventHistory;
  readonly logger?: Logger;
}

/** Models in the calling process: the least overhead, and a blocked event loop while a model runs. */
export function inlineHost(options: InlineHostOptions): ModelHost {
  const { clock, decode, runtime, logger = silentLogger } = options;
  const gate = new DecodeGate(options.decodesAtOnceMax ?? 2);
  let downgraded: readonly { readonly code: string; readonly message: string }[] = [];

  const open = async (candidate: Candidate): Promise<Result<Engine>> => {
    const bytes = await options.read(candidate);
    if (!bytes.ok) return bytes;
    try {
      const load = {
        providers: options.providers ?? (["cpu"] as const),
        intraOpThreads: options.intraOpThreads ?? 1,
        batchWanted: candidate.wanted.batchSize,
        batchProven: candidate.batchProven,
      };
      const model = await LoadedModel.load(bytes.value, candidate.manifest, load, { runtime, decode, gate, clock });
      return ok(engineOf(candidate, model, options));
    } catch (error) {
      return refusedWith(error, "HP_MODEL_LOAD");
    }
  };

  return hostOf({
    find: options.find,
    bringUp: async (candidates, served) => {
      const results: Result<Engine>[] = [];
      // One after another: loading two models at once doubles the peak of memory and gains nothing on one thread.
      for (const candidate of candidates) {
        const now = served.get(candidate.wanted.task);
        const same = now && candidateKey(now.candidate) === candidateKey(candidate);
        results.push(same ? ok(now) : await open(candidate));
      }
      downgraded = results.flatMap((result) => (result.ok ? downgradesOf(result.value) : []));
      return results;
    },
    problems: () => downgraded,
    close: () => Promise.resolve(),
    history: options.history ?? noHistory,
    logger,
  });
}

const downgrades = new WeakMap<Engine, readonly { readonly code: string; readonly message: string }[]>();

function downgradesOf(engine: Engine): readonly { readonly code: string; readonly message: string }[] {
  return downgrades.get(engine) ?? [];
}

function engineOf(candidate: Candidate, model: LoadedModel, options: InlineHostOptions): Engine {
  const { provider, runtime } = model.session;
  const running = runningModel(candidate, { provider, runtime, batchMax: model.batchMax });
  const batcher = new Batcher<Input, PredictionResult>({
    batchMax: model.batchMax,
    // Two, so that the pictures of the next batch are decoded while this one runs.
    inFlightMax: candidate.manifest.features.kind === "image" ? 2 : 1,
    waitMs: options.batchWaitMs ?? 0,
    queueRowsMax: options.queueRowsMax ?? queueRowsMaxDefault,
    bytesOf,
    clock: options.clock,
    timers: options.timers,
    run: async (inputs) => predictionsOf(await model.answer(inputs), inputs.length, running),
    ...shedding(() => running),
  });
  let retired = false;
  const engine: Engine = {
    candidate,
    running,
    serves: () => true,
    predict: (_id, input, withinMs) => batcher.submit(input, withinMs),
    retire: async () => {
      if (retired) return;
      retired = true;
      await batcher.drained();
      await model.release();
    },
  };
  downgrades.set(
    engine,
    model.session.downgrades.map(({ provider: name, message }) => ({
      code: "HP_PROVIDER",
      message: `${candidate.wanted.task} runs on ${provider}, not on ${name}: ${message}`,
    })),
  );
  return engine;
}

/** Bytes that an input holds while it waits: its data, or about what its numbers and names take. */
export function bytesOf(input: Input): number {
  return inputData(input)?.byteLength ?? 4096;
}

/** Rows of a batch's answer as predictions. */
export function predictionsOf(answer: BatchAnswer, rows: number, by: RunningModel): readonly PredictionResult[] {
  const { probabilities, failures, batch, runMs } = answer;
  const labels = by.labels.length;
  const failed = failures.length === 0 ? null : new Map(failures.map((one) => [one.row, one]));
  return Array.from({ length: rows }, (_, row) => {
    const problem = failed?.get(row);
    if (problem) return failure(problem.reason, problem.message, by);
    const own = probabilities.subarray(row * labels, (row + 1) * labels);
    return { ok: true, prediction: { probabilities: own, batch, runMs }, by };
  });
}

/** For hosts whose candidates carry their bytes. */
export function bytesAtHand(candidate: Candidate): Promise<Result<Uint8Array>> {
  if (candidate.bytes) return Promise.resolve(ok(candidate.bytes));
  const error = new HoldpointError("HP_MODEL_NOT_FOUND", `the bytes of ${candidate.manifest.name} are not at hand`);
  return Promise.resolve({ ok: false, error });
}
