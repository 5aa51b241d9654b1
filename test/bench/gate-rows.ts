import { join } from "node:path";
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-node";
import { goldenRows, parseManifest } from "../../models/index.ts";
import { openModels } from "../../models/index.node.ts";
import { createDecider, decide } from "../../sdk/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { productTask, root } from "../support/agent-process.ts";
import { temporaryFolder } from "../support/models-fixtures.ts";
import { decideInputs, evidence } from "../support/policies.ts";
import { interleaved, median, row, type BenchRow } from "./bench-row.ts";
import { certifiedGateRows } from "./gate-certified-rows.ts";
import { oneThread } from "./session-alone.ts";
import { cnn, writeCnn } from "./small-cnn.ts";

/** What the gate costs beside the model it guards. */
export async function gateRows(): Promise<readonly BenchRow[]> {
  const folder = temporaryFolder();
  const rows = [
    gateAlone(),
    ...certifiedGateRows(),
    await decideInProcess({
      ...{ name: "decide() in process, small CNN, against session.run", target: "≤ 1.15" },
      ...{ task: cnn.task, folder: writeCnn(folder.path), runs: 200 },
    }),
    await decideInProcess({
      ...{ name: "decide() in process, shipped model, against session.run", target: "≤ 1.15" },
      ...{ task: productTask, folder: join(root, "models/zoo/product-id"), runs: 30 },
    }),
  ];
  folder.remove();
  return rows;
}

/** decide() alone: evidence in, decision out. The yardstick is the five microseconds that it may take. */
function gateAlone(): BenchRow {
  const inputs = [0.99, 0.97, 0.5, 0.8].map((confidence) => decideInputs({ finding: evidence(confidence) }));
  const times: number[] = [];
  let accepted = 0;
  for (let turn = 0; turn < 60; turn += 1) {
    const startMs = performance.now();
    for (let i = 0; i < 5000; i += 1) {
      const given = inputs[i % inputs.length];
      if (given && decide(given).decision.verdict === "accept") accepted += 1;
    }
    times.push(((performance.now() - startMs) * 1000) / 5000);
  }
  const us = median(times.slice(10));
  return row("decide() alone, against 5 µs", us / 5, "≤ 1", `${us.toFixed(2)} µs (${accepted} accepted)`);
}

/** What both sides of the in-process row see: a model's file, its task, a picture that needs no resize. */
interface InProcess {
  readonly name: string;
  readonly target: string;
  readonly task: string;
  readonly folder: string;
  readonly runs: number;
}

/**
 * The embedded decider, inline, against `session.run` of the same file on the same pixels, one row a run. The decider
 * also checks the input, copies it into the model's input, applies softmax and calibration, and rules.
 */
async function decideInProcess({ name, target, task, folder, runs }: InProcess): Promise<BenchRow> {
  const manifest = parseManifest(JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")));
  if (!manifest.ok) throw manifest.error;
  const [tensor] = manifest.value.inputs;
  const [, height = 0, width = 0] = (tensor?.shape ?? []) as number[];
  const file = join(folder, manifest.value.file);
  const pixels = goldenRows(manifest.value, 1).data as Uint8Array;
  const session = await ort.InferenceSession.create(file, oneThread);
  const decider = await createDecider({
    config: { store_id: "bench", models: { [task]: { model_path: file } } },
    models: (isolation) => openModels({ registryDir: join(root, "temp/none"), isolation }),
    isolation: "inline",
    hasher: nodeHasher,
  });
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const startMs = performance.now();
    for (let i = 0; i < runs; i += 1) await work();
    return (performance.now() - startMs) / runs;
  };
  // A picture of the size that only has to be cropped: what is measured is the decider, not the resize.
  const { features } = manifest.value;
  const side = features.kind === "image" && "shortSide" in features.resize ? features.resize.shortSide : width;
  const data = new Uint8Array(side * side * 3).fill(127);
  const input = { kind: "pixels", width: side, height: side, channels: 3, data } as const;
  const first = await decider.decide(task, input);
  if (first.model === null) throw new Error(`no model decided: ${first.reasons.join()}`);
  const found = await interleaved(
    20,
    () => timed(() => decider.decide(task, input)),
    () => timed(() => session.run({ pixels: new ort.Tensor("uint8", pixels, [1, height, width, 3]) })),
  );
  await decider.close();
  const detail = `${found.ours.toFixed(3)} ms against ${found.yardstick.toFixed(3)} ms, batch 1, one thread`;
  return row(name, found.ratio, target, detail);
}
