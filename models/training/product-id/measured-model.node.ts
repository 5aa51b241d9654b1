import { readFile } from "node:fs/promises";
import path from "node:path";
import * as ort from "onnxruntime-node";

/** The parts of a manifest that measuring reads; it writes the rest back as it found it. */
export interface ManifestDraft extends Record<string, unknown> {
  readonly features: {
    readonly width: number;
    readonly height: number;
    readonly resize: { readonly shortSide: number };
  };
  readonly labels: readonly string[];
  readonly coarse: { readonly labels: readonly string[]; readonly of: readonly number[] };
  readonly bytes: number;
  readonly digest: string;
}

export interface Speed {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** The shipped file in onnxruntime on one thread: what is measured here is what is served. */
export class MeasuredModel {
  readonly #session: ort.InferenceSession;
  readonly #draft: ManifestDraft;

  private constructor(session: ort.InferenceSession, draft: ManifestDraft) {
    this.#session = session;
    this.#draft = draft;
  }

  static async open(folder: string, draft: ManifestDraft): Promise<MeasuredModel> {
    const model = await readFile(path.join(folder, "model.onnx"));
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    return new MeasuredModel(session, draft);
  }

  /** Logits, float32, shape [pictures, classes], of pictures as uint8, shape [height, width, 3], run in one batch. */
  async logits(pictures: readonly Uint8Array[]): Promise<readonly Float32Array[]> {
    const { width, height } = this.#draft.features;
    const picture = width * height * 3;
    const data = new Uint8Array(pictures.length * picture);
    pictures.forEach((pixels, row) => data.set(pixels, row * picture));
    const pixels = new ort.Tensor("uint8", data, [pictures.length, height, width, 3]);
    const { logits } = await this.#session.run({ pixels });
    const all = logits?.data as Float32Array;
    const classes = this.#draft.labels.length;
    return pictures.map((_, row) => all.slice(row * classes, (row + 1) * classes));
  }

  /** The logits of the input that the manifest's `golden` names: the high bytes of a linear congruential generator. */
  async golden(seed: number): Promise<Float32Array> {
    const { width, height } = this.#draft.features;
    let x = seed;
    const bytes = Uint8Array.from({ length: width * height * 3 }, () => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return x >>> 24;
    });
    const [logits] = await this.logits([bytes]);
    if (logits === undefined) throw new Error("no logits for the golden input");
    return logits;
  }

  /** Largest difference of a logit between a row run alone and the same row in a batch of 32. */
  async batchDifference(pictures: readonly Uint8Array[]): Promise<number> {
    const chosen = pictures.slice(0, 32);
    const together = await this.logits(chosen);
    let worst = 0;
    for (const [row, picture] of chosen.entries()) {
      const [alone] = await this.logits([picture]);
      alone?.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - (together[row]?.[i] ?? NaN)))));
    }
    return worst;
  }

  /** Time of one run with one picture, without pre-processing. */
  async speed(picture: Uint8Array, runs = 300): Promise<Speed> {
    const times: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const began = performance.now();
      await this.logits([picture]);
      times.push(performance.now() - began);
    }
    times.sort((left, right) => left - right);
    const at = (share: number): number => times[Math.floor(share * (runs - 1))] ?? NaN;
    return { p50Ms: at(0.5), p95Ms: at(0.95) };
  }
}

/** Softmax in float64, shape [classes]. */
export function softmax(logits: Float32Array): Float64Array {
  const top = logits.reduce((left, right) => Math.max(left, right), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - top));
  const sum = powers.reduce((left, right) => left + right, 0);
  return powers.map((value) => value / sum);
}
