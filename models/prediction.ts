import { type Input, type ModelReference, type Reason } from "../protocol/index.ts";

/** What a model said of one input, before any calibration or gate. */
export interface Prediction {
  /** Float32Array, shape [classes], in the order of the manifest's labels, probabilities that sum to 1. */
  readonly probabilities: Float32Array;
  /** Rows in the batch that this one was run in: recorded, because it belongs to what replay must repeat. */
  readonly batch: number;
  /** Time in the model's process for the whole batch, monotonic. */
  readonly runMs: number;
}

/** Expected results are values: a model that fails gives a reason, never an exception. */
export type PredictionResult =
  | { readonly ok: true; readonly prediction: Prediction; readonly by: RunningModel }
  | { readonly ok: false; readonly reason: Reason; readonly message: string; readonly by: RunningModel | null };

/** Everything that identifies how a prediction was made; replay is `exact` only where all of it is the same. */
export interface RunningModel {
  readonly task: string;
  readonly reference: ModelReference;
  readonly labels: readonly string[];
  /** Coarse classes: `of[i]` is the index in `labels` here of fine class i. */
  readonly coarse: { readonly labels: readonly string[]; readonly of: readonly number[] } | null;
  readonly calibration: Calibration | null;
  readonly coarseCalibration: Calibration | null;
  /** Execution provider that really ran, not the one that was asked for. */
  readonly provider: string;
  /** For instance "onnxruntime-node 1.30.0 all x64 avx512": runtime, version, optimisation level, CPU features. */
  readonly runtime: string;
  readonly batchMax: number;
}

/**
 * Map from the score of the top label to a confidence (statistics.md, Calibration).
 * beta: Kull et al. 2017, confidence = sigmoid(a·ln s − b·ln(1−s) + c). platt: sigmoid(a·logit(s) + b).
 * temperature: softmax(logits / t), applied to the probabilities as p^(1/t) normalised (Guo et al. 2017).
 */
export type Calibration =
  | { readonly method: "identity" }
  | { readonly method: "beta"; readonly a: number; readonly b: number; readonly c: number }
  | { readonly method: "platt"; readonly a: number; readonly b: number }
  | { readonly method: "temperature"; readonly t: number };

/** A model that a config asks for. */
export interface WantedModel {
  readonly task: string;
  /** "product-id@^3" from the registry, or a file path of an ONNX file with its manifest beside it. */
  readonly source:
    { readonly kind: "registry"; readonly spec: string } | { readonly kind: "path"; readonly path: string };
  readonly batchSize: number;
}

/** State of one wanted model after `apply`: it runs, or it does not and says why (an HP_ code). */
export interface ModelState {
  readonly task: string;
  readonly running: RunningModel | null;
  readonly problem: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/**
 * Runs models by task. One implementation runs them in the calling process (`isolation: "inline"`), one in a supervised
 * child process; both pass `test/contract/model-host.contract.ts`.
 */
export interface ModelHost {
  /**
   * Makes the wanted models the served ones. What served before serves until its replacement is warm and has answered
   * its golden input; a model that cannot be brought up leaves its predecessor of the same task in place only if that
   * one is still wanted. Never rejects: problems are in the states and do not touch the other tasks.
   */
  apply(wanted: readonly WantedModel[]): Promise<readonly ModelState[]>;
  /** The states of the last `apply`. */
  states(): readonly ModelState[];
  /**
   * Predicts one input, batched with whatever else waits. Never rejects. `id` names the case for the quarantine.
   *
   * @param withinMs how long anybody waits for the answer, milliseconds from the call; absent: as long as it takes. What
   * cannot be answered by then is not run: reason `overload` as soon as that is known, `timeout` where the time is up
   */
  predict(task: string, id: string, input: Input, withinMs?: number): Promise<PredictionResult>;
  /** What hinders right now (for instance a child that is being restarted): codes with messages. */
  problems(): readonly { readonly code: string; readonly message: string }[];
  close(): Promise<void>;
}
