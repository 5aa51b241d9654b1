import { readFile } from "node:fs/promises";
import path from "node:path";
import { featureBuilder } from "../../features/build.ts";
import { type Picture } from "../../features/picture.ts";
import { createRows, type RowBuffer } from "../../features/rows.ts";
import { goldenRows, largestDifference } from "../../golden.ts";
import { type Manifest, rowElements } from "../../manifest.ts";
import { onnxruntimeNode } from "../../runtimes/onnxruntime.node.ts";
import { type RuntimeSession } from "../../runtimes/runtime.ts";

export interface Speed {
  /** Median wall time of a run in the quietest block of runs: other processes only ever add to it. */
  readonly p50Ms: number;
  /** CPU time of a run, the mean over all blocks. */
  readonly cpuMs: number;
}

const batch = 32;

/** The shipped file behind the pre-processing and the runtime that serve it, on one thread. */
export class MeasuredModel {
  readonly manifest: Manifest;
  readonly #session: RuntimeSession;

  private constructor(session: RuntimeSession, manifest: Manifest) {
    this.#session = session;
    this.manifest = manifest;
  }

  static async open(folder: string, manifest: Manifest): Promise<MeasuredModel> {
    const model = await readFile(path.join(folder, manifest.file));
    const session = await onnxruntimeNode.load(model, manifest, { providers: ["cpu"], intraOpThreads: 1 });
    return new MeasuredModel(session, manifest);
  }

  get runtime(): string {
    return this.#session.runtime;
  }

  /** What the model sees of pictures: uint8, shape [pictures, height, width, 3]. */
  pixels(pictures: readonly Picture[]): RowBuffer {
    const builder = featureBuilder(this.manifest);
    const rows = this.#rows(pictures.length);
    pictures.forEach((picture, row) => {
      const result = builder.build({ kind: "pixels", ...picture }, rows, row);
      if (!result.ok) throw new Error(result.message);
    });
    return rows;
  }

  /** Logits of every row, float32, shape [classes] each, run in batches of 32. */
  async logits(rows: RowBuffer): Promise<readonly Float32Array[]> {
    const all: Float32Array[] = [];
    for (let from = 0; from < rows.rows; from += batch) {
      const count = Math.min(batch, rows.rows - from);
      const flat = await this.#session.run(part(rows, from, count), count);
      const classes = this.manifest.labels.length;
      for (let row = 0; row < count; row += 1) all.push(flat.slice(row * classes, (row + 1) * classes));
    }
    return all;
  }

  /** The logits that the manifest promises for the golden input. */
  async golden(seed: number): Promise<Float32Array> {
    return this.#session.run(goldenRows(this.manifest, seed), 1);
  }

  /** Largest difference of a logit between a row run alone and the same row in a batch of 32. */
  async batchDifference(rows: RowBuffer): Promise<number> {
    const together = await this.logits(part(rows, 0, batch));
    let worst = 0;
    for (let row = 0; row < batch; row += 1) {
      const alone = await this.#session.run(part(rows, row, 1), 1);
      worst = Math.max(worst, largestDifference(alone, together[row] ?? []));
    }
    return worst;
  }

  /** Time of one run with one picture, without pre-processing. */
  async speed(rows: RowBuffer, blocks = 20, runs = 30): Promise<Speed> {
    const one = part(rows, 0, 1);
    const medians: number[] = [];
    let cpuMs = 0;
    for (let block = 0; block < blocks; block += 1) {
      const times: number[] = [];
      const before = process.cpuUsage();
      for (let run = 0; run < runs; run += 1) {
        const began = performance.now();
        await this.#session.run(one, 1);
        times.push(performance.now() - began);
      }
      const { user, system } = process.cpuUsage(before);
      cpuMs += (user + system) / 1000 / (runs * blocks);
      medians.push(times.sort((left, right) => left - right)[Math.floor(runs / 2)] ?? NaN);
    }
    return { p50Ms: Math.min(...medians), cpuMs };
  }

  #rows(count: number): RowBuffer {
    const [input] = this.manifest.inputs;
    if (input?.dtype !== "uint8") throw new Error("this model takes bytes");
    return createRows(input.dtype, rowElements(input.shape), count);
  }
}

/** Some rows of a buffer of bytes, as a buffer of their own. */
function part(rows: RowBuffer, from: number, count: number): RowBuffer {
  const copy = createRows("uint8", rows.elements, count);
  if (rows.dtype === "uint8" && copy.dtype === "uint8") {
    copy.data.set(rows.data.subarray(from * rows.elements, (from + count) * rows.elements));
  }
  return copy;
}

/** Softmax in float64, shape [classes]. */
export function softmax(logits: Float32Array): Float64Array {
  const top = logits.reduce((left, right) => Math.max(left, right), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - top));
  const sum = powers.reduce((left, right) => left + right, 0);
  return powers.map((value) => value / sum);
}
