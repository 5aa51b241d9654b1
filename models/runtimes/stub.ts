import { HoldpointError, type Hasher, type Timers } from "../../protocol/index.ts";
import { rowElements, type Manifest } from "../manifest.ts";
import { type Runtime } from "./runtime.ts";

/** What a stub does with one row: numbers of the manifest's first output, or a way to fail. */
export type StubAnswer =
  | { readonly kind: "outputs"; readonly values: readonly number[] }
  | { readonly kind: "nan" }
  | { readonly kind: "throws"; readonly message: string }
  | { readonly kind: "wrong_shape" }
  /** Never answers, without holding the thread. */
  | { readonly kind: "hang" };

export interface StubOptions {
  readonly hasher: Hasher;
  readonly timers: Timers;
  /** One row's answer from its bytes; default: outputs that follow from the SHA-256 of the bytes. */
  readonly answer?: (row: Uint8Array, manifest: Manifest) => StubAnswer;
  /** Time that every batch takes. */
  readonly delayMs?: number;
}

/** A runtime without a model, for tests: deterministic, and able to fail in every way that a model can. */
export function stubRuntime(options: StubOptions): Runtime {
  return {
    load: (_model, manifest) =>
      Promise.resolve({
        provider: "stub",
        runtime: "stub 1",
        downgrades: [],
        inputs: null,
        outputs: null,
        run: async (rows, count) => {
          if (options.delayMs) await new Promise<void>((done) => void options.timers.after(options.delayMs ?? 0, done));
          const outputs = rowElements(manifest.outputs[0]?.shape ?? [1]);
          const result: number[] = [];
          for (let row = 0; row < count; row += 1) {
            const { buffer, byteOffset, byteLength } = rows.data.subarray(
              row * rows.elements,
              (row + 1) * rows.elements,
            );
            const bytes = new Uint8Array(buffer, byteOffset, byteLength);
            const answer = options.answer?.(bytes, manifest) ?? hashed(options.hasher, bytes, outputs);
            result.push(...(await valuesOf(answer, outputs)));
          }
          return Float32Array.from(result);
        },
        release: () => Promise.resolve(),
      }),
  };
}

async function valuesOf(answer: StubAnswer, outputs: number): Promise<readonly number[]> {
  switch (answer.kind) {
    case "outputs":
      return answer.values;
    case "nan":
      return Array.from({ length: outputs }, () => NaN);
    case "throws":
      throw new HoldpointError("HP_MODEL_RUN", answer.message);
    case "wrong_shape":
      return Array.from({ length: outputs + 1 }, () => 0);
    case "hang":
      return new Promise(() => undefined);
  }
}

/** Logits in [0, 8): far enough apart that a top answer exists, the same for the same bytes everywhere. */
function hashed(hasher: Hasher, bytes: Uint8Array, outputs: number): StubAnswer {
  const values: number[] = [];
  for (let block = 0; values.length < outputs; block += 1) {
    const hash = hasher.sha256(bytes, Uint8Array.of(block & 255, block >>> 8));
    for (const byte of hash.subarray(0, outputs - values.length)) values.push(byte / 32);
  }
  return { kind: "outputs", values };
}
