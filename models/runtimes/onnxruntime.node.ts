import { readFileSync } from "node:fs";
import { HoldpointError } from "../../protocol/index.ts";
import { inspectOnnx, openOnnxSession, type Onnxruntime } from "./onnx-session.ts";
import { type Runtime, type TensorInfo } from "./runtime.ts";

/**
 * onnxruntime in this process. `run` and `create` block the calling thread, which is why the hosts put this into a child
 * process unless they are told otherwise.
 */
export const onnxruntimeNode: Runtime = Object.freeze({
  load: async (model, manifest, options) => {
    const { onnxruntime, version } = await loadOnnxruntime();
    return openOnnxSession(onnxruntime, model, manifest, {
      ...options,
      runtime: `onnxruntime-node ${version} all ${process.arch} ${cpuFeature()}`,
      session: {
        intraOpNumThreads: options.intraOpThreads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        // Its own warnings about a model are many and not for an operator; errors come as exceptions.
        logSeverityLevel: 4,
        // Threads that spin for work steal it from the model beside them: on two cores that halves the throughput.
        extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
      },
    });
  },
} satisfies Runtime);

/** Inputs and outputs of a model file, for `holdpoint model init`. Errors: HP_RUNTIME_MISSING, HP_MODEL_LOAD. */
export async function inspectModel(
  model: Uint8Array,
): Promise<{ readonly inputs: readonly TensorInfo[]; readonly outputs: readonly TensorInfo[] }> {
  const { onnxruntime } = await loadOnnxruntime();
  return inspectOnnx(onnxruntime, model);
}

interface Loaded {
  readonly onnxruntime: Onnxruntime;
  readonly version: string;
}

let loading: Promise<Loaded> | undefined;

/** An optional peer: whoever only talks to an agent installs none. Errors: HP_RUNTIME_MISSING. */
function loadOnnxruntime(): Promise<Loaded> {
  loading ??= import("onnxruntime-node").then(
    (module) => ({
      onnxruntime: module as unknown as Onnxruntime,
      version: (module.env.versions as { readonly node?: string }).node ?? "unknown",
    }),
    (cause: unknown) => {
      throw new HoldpointError("HP_RUNTIME_MISSING", "models cannot run here: onnxruntime-node is not installed", {
        cause,
        hint: "Install onnxruntime-node: npm install onnxruntime-node",
      });
    },
  );
  return loading;
}

let feature: string | undefined;

/** The vector instructions that decide which kernels run, best first: replay is exact only among equal ones. */
function cpuFeature(): string {
  feature ??= readCpuFeature();
  return feature;
}

function readCpuFeature(): string {
  if (process.arch === "arm64") return "neon";
  let flags: ReadonlySet<string>;
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? "";
    flags = new Set(line.trim().split(/\s+/));
  } catch {
    return "unknown";
  }
  const known = ["amx_int8", "avx512_vnni", "avx512f", "avx_vnni", "avx2", "avx", "sse4_1"];
  return known.find((name) => flags.has(name)) ?? "unknown";
}
