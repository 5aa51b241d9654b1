/** `holdpoint/models/web`: one model in a browser, with onnxruntime-web as an optional peer. */
import { digestText, ok, refused, universalHasher, type Clock, type Timers } from "../protocol/index.ts";
import { type DecodePicture } from "./features/decode.ts";
import { decodePictureInBrowser } from "./features/decode.web.ts";
import { type EventHistory } from "./features/windows.ts";
import { parseManifest } from "./manifest.ts";
import { type ModelHost } from "./prediction.ts";
import { bytesAtHand, inlineHost } from "./runtimes/inline-host.ts";
import { onnxruntimeWeb } from "./runtimes/onnxruntime.web.ts";
import { type ProviderName } from "./runtimes/runtime.ts";

export { decodePictureInBrowser } from "./features/decode.web.ts";
export { onnxruntimeWeb, type OnnxruntimeWebOptions } from "./runtimes/onnxruntime.web.ts";

export interface WebModelsOptions {
  /** The parsed manifest.json. */
  readonly manifest: unknown;
  /** The bytes of model.onnx. */
  readonly modelBytes: Uint8Array;
  /** Folder, ending in "/", from which the page serves onnxruntime-web's `.wasm` and `.mjs` files. */
  readonly wasmPaths: string;
  readonly providers?: readonly ProviderName[];
  readonly decode?: DecodePicture;
  readonly history?: EventHistory;
}

/**
 * A host that serves one model in this page, to whichever task names it. The thread is blocked while it runs: put it into
 * a worker where that matters. Problems are in the states of `apply`.
 */
export function webModels(options: WebModelsOptions): ModelHost {
  const { manifest, modelBytes, wasmPaths, history, providers = ["cpu"] } = options;
  const parsed = parseManifest(manifest);
  return inlineHost({
    runtime: onnxruntimeWeb({ wasmPaths }),
    providers,
    clock: browserClock,
    timers: browserTimers,
    decode: options.decode ?? decodePictureInBrowser,
    read: async (candidate) => {
      const bytes = await bytesAtHand(candidate);
      if (!bytes.ok) return bytes;
      const digest = await digestOf(bytes.value);
      if (digest === candidate.manifest.digest) return bytes;
      return refused(
        "HP_MODEL_DIGEST",
        `the bytes have the digest ${digest}, the manifest says ${candidate.manifest.digest}`,
      );
    },
    find: (wanted) =>
      Promise.resolve(
        parsed.ok ? ok({ wanted, manifest: parsed.value, file: null, bytes: modelBytes, batchProven: null }) : parsed,
      ),
    ...(history ? { history } : {}),
  });
}

async function digestOf(bytes: Uint8Array): Promise<string> {
  // A page that came over plain HTTP from another machine has no `subtle`, whatever the types say.
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return digestText(universalHasher.sha256(bytes));
  return digestText(new Uint8Array(await subtle.digest("SHA-256", bytes.slice())));
}

const browserClock: Clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

const browserTimers: Timers = {
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};
