import { HoldpointError } from "../../protocol/index.ts";
import { type RowBuffer } from "../features/rows.ts";
import { toFloat32 } from "../features/tensor.ts";
import { type Manifest } from "../manifest.ts";
import {
  type Downgrade,
  type ProviderName,
  type RuntimeOptions,
  type RuntimeSession,
  type TensorInfo,
} from "./runtime.ts";

/** The part of onnxruntime's JavaScript API that is used; its Node and web packages both have this shape. */
export interface Onnxruntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OnnxSession>;
  };
  readonly Tensor: new (dtype: string, data: RowBuffer["data"], dims: readonly number[]) => { type: string };
}

interface OnnxSession {
  readonly inputMetadata: readonly OnnxMetadata[];
  readonly outputMetadata: readonly OnnxMetadata[];
  run(feeds: Readonly<Record<string, unknown>>, fetches: readonly string[]): Promise<Record<string, OnnxOutput>>;
  release(): Promise<void>;
}

interface OnnxMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

interface OnnxOutput {
  readonly type: string;
  readonly data: ArrayLike<number> | BigInt64Array;
}

/**
 * Creates a session with the first provider that works. onnxruntime throws where a provider's libraries are missing, and
 * that is the moment to fall to the next one and to say so.
 */
export async function openOnnxSession(
  onnxruntime: Onnxruntime,
  model: Uint8Array,
  manifest: Manifest,
  options: RuntimeOptions & { readonly runtime: string; readonly session: Readonly<Record<string, unknown>> },
): Promise<RuntimeSession> {
  const downgrades: Downgrade[] = [];
  const providers: readonly ProviderName[] = options.providers.includes("cpu")
    ? options.providers
    : [...options.providers, "cpu"];
  for (const provider of providers) {
    try {
      const executionProviders = [provider];
      const session = await onnxruntime.InferenceSession.create(model, { ...options.session, executionProviders });
      return sessionOf(onnxruntime, session, manifest, { provider, runtime: options.runtime, downgrades });
    } catch (cause) {
      const message = firstLine(cause);
      if (provider === "cpu") {
        throw new HoldpointError("HP_MODEL_LOAD", `the model cannot be loaded: ${message}`, { cause });
      }
      downgrades.push({ provider, message });
    }
  }
  throw new HoldpointError("HP_PROVIDER", "no execution provider works");
}

function sessionOf(
  onnxruntime: Onnxruntime,
  session: OnnxSession,
  manifest: Manifest,
  facts: Pick<RuntimeSession, "provider" | "runtime" | "downgrades">,
): RuntimeSession {
  const [input] = manifest.inputs;
  const [output] = manifest.outputs;
  if (!input || !output) throw new RangeError("a manifest has an input and an output");
  const tail = input.shape.slice(1).map((size) => (size === "batch" ? 1 : size));
  // A tensor is a view of the rows, so one per buffer and batch length serves every run.
  const feeds = new WeakMap<RowBuffer, Map<number, Readonly<Record<string, unknown>>>>();
  const feedOf = (rows: RowBuffer, count: number): Readonly<Record<string, unknown>> => {
    const known = feeds.get(rows) ?? new Map<number, Readonly<Record<string, unknown>>>();
    feeds.set(rows, known);
    let feed = known.get(count);
    if (!feed) {
      feed = { [input.name]: tensorOf(onnxruntime, rows, [count, ...tail]) };
      known.set(count, feed);
    }
    return feed;
  };
  return {
    ...facts,
    inputs: session.inputMetadata.map(infoOf),
    outputs: session.outputMetadata.map(infoOf),
    run: async (rows, count) => {
      const results = await session.run(feedOf(rows, count), [output.name]);
      const result = results[output.name];
      return result ? toFloat32(result.data, result.type) : new Float32Array(0);
    },
    release: () => session.release(),
  };
}

/**
 * Where the engine has a Float16Array, onnxruntime's Tensor insists on it and onnxruntime-node 1.30 then reads nothing of
 * it: the bits go in as uint16, and the tensor is told what they mean.
 */
function tensorOf(onnxruntime: Onnxruntime, rows: RowBuffer, dims: readonly number[]): { type: string } {
  const data = rows.data.subarray(0, dims[0] === undefined ? 0 : dims[0] * rows.elements);
  if (rows.dtype !== "float16") return new onnxruntime.Tensor(rows.dtype, data, dims);
  const tensor = new onnxruntime.Tensor("uint16", data, dims);
  tensor.type = "float16";
  return tensor;
}

/** What a file says of itself. Errors: HP_MODEL_LOAD. */
export async function inspectOnnx(
  onnxruntime: Onnxruntime,
  model: Uint8Array,
): Promise<{ readonly inputs: readonly TensorInfo[]; readonly outputs: readonly TensorInfo[] }> {
  try {
    const session = await onnxruntime.InferenceSession.create(model, { logSeverityLevel: 4 });
    const found = { inputs: session.inputMetadata.map(infoOf), outputs: session.outputMetadata.map(infoOf) };
    await session.release();
    return found;
  } catch (cause) {
    throw new HoldpointError("HP_MODEL_LOAD", `the model cannot be loaded: ${firstLine(cause)}`, { cause });
  }
}

function infoOf(metadata: OnnxMetadata): TensorInfo {
  return {
    name: metadata.name,
    dtype: metadata.isTensor ? (metadata.type ?? "unknown") : "unknown",
    shape: metadata.shape ?? [],
  };
}

function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split("\n")[0]?.slice(0, 300) ?? "unknown";
}
