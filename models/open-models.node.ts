import { ok, type Clock, type Logger, type Result, type Timers } from "../protocol/index.ts";
import { systemClock, systemTimers } from "../protocol/platform/clock.node.ts";
import { decodePicture, decodesAtOnceMax } from "./features/decode.node.ts";
import { type EventHistory } from "./features/windows.ts";
import { goldenRows } from "./golden.ts";
import { type Manifest } from "./manifest.ts";
import { type ModelHost, type WantedModel } from "./prediction.ts";
import { openRegistry, type ModelRegistry, type ProveModel } from "./registry.node.ts";
import { type Candidate } from "./runtimes/candidate.ts";
import { childHost } from "./runtimes/child-host.node.ts";
import { type ChildLimits } from "./runtimes/child-generation.node.ts";
import { DecodeGate } from "./runtimes/decode-gate.ts";
import { inlineHost } from "./runtimes/inline-host.ts";
import { LoadedModel } from "./runtimes/loaded-model.ts";
import { onnxruntimeNode } from "./runtimes/onnxruntime.node.ts";
import { parseProviders } from "./runtimes/runtime.ts";
import { findModelOnDisk, readModelBytes } from "./source.node.ts";

export interface OpenModelsOptions {
  /** Folder of the registry; models named by path need none of it. */
  readonly registryDir: string;
  /** "child": a supervised process of their own. "inline": this process, whose event loop then waits for every run. */
  readonly isolation?: "child" | "inline";
  /** Execution providers, best first. Default: "cpu". */
  readonly providers?: readonly string[];
  /** Threads of one model. Default 1. */
  readonly intraOpThreads?: number;
  /** How long an idle model waits for a fuller batch, milliseconds. Default 0. */
  readonly batchWaitMs?: number;
  /** Rows that may wait for a model; beyond it they are answered with reason `overload`. */
  readonly queueRowsMax?: number;
  /** Bounds of the child. */
  readonly limits?: Partial<ChildLimits>;
  /** What the entities did: for models over events. */
  readonly history?: EventHistory;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly timers?: Timers;
}

/**
 * The models of a store on this machine. Nothing is loaded before the first `apply`. Errors: HP_PROVIDER for a provider
 * that does not exist.
 *
 * @example
 * const models = openModels({ registryDir: ".holdpoint/models" });
 * await models.apply([{ task: "product_identification", source: { kind: "registry", spec: "product-id@^1" }, batchSize: 32 }]);
 */
export function openModels(options: OpenModelsOptions): ModelHost {
  const { isolation = "child", clock = systemClock, timers = systemTimers } = options;
  const providers = parseProviders(options.providers ?? ["cpu"]);
  const registry = openRegistry(options.registryDir, clock);
  const find = (wanted: WantedModel): Promise<Result<Candidate>> => findCandidate(wanted, registry);
  if (isolation === "child") return childHost({ ...options, clock, timers, providers, find });
  return inlineHost({
    ...options,
    clock,
    timers,
    providers,
    find,
    runtime: onnxruntimeNode,
    decode: decodePicture,
    decodesAtOnceMax,
    read: ({ file, manifest }) => readModelBytes(file ?? "", manifest),
  });
}

async function findCandidate(wanted: WantedModel, registry: ModelRegistry): Promise<Result<Candidate>> {
  const { source } = wanted;
  if (source.kind === "path") {
    const found = await findModelOnDisk(source.path);
    if (!found.ok) return found;
    const { manifest, modelFile } = found.value;
    return ok({ wanted, manifest, file: modelFile, bytes: null, batchProven: null });
  }
  const resolved = await registry.resolve(source.spec);
  if (!resolved.ok) return resolved;
  const { manifest, modelFile, batchProven } = resolved.value;
  return ok({ wanted, manifest, file: modelFile, bytes: null, batchProven });
}

/**
 * What import proves, by really running the model here: it loads, its names, dtypes and shapes are the manifest's, its
 * golden input answers as stated. Returns the rows that a batch may have. Errors: HP_MODEL_*.
 */
export const proveModel: ProveModel = async (bytes: Uint8Array, manifest: Manifest) => {
  const parts = {
    runtime: onnxruntimeNode,
    decode: decodePicture,
    gate: new DecodeGate(1),
    clock: systemClock,
  };
  const options = {
    providers: ["cpu"] as const,
    intraOpThreads: 1,
    batchWanted: manifest.batch.max,
    batchProven: null,
  };
  const model = await LoadedModel.load(bytes, manifest, options, parts);
  await model.release();
  return model.batchMax;
};

/** What the model answers here to the golden input of a seed: raw, float32, shape [outputs]. Errors: HP_MODEL_LOAD. */
export async function goldenOutput(bytes: Uint8Array, manifest: Manifest, seed: number): Promise<Float32Array> {
  const session = await onnxruntimeNode.load(bytes, manifest, { providers: ["cpu"], intraOpThreads: 1 });
  try {
    return await session.run(goldenRows(manifest, seed), 1);
  } finally {
    await session.release();
  }
}

export interface ImportModelOptions {
  readonly registryDir: string;
  /** Make it the active version at once. Default: it is staged. */
  readonly activate?: boolean;
}

/**
 * Imports a folder, a manifest or an .onnx file with a manifest beside it, after proving it here.
 * Errors: those of `ModelRegistry.import` and `.activate`.
 */
export async function importModel(
  from: string,
  options: ImportModelOptions,
): Promise<Result<{ readonly manifest: Manifest; readonly batchProven: number }>> {
  const registry = openRegistry(options.registryDir);
  const imported = await registry.import(from, proveModel);
  if (!imported.ok || options.activate !== true) return imported;
  const { name, version } = imported.value.manifest;
  const activated = await registry.activate(`${name}@${version}`);
  return activated.ok ? imported : activated;
}

export interface ModelOfDigestOptions {
  readonly registryDir: string;
  /** Digest of the model file. */
  readonly digest: string;
  readonly task: string;
  /** Name and version that were recorded: two versions may share a file and differ in calibration. */
  readonly reference?: { readonly name: string; readonly version: string };
  /** Rows of the batch that the recorded run had; sums come out bit for bit only in a batch of the same size. */
  readonly batch?: number | null;
}

/** A host that serves one recorded model for one task, in this process, or null where the registry no longer has it. */
export async function modelOfDigest(options: ModelOfDigestOptions): Promise<ModelHost | null> {
  const { registryDir, digest, task, reference, batch } = options;
  const entries = await openRegistry(registryDir).list();
  const known = entries.flatMap(({ name, versions }) => versions.map((one) => ({ name, ...one })));
  const same = known.filter(({ modelDigest }) => modelDigest === digest);
  const exact = same.find(({ name, version }) => name === reference?.name && version === reference.version);
  const found = exact ?? same.at(-1);
  if (!found) return null;
  const host = openModels({ registryDir, isolation: "inline" });
  const source = { kind: "registry", spec: `${found.name}@${found.version}` } as const;
  const [state] = await host.apply([{ task, source, batchSize: Math.max(1, batch ?? 1) }]);
  if (!state?.running) {
    await host.close();
    return null;
  }
  const rows = Math.min(state.running.batchMax, Math.max(1, batch ?? 1));
  return {
    ...host,
    predict: async (asked, id, input) => {
      const results = await Promise.all(Array.from({ length: rows }, () => host.predict(asked, id, input)));
      const [first] = results;
      if (!first) throw new RangeError("a batch has a row");
      return first;
    },
  };
}
