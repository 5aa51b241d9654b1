import { HoldpointError } from "../../protocol/index.ts";
import { type RowBuffer } from "../features/rows.ts";
import { type Manifest } from "../manifest.ts";

/** Execution providers that a config may list, best first. "cpu" exists everywhere. */
export const providerNames = ["cuda", "tensorrt", "webgpu", "cpu"] as const;
export type ProviderName = (typeof providerNames)[number];

export interface RuntimeOptions {
  /** Tried in order; the one that really runs is recorded. */
  readonly providers: readonly ProviderName[];
  /** Threads inside one operator. One per model is fastest where several models share two cores. */
  readonly intraOpThreads: number;
}

export interface TensorInfo {
  readonly name: string;
  /** As onnxruntime names it; "unknown" for what is no tensor. */
  readonly dtype: string;
  /** Symbolic dimensions are texts. */
  readonly shape: readonly (number | string)[];
}

/** A provider that was asked for and does not run here. */
export interface Downgrade {
  readonly provider: ProviderName;
  readonly message: string;
}

/** One loaded model. Not used by two batches at once unless each brings its own rows. */
export interface RuntimeSession {
  readonly provider: string;
  /** For instance "onnxruntime-node 1.30.0 all x64 avx512". */
  readonly runtime: string;
  readonly downgrades: readonly Downgrade[];
  /** null where the runtime cannot say. */
  readonly inputs: readonly TensorInfo[] | null;
  readonly outputs: readonly TensorInfo[] | null;
  /** Runs the first `count` rows. Float32Array, shape [count, outputs], the manifest's first output, row-major. */
  run(rows: RowBuffer, count: number): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Errors of `load`: HP_RUNTIME_MISSING, HP_PROVIDER, HP_MODEL_LOAD. */
export interface Runtime {
  load(model: Uint8Array, manifest: Manifest, options: RuntimeOptions): Promise<RuntimeSession>;
}

/** Refuses names that no runtime has: a typing error must not become a silent run on the CPU. Errors: HP_PROVIDER. */
export function parseProviders(names: readonly string[]): readonly ProviderName[] {
  const unknown = names.filter((name) => !(providerNames as readonly string[]).includes(name));
  if (unknown.length > 0 || names.length === 0) {
    const message =
      names.length === 0 ? "no execution provider is listed" : `unknown provider "${unknown.join('", "')}"`;
    throw new HoldpointError("HP_PROVIDER", message, { hint: `Choose from ${providerNames.join(", ")}.` });
  }
  return names as readonly ProviderName[];
}
