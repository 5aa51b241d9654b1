import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { createRows, parseManifest, PictureWriter } from "../../models/index.ts";
import { decodePicture } from "../../models/index.node.ts";
import { type Decision } from "../../protocol/index.ts";
import { agentPlace, root, startAgentProcess } from "../support/agent-process.ts";
import { picturesOf, sharedFile, whyNoPaho, whyNoShared, type TarPicture } from "../support/shared-data.ts";

const skipped = whyNoShared("data/grocery/field.tar") ?? whyNoPaho();
const confidenceApartMax = 1e-4;

interface Line {
  readonly name: string;
  readonly decision: Decision;
}

describe(`a device in Python${skipped === null ? "" : ` (skipped: ${skipped})`}`, () => {
  it.skipIf(skipped !== null)(
    "gets for every field picture the label and confidence that an independent runner of the same file gets",
    async () => {
      const tar = sharedFile("data/grocery/field.tar") ?? "";
      const decisions = await askFromPython(tar);
      const pictures = await picturesOf(tar);
      expect(decisions.size).toBe(pictures.length);
      const runner = await independentRunner();
      const exceptions: string[] = [];
      let apartMost = 0;
      for (const picture of pictures) {
        const decision = decisions.get(picture.name);
        const own = await runner(picture);
        const top = decision?.answer?.label;
        const coarse = decision?.reasons[0] === "coarse_answer";
        const [label, confidence] = coarse ? [own.coarseLabel, own.coarseConfidence] : [own.label, own.confidence];
        const apart = Math.abs((decision?.confidence ?? 2) - confidence);
        apartMost = Math.max(apartMost, apart);
        if (top !== label || apart > confidenceApartMax) {
          exceptions.push(
            `${picture.name}: ${String(top)} ${String(decision?.confidence)} against ${label} ${confidence}`,
          );
        }
      }
      console.log(
        `${pictures.length} pictures, ${exceptions.length} exceptions, confidence apart by at most ${apartMost}`,
      );
      expect(exceptions).toEqual([]);
    },
    240_000,
  );
});

/** Sends every picture from Python over MQTT to the agent as it is built; the first decision by file name. */
async function askFromPython(tar: string): Promise<ReadonlyMap<string, Decision>> {
  const place = await agentPlace({ devices: ["till-9"] });
  try {
    const agent = await startAgentProcess(place);
    const out = join(place.dataDir, "decisions.jsonl");
    const script = join(root, "test/support/paho-field.py");
    const secret = place.devices["till-9"] ?? "";
    const args = [script, String(agent.mqttPort), "store_1", "till-9", secret, tar, out];
    await promisify(execFile)("/usr/bin/python3", args, { timeout: 180_000 });
    expect(await agent.stop()).toBe(0);
    const lines = (await readFile(out, "utf8")).trim().split("\n");
    return new Map(lines.map((line) => JSON.parse(line) as Line).map(({ name, decision }) => [name, decision]));
  } finally {
    await place.remove();
  }
}

interface OwnAnswer {
  readonly label: string;
  readonly confidence: number;
  readonly coarseLabel: string;
  readonly coarseConfidence: number;
}

/** The same ONNX file and the same pixels in another runtime (web assembly), with softmax and calibration written anew. */
async function independentRunner(): Promise<(picture: TarPicture) => Promise<OwnAnswer>> {
  const zoo = join(root, "models/zoo/product-id");
  const parsed = parseManifest(JSON.parse(await readFile(join(zoo, "manifest.json"), "utf8")));
  if (!parsed.ok) throw parsed.error;
  const manifest = parsed.value;
  if (manifest.features.kind !== "image") throw new Error("product-id takes pictures");
  const { width, height } = manifest.features;
  const [tensor] = manifest.inputs;
  if (!tensor) throw new Error("product-id has one input");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(await readFile(join(zoo, "model.onnx")));
  const writer = new PictureWriter(manifest.features, tensor);
  return async ({ data }) => {
    const picture = await decodePicture(data, "jpeg");
    if (!picture.ok) throw picture.error;
    const rows = createRows("uint8", width * height * 3, 1);
    const built = writer.write(picture.value, rows, 0);
    if (!built.ok) throw new Error(built.message);
    const { logits } = await session.run({
      pixels: new ort.Tensor("uint8", rows.data as Uint8Array, [1, height, width, 3]),
    });
    const probabilities = softmax(Array.from(logits?.data as Float32Array));
    const sums = new Array<number>(manifest.coarse?.labels.length ?? 0).fill(0);
    probabilities.forEach((p, i) => {
      const group = manifest.coarse?.of[i] ?? 0;
      sums[group] = (sums[group] ?? 0) + p;
    });
    const [best, bestCoarse] = [largest(probabilities), largest(sums)];
    return {
      label: manifest.labels[best] ?? "",
      confidence: beta(manifest.calibration, probabilities[best] ?? 0),
      coarseLabel: manifest.coarse?.labels[bestCoarse] ?? "",
      coarseConfidence: beta(manifest.coarseCalibration, sums[bestCoarse] ?? 0),
    };
  };
}

function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const exps = logits.map((logit) => Math.exp(logit - most));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((value) => value / sum);
}

const largest = (values: readonly number[]): number => values.indexOf(Math.max(...values));

/** Kull et al. 2017, written out: sigmoid(a ln s - b ln(1 - s) + c), s kept 1e-7 from 0 and 1. */
function beta(calibration: unknown, score: number): number {
  const { a, b, c } = calibration as { a: number; b: number; c: number };
  const s = Math.min(1 - 1e-7, Math.max(1e-7, score));
  return 1 / (1 + Math.exp(-(a * Math.log(s) - b * Math.log(1 - s) + c)));
}
