import {
  canonicalJson,
  inputData,
  ok,
  universalHasher,
  type Clock,
  type Input,
  type Result,
  silentLogger,
  type Timers,
} from "../protocol/index.ts";
import { type Manifest } from "../models/manifest.ts";
import { type ModelHost, type PredictionResult, type RunningModel } from "../models/prediction.ts";
import { Batcher } from "../models/runtimes/batcher.ts";
import { runningModel, type Candidate } from "../models/runtimes/candidate.ts";
import { failure, hostOf, shedding, type Engine } from "../models/runtimes/model-host.ts";
import { readProbabilities } from "../models/runtimes/probabilities.ts";
import { type StubAnswer } from "../models/runtimes/stub.ts";
import { noHistory } from "../models/features/windows.ts";

export interface StubModelsOptions {
  /** Labels of every task, or of each. Default: "yes" and "no". */
  readonly labels?: readonly string[] | Readonly<Record<string, readonly string[]>>;
  /**
   * What the model says of an input; `outputs` are probabilities in the order of the labels. Default: probabilities that
   * follow from the input alone, the same in every run.
   */
  readonly answer?: (input: Input, task: string) => StubAnswer;
  /** Time that every batch takes. Default 0. */
  readonly delayMs?: number;
  /** Rows that may wait. Default 2048. */
  readonly queueRowsMax?: number;
  readonly timers: Timers;
  /** By which it sheds what it cannot run in time, as the real hosts do. Absent: time stands still, and nothing is late. */
  readonly clock?: Clock;
}

const stopped: Clock = { wallMs: () => 0, monotonicMs: () => 0 };

/**
 * A model host without models, for tests of whatever asks for decisions: it serves every task that it is asked to, takes
 * every kind of input, batches as the real hosts do, and can fail in every way that a model can. Universal.
 */
export function stubModels(options: StubModelsOptions): ModelHost {
  return hostOf({
    find: (wanted) => {
      const manifest = stubManifest(wanted.task, labelsOf(options, wanted.task));
      return Promise.resolve(ok({ wanted, manifest, file: null, bytes: null, batchProven: wanted.batchSize }));
    },
    bringUp: (candidates, served) =>
      Promise.resolve(
        candidates.map((candidate): Result<Engine> => {
          const now = served.get(candidate.wanted.task);
          return ok(now?.running.batchMax === candidate.wanted.batchSize ? now : stubEngine(candidate, options));
        }),
      ),
    problems: () => [],
    close: () => Promise.resolve(),
    history: noHistory,
    logger: silentLogger,
  });
}

function stubEngine(candidate: Candidate, options: StubModelsOptions): Engine {
  const { task, batchSize } = candidate.wanted;
  const running = runningModel(candidate, { provider: "stub", runtime: "stub 1", batchMax: batchSize });
  const batcher = new Batcher<Input, PredictionResult>({
    batchMax: batchSize,
    inFlightMax: 1,
    waitMs: 0,
    queueRowsMax: options.queueRowsMax ?? 2048,
    clock: options.clock ?? stopped,
    timers: options.timers,
    run: async (inputs) => {
      const { delayMs = 0 } = options;
      if (delayMs > 0) await new Promise<void>((done) => void options.timers.after(delayMs, done));
      return Promise.all(
        inputs.map((input) => {
          const answer = options.answer?.(input, task) ?? hashed(input, running.labels.length);
          return predictionOf(answer, running, inputs.length, delayMs);
        }),
      );
    },
    ...shedding(() => running),
  });
  return {
    candidate,
    running,
    serves: () => true,
    predict: (_id, input, withinMs) => batcher.submit(input, withinMs),
    // Nothing is freed, so nothing need be waited for: an answer that hangs must not hang `close` as well.
    retire: () => Promise.resolve(),
  };
}

async function predictionOf(
  answer: StubAnswer,
  by: RunningModel,
  batch: number,
  runMs: number,
): Promise<PredictionResult> {
  const labels = by.labels.length;
  switch (answer.kind) {
    case "outputs": {
      if (answer.values.length !== labels) return failure("model_output", "the outputs do not fit the labels", by);
      const probabilities = new Float32Array(labels);
      const values = Float32Array.from(answer.values);
      const read = readProbabilities("probabilities", values, 0, labels, probabilities, 0);
      if (!read.ok) return failure(read.reason, read.message, by);
      return { ok: true, prediction: { probabilities, batch, runMs }, by };
    }
    case "nan":
      return failure("not_finite", "output 0 of the model is not a finite number", by);
    case "wrong_shape":
      return failure("model_output", "the outputs do not fit the labels", by);
    case "throws":
      return failure("model_error", answer.message, by);
    case "hang":
      return new Promise(() => undefined);
  }
}

/** Softmax over bytes of a hash: a clear top answer for most inputs, an unsure one for some. */
function hashed(input: Input, labels: number): StubAnswer {
  const plain = new TextEncoder().encode(canonicalJson({ ...input, data: null }));
  const powers: number[] = [];
  for (let block = 0; powers.length < labels; block += 1) {
    const salt = Uint8Array.of(block & 255, block >>> 8);
    const hash = universalHasher.sha256(plain, inputData(input) ?? new Uint8Array(0), salt);
    for (const byte of hash.subarray(0, labels - powers.length)) powers.push(Math.exp(byte / 16));
  }
  const sum = powers.reduce((total, power) => total + power, 0);
  return { kind: "outputs", values: powers.map((power) => power / sum) };
}

function labelsOf({ labels }: StubModelsOptions, task: string): readonly string[] {
  const fallback = ["yes", "no"];
  if (labels === undefined) return fallback;
  return Array.isArray(labels)
    ? (labels as readonly string[])
    : ((labels as Readonly<Record<string, readonly string[]>>)[task] ?? fallback);
}

/** Valid in every way but that no file belongs to it. */
function stubManifest(task: string, labels: readonly string[]): Manifest {
  return {
    holdpoint: 1,
    name: `stub-${task}`,
    version: "1.0.0",
    task,
    file: "stub.onnx",
    digest: `sha256:${"0".repeat(64)}`,
    bytes: 1,
    licence: "Apache-2.0",
    sources: [],
    trainingData: [],
    inputs: [{ name: "input", dtype: "uint8", shape: ["batch", 1] }],
    features: { kind: "tensor" },
    outputs: [{ name: "output", dtype: "float32", shape: ["batch", labels.length], meaning: "probabilities" }],
    labels: [...labels],
    batch: { max: 32, invariant: true },
    metrics: {},
  };
}
