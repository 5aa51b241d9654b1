import { HoldpointError, type Clock, type Input, type Reason } from "../../protocol/index.ts";
import { featureBuilder, type DecodedInput, type FeatureBuilder } from "../features/build.ts";
import { type DecodePicture } from "../features/decode.ts";
import { createRows, type RowBuffer } from "../features/rows.ts";
import { batchLimit, rowElements, type Manifest } from "../manifest.ts";
import { type DecodeGate } from "./decode-gate.ts";
import { checkContract, checkGolden, provesInvariance } from "./model-check.ts";
import { readProbabilities } from "./probabilities.ts";
import { type Runtime, type RuntimeOptions, type RuntimeSession } from "./runtime.ts";

/** A batch as it travels: rows that failed hold zeros in `probabilities` and stand in `failures`. */
export interface BatchAnswer {
  /** Float32Array, shape [rows, labels], row-major. */
  readonly probabilities: Float32Array;
  readonly failures: readonly RowFailure[];
  /** Rows that the model saw together. */
  readonly batch: number;
  readonly runMs: number;
}

export interface RowFailure {
  readonly row: number;
  readonly reason: Reason;
  readonly message: string;
}

export interface LoadOptions extends RuntimeOptions {
  /** Rows a batch may have if the model is proved to allow it. */
  readonly batchWanted: number;
  /** What import has proved already, or null: it is proved now. */
  readonly batchProven: number | null;
}

export interface ModelParts {
  readonly runtime: Runtime;
  readonly decode: DecodePicture;
  readonly gate: DecodeGate;
  readonly clock: Clock;
}

/** A model in this process, ready to serve: features, run, probabilities. The child and the inline host share it. */
export class LoadedModel {
  readonly manifest: Manifest;
  readonly session: RuntimeSession;
  readonly batchMax: number;
  readonly #parts: ModelParts;
  readonly #builder: FeatureBuilder;
  readonly #free: RowBuffer[] = [];
  /** Numbers in a row of the output, and what they mean. */
  readonly #width: number;
  readonly #meaning: Manifest["outputs"][number]["meaning"];

  private constructor(manifest: Manifest, session: RuntimeSession, batchMax: number, parts: ModelParts) {
    this.manifest = manifest;
    this.session = session;
    this.batchMax = batchMax;
    this.#parts = parts;
    this.#builder = featureBuilder(manifest);
    const [output] = manifest.outputs;
    this.#width = rowElements(output?.shape ?? []);
    this.#meaning = output?.meaning ?? "logits";
  }

  /** Errors: those of the runtime's `load` and of the checks in `model-check.ts`. */
  static async load(
    bytes: Uint8Array,
    manifest: Manifest,
    options: LoadOptions,
    parts: ModelParts,
  ): Promise<LoadedModel> {
    const session = await parts.runtime.load(bytes, manifest, options);
    try {
      checkContract(manifest, session);
      await checkGolden(manifest, session);
      const limit = batchLimit(manifest, options.batchWanted);
      const proven =
        options.batchProven === null
          ? (await provesInvariance(manifest, session, limit))
            ? limit
            : 1
          : Math.min(limit, options.batchProven);
      return new LoadedModel(manifest, session, proven, parts);
    } catch (cause) {
      await session.release();
      throw cause;
    }
  }

  /** Predicts a batch of at most `batchMax` inputs. Never rejects; order kept. */
  async answer(inputs: readonly Input[]): Promise<BatchAnswer> {
    const labels = this.manifest.labels.length;
    const probabilities = new Float32Array(inputs.length * labels);
    const failures: RowFailure[] = [];
    const rows = this.#free.pop() ?? this.#newRows();
    const prepared = this.#prepare(inputs, rows, failures);
    const fits = Array.isArray(prepared) ? prepared : await prepared;
    const fitting = compact(rows, fits);
    let runMs = 0;
    if (fitting.length > 0) {
      const began = this.#parts.clock.monotonicMs();
      const output = await this.#run(rows, fitting, failures);
      runMs = this.#parts.clock.monotonicMs() - began;
      if (output) this.#read(output, fitting, probabilities, failures);
    }
    this.#free.push(rows);
    return { probabilities, failures, batch: Math.max(1, fitting.length), runMs };
  }

