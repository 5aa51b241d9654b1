import {
  type ModelHost,
  type ModelState,
  type PredictionResult,
  type RunningModel,
  type WantedModel,
} from "../../models/index.ts";

/** A model host whose answers a test gives; `version` of the wanted spec becomes the running model's version. */
export interface ScriptedHost extends ModelHost {
  /** Answers every prediction that waits with this probability of "Satsuma". */
  release(probability: number): void;
  readonly waiting: number;
}

export function scriptedHost(auto: number | null): ScriptedHost {
  let states: readonly ModelState[] = [];
  const queue: ((probability: number) => void)[] = [];
  return {
    apply: (wanted) => {
      states = wanted.map((model) => ({ task: model.task, running: running(model), problem: null }));
      return Promise.resolve(states);
    },
    states: () => states,
    predict: (task) => {
      const by = states.find((state) => state.task === task)?.running ?? null;
      if (!by) return Promise.resolve({ ok: false, reason: "no_model", message: "not wanted", by: null });
      const answer = (probability: number): PredictionResult => ({
        ok: true,
        prediction: { probabilities: Float32Array.of(probability, 1 - probability), batch: 1, runMs: 1 },
        by,
      });
      if (auto !== null) return Promise.resolve(answer(auto));
      return new Promise((resolve) => queue.push((probability) => resolve(answer(probability))));
    },
    problems: () => [],
    close: () => Promise.resolve(),
    release: (probability) => {
      for (const answer of queue.splice(0)) answer(probability);
    },
    get waiting() {
      return queue.length;
    },
  };
}

function running(model: WantedModel): RunningModel {
  const spec = model.source.kind === "registry" ? model.source.spec : model.source.path;
  return {
    task: model.task,
    reference: { name: "scripted", version: spec, digest: `sha256:${spec}` },
    labels: ["Satsuma", "Orange"],
    coarse: null,
    calibration: null,
    coarseCalibration: null,
    provider: "cpu",
    runtime: "scripted",
    batchMax: model.batchSize,
  };
}
