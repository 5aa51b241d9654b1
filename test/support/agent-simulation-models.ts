import { type ModelHost, type PredictionResult, type WantedModel } from "../../models/index.ts";
import { noHistory } from "../../models/features/windows.ts";
import { type Manifest } from "../../models/manifest.ts";
import { runningModel, type Candidate } from "../../models/runtimes/candidate.ts";
import { failure, hostOf, type Engine } from "../../models/runtimes/model-host.ts";
import { ok, refused, silentLogger, type Random, type Timers } from "../../protocol/index.ts";

/** What a model does with one input. */
export interface ModelWeather {
  /** Shares of predictions that take longer than any patience, never end, fail, or are no number. */
  readonly slow: number;
  readonly hang: number;
  readonly crash: number;
  readonly nan: number;
  /** A prediction takes up to so long. Below 3 ms it shares the commit of its request. */
  readonly runMsMax: number;
  /** Share of models that cannot be brought up when a config asks for them. */
  readonly missing: number;
  readonly warmMsMax: number;
}

export const modelLabels = ["Satsuma", "Orange", "Lemon"] as const;

/** `till@^3` is served by version 3.0.0, whose digest says so. */
export function digestOf(spec: string): string {
  const version = spec.split("@^")[1] ?? "0";
  return `sha256:${version.padStart(4, "0").repeat(16)}`;
}

/** The real switching between models (model-host.ts) over models that do what the seed says. */
export function simModels(timers: Timers, random: Random, weather: () => ModelWeather): ModelHost {
  const later = (ms: number): Promise<void> => new Promise((resolve) => void timers.after(ms, resolve));
  return hostOf({
    find: (wanted) => {
      if (random.uniform() < weather().missing) {
        return Promise.resolve(refused("HP_MODEL_NOT_FOUND", `${specOf(wanted)} is not there`));
      }
      const manifest = manifestOf(wanted);
      return Promise.resolve(ok({ wanted, manifest, file: null, bytes: null, batchProven: wanted.batchSize }));
    },
    bringUp: async (candidates, served) => {
      await later(random.uniform() * weather().warmMsMax);
      return candidates.map((candidate) => {
        const now = served.get(candidate.wanted.task);
        const same = now?.candidate.manifest.digest === candidate.manifest.digest;
        return ok(same ? now : simEngine(candidate, later, random, weather));
      });
    },
    problems: () => [],
    close: () => Promise.resolve(),
    history: noHistory,
    logger: silentLogger,
  });
}

function simEngine(
  candidate: Candidate,
  later: (ms: number) => Promise<void>,
  random: Random,
  weather: () => ModelWeather,
): Engine {
  const facts = { provider: "cpu", runtime: "simulated 1", batchMax: candidate.wanted.batchSize };
  const running = runningModel(candidate, facts);
  const predict = async (): Promise<PredictionResult> => {
    const { slow, hang, crash, nan, runMsMax } = weather();
    const fate = random.uniform();
    const top = 0.4 + 0.6 * random.uniform();
    const runMs = random.uniform() * runMsMax;
    if (fate < hang) return new Promise(() => undefined);
    if (fate < hang + slow) await later(runMs + 2_500);
    else await later(runMs);
    if (fate > 1 - crash) return failure("model_error", "the inference child ended", running);
    if (fate > 1 - crash - nan) return failure("not_finite", "output 0 of the model is not a finite number", running);
    const probabilities = Float32Array.of(top, (1 - top) * 0.7, (1 - top) * 0.3);
    return { ok: true, prediction: { probabilities, batch: 1, runMs }, by: running };
  };
  return { candidate, running, serves: () => true, predict, retire: () => Promise.resolve() };
}

function specOf({ source }: WantedModel): string {
  return source.kind === "registry" ? source.spec : source.path;
}

function manifestOf(wanted: WantedModel): Manifest {
  const [name = "model", version = "0"] = specOf(wanted).split("@^");
  return {
    holdpoint: 1,
    name,
    version: `${version}.0.0`,
    task: wanted.task,
    file: "simulated.onnx",
    digest: digestOf(specOf(wanted)),
    bytes: 1,
    licence: "Apache-2.0",
    sources: [],
    trainingData: [],
    inputs: [{ name: "input", dtype: "uint8", shape: ["batch", 1] }],
    features: { kind: "tensor" },
    outputs: [{ name: "output", dtype: "float32", shape: ["batch", modelLabels.length], meaning: "probabilities" }],
    labels: [...modelLabels],
    batch: { max: 32, invariant: true },
    metrics: {},
  };
}
