import { Worker } from "node:worker_threads";
import { HoldpointError } from "../../protocol/index.ts";
import { systemClock } from "../../protocol/platform/clock.node.ts";
import { decodePicture, decodesAtOnceMax } from "../features/decode.node.ts";
import { readModelBytes } from "../source.node.ts";
import { BatchReader } from "./batch-memory.node.ts";
import { type FromChild, type ModelOrder, type ModelReport, type ToChild } from "./child-messages.ts";
import { DecodeGate } from "./decode-gate.ts";
import { unpackInputs } from "./input-pack.ts";
import { LoadedModel, type ModelParts } from "./loaded-model.ts";
import { type Runtime, type RuntimeOptions } from "./runtime.ts";

/** The child's side: loads what it is told to, answers batches, ends with its parent. */
export function serveInference(runtime: Runtime): void {
  const parts: ModelParts = {
    runtime,
    decode: decodePicture,
    gate: new DecodeGate(decodesAtOnceMax),
    clock: systemClock,
  };
  const reader = new BatchReader();
  let models: readonly (LoadedModel | null)[] = [];
  let running = 0;
  let closing = false;
  const endIfDone = (): void => {
    if (closing && running === 0) process.exit(0);
  };
  const load = async (order: Extract<ToChild, { kind: "load" }>): Promise<void> => {
    const loaded: (LoadedModel | null)[] = [];
    const reports: ModelReport[] = [];
    for (const [model, one] of order.models.entries()) {
      send({ kind: "loading", model });
      const result = await loadModel(one, order, parts);
      loaded.push(result instanceof LoadedModel ? result : null);
      reports.push(result instanceof LoadedModel ? reportOf(result) : result);
    }
    models = loaded;
    send({ kind: "loaded", models: reports });
  };
  const run = async ({ batch, model, inputs }: Extract<ToChild, { kind: "run" }>): Promise<void> => {
    const loaded = models[model];
    if (!loaded) throw new RangeError("the parent runs only what was loaded");
    running += 1;
    const { placedAt, ends } = inputs;
    const placed = placedAt === null ? null : reader.read(placedAt, ends.at(-1) ?? 0);
    const answer = await loaded.answer(unpackInputs(inputs, placed?.bytes));
    placed?.release();
    running -= 1;
    send({ kind: "answer", batch, answer });
    endIfDone();
  };
  process.on("message", (message: ToChild) => {
    switch (message.kind) {
      case "load":
        void load(message);
        break;
      case "run":
        void run(message);
        break;
      case "ping":
        send({ kind: "pong", rssBytes: process.memoryUsage.rss() });
        break;
      case "close":
        closing = true;
        endIfDone();
        break;
    }
  });
  process.on("disconnect", () => process.exit(0));
  // The parent decides when the child ends: Ctrl-C in a terminal reaches both, and the parent may still want to drain.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
  watchParent();
}

function send(message: FromChild): void {
  // Without a channel the parent is gone, and `disconnect` ends this process.
  process.send?.(message, undefined, undefined, () => undefined);
}

async function loadModel(
  order: ModelOrder | null,
  options: RuntimeOptions,
  parts: ModelParts,
): Promise<LoadedModel | ModelReport> {
  if (order === null) {
    const { code, message, hint } = new HoldpointError("HP_MODEL_LOAD", "the model ended the inference child twice");
    return { ok: false, code, message, hint };
  }
  try {
    const bytes = await readModelBytes(order.file, order.manifest);
    if (!bytes.ok) throw bytes.error;
    const { batchWanted, batchProven } = order;
    const { providers, intraOpThreads } = options;
    return await LoadedModel.load(
      bytes.value,
      order.manifest,
      { providers, intraOpThreads, batchWanted, batchProven },
      parts,
    );
  } catch (cause) {
    const { code, message, hint } = HoldpointError.from(cause, "HP_MODEL_LOAD");
    return { ok: false, code, message, hint };
  }
}

function reportOf(model: LoadedModel): ModelReport {
  const { provider, runtime, downgrades } = model.session;
  return { ok: true, provider, runtime, downgrades, batchMax: model.batchMax };
}

/**
 * A model that never returns holds this thread, so `disconnect` would never be heard: a second thread ends the process
 * when its parent has changed.
 */
function watchParent(): void {
  const code = `
    const parent = process.ppid;
    setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 1000);
  `;
  new Worker(code, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 } }).unref();
}