  async release(): Promise<void> {
    await this.session.release();
  }

  #newRows(): RowBuffer {
    const [input] = this.manifest.inputs;
    if (!input) throw new RangeError("a manifest has one input");
    return createRows(input.dtype, rowElements(input.shape), this.batchMax);
  }

  /** Writes every input into its row; true where it fits. Waits only if there is a picture to decode. */
  #prepare(inputs: readonly Input[], rows: RowBuffer, failures: RowFailure[]): boolean[] | Promise<boolean[]> {
    const fits: boolean[] = inputs.map(() => false);
    const decoding: Promise<void>[] = [];
    const write = (input: DecodedInput, row: number): void => {
      const result = this.#builder.build(input, rows, row);
      fits[row] = result.ok;
      if (!result.ok) failures.push({ row, reason: result.reason, message: result.message });
    };
    inputs.forEach((input, row) => {
      if (input.kind !== "image") {
        write(input, row);
        return;
      }
      if (this.manifest.features.kind !== "image") {
        failures.push({ row, reason: "bad_input", message: "the model takes no pictures" });
        return;
      }
      const decoded = this.#parts.gate.decode(this.#parts.decode, input.data, input.encoding, (result) => {
        if (result.ok) {
          write({ kind: "pixels", ...result.value }, row);
          return;
        }
        const reason = result.error.code === "HP_PICTURE" ? "bad_picture" : "model_error";
        failures.push({ row, reason, message: result.error.message });
      });
      decoding.push(decoded);
    });
    return decoding.length === 0 ? fits : Promise.all(decoding).then(() => fits);
  }

  /** null: every row failed, and `failures` says so. A failing batch is run row by row, so that one row fails alone. */
  async #run(rows: RowBuffer, fitting: readonly number[], failures: RowFailure[]): Promise<Float32Array | null> {
    const width = this.#width;
    try {
      const output = await this.session.run(rows, fitting.length);
      if (output.length === width * fitting.length) return output;
      const message = `the model gives ${output.length} numbers for ${fitting.length} rows of ${width}`;
      for (const row of fitting) failures.push({ row, reason: "model_output", message });
      return null;
    } catch (cause) {
      if (fitting.length === 1) {
        failures.push({
          row: fitting[0] ?? 0,
          reason: "model_error",
          message: HoldpointError.from(cause, "HP_MODEL_RUN").message,
        });
        return null;
      }
    }
    const output = new Float32Array(width * fitting.length);
    const alone = this.#newRows();
    for (const [index, row] of fitting.entries()) {
      const from = index * rows.elements;
      alone.data.set(rows.data.subarray(from, from + rows.elements) as never);
      const one = await this.#run(alone, [row], failures);
      if (one) output.set(one, index * width);
    }
    return output;
  }

  #read(output: Float32Array, fitting: readonly number[], target: Float32Array, failures: RowFailure[]): void {
    const labels = this.manifest.labels.length;
    const width = this.#width;
    const failed = failures.length === 0 ? null : new Set(failures.map(({ row }) => row));
    fitting.forEach((row, index) => {
      if (failed?.has(row) === true) return;
      const read = readProbabilities(this.#meaning, output, index * width, labels, target, row * labels);
      if (read.ok) return;
      target.fill(0, row * labels, (row + 1) * labels);
      failures.push({ row, reason: read.reason, message: read.message });
    });
  }
}

/** Moves the rows that fit to the front; returns which rows they were. */
function compact(rows: RowBuffer, fits: readonly boolean[]): readonly number[] {
  const fitting: number[] = [];
  fits.forEach((fit, row) => {
    if (!fit) return;
    const to = fitting.length * rows.elements;
    if (fitting.length !== row) rows.data.copyWithin(to, row * rows.elements, (row + 1) * rows.elements);
    fitting.push(row);
  });
  return fitting;
}
