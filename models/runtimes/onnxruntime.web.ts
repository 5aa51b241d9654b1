import { HoldpointError } from "../../protocol/index.ts";
import { openOnnxSession, type Onnxruntime } from "./onnx-session.ts";
import { type Runtime } from "./runtime.ts";

export interface OnnxruntimeWebOptions {
  /** Folder, ending in "/", from which the page serves `ort-wasm-simd-threaded.wasm` and `.mjs`. */
  readonly wasmPaths: string;
}

/**
 * onnxruntime as WebAssembly, on one thread: more need cross-origin isolation and otherwise fall back without a word.
 * On pictures it is six to nine times slower than the native one.
 */
export function onnxruntimeWeb(options: OnnxruntimeWebOptions): Runtime {
  return {
    load: async (model, manifest, { providers }) => {
      const module = await load();
      module.env.wasm.numThreads = 1;
      module.env.wasm.wasmPaths = options.wasmPaths;
      // Its CPU provider is called "wasm" there; the record says "cpu", as everywhere.
      const wanted = providers.filter((name) => name === "webgpu" || name === "cpu");
      return openOnnxSession(module as unknown as Onnxruntime, model, manifest, {
        providers: wanted.length > 0 ? wanted : ["cpu"],
        intraOpThreads: 1,
        runtime: `onnxruntime-web ${module.env.versions.web ?? "unknown"} all wasm`,
        session: { graphOptimizationLevel: "all", logSeverityLevel: 4 },
      });
    },
  };
}

/** An optional peer: only a page that runs models itself needs it. Errors: HP_RUNTIME_MISSING. */
async function load() {
  try {
    return await import("onnxruntime-web/wasm");
  } catch (cause) {
    throw new HoldpointError("HP_RUNTIME_MISSING", "models cannot run here: onnxruntime-web is not installed", {
      cause,
      hint: "Install onnxruntime-web: npm install onnxruntime-web",
    });
  }
}
