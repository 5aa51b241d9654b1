import { join } from "node:path";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { root, type AgentPlace } from "../support/agent-process.ts";
import { linearModel } from "../support/models-fixtures.ts";
import { benchPlace, pictureBody, startBenchAgent, startEcho, tabularBody, type BenchModel } from "./bench-place.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadShape } from "./mqtt-load.ts";
import { oneThread, pixelsAlone, timesOf } from "./session-alone.ts";
import { cnn, cnnInput, cnnModel } from "./small-cnn.ts";

/** One client with one request in flight, and pictures as fast as the model takes them. */
export async function latencyRows(): Promise<readonly BenchRow[]> {
  return [await tabularLatency(), ...(await smallPictures()), ...(await shippedPictures())];
}

const single = (what: string): string => `one client, one in flight, ${what}, p50, against its parts`;

async function tabularLatency(): Promise<BenchRow> {
  const session = await ort.InferenceSession.create(linearModel(), oneThread);
  const run = (): Promise<unknown> => session.run({ x: new ort.Tensor("float32", Float32Array.of(3, 1), [1, 2]) });
  const subject = { model: "tabular", body: tabularBody, requests: 200 } as const;
  return againstParts(single("tabular"), "≤ 2", subject, run);
}

/** 64 × 64 pixels through the small network: a picture whose journey is not hidden behind its model. */
async function smallPictures(): Promise<readonly BenchRow[]> {
  const alone = await pixelsAlone(cnnModel(), cnn.side);
  const subject = { model: "cnn", body: pictureBody(cnnInput, cnn.task), requests: 200 } as const;
  return [
    await againstParts(single("picture (64 × 64, small CNN)"), "≤ 1.4", subject, alone(1)),
    await throughput(
      "pixels 64 × 64 through the small CNN, against the model alone at batch 8",
      { ...subject, requests: 4000, inFlight: 64 },
      alone(8),
    ),
  ];
}

async function shippedPictures(): Promise<readonly BenchRow[]> {
  const alone = await pixelsAlone(join(root, "models/zoo/product-id/model.onnx"), 128);
  const pixels = new Uint8Array(176 * 176 * 3).map((_, i) => (i * 7) % 251);
  const jpeg = await sharp(pixels, { raw: { width: 176, height: 176, channels: 3 } })
    .resize(224, 224)
    .jpeg({ quality: 85 })
    .toBuffer();
  const model = "pictures" as const;
  const body = {
    pixels: pictureBody({ kind: "pixels", width: 176, height: 176, channels: 3, data: pixels }),
    jpeg: pictureBody({ kind: "image", encoding: "jpeg", data: jpeg }),
  };
  const decode = async (): Promise<unknown> => sharp(jpeg).raw().toBuffer();
  return [
    await againstParts(
      single("picture (176 × 176, shipped model)"),
      "≤ 1.4",
      { model, body: body.pixels, requests: 40 },
      alone(1),
    ),
    await throughput(
      "pixels 176 × 176 through the shipped model, against the model alone at batch 8",
      { model, body: body.pixels, requests: 160, inFlight: 32 },
      alone(8),
    ),
    await throughput(
      "JPEG 224 × 224 through the shipped model, against decoding and the model",
      { model, body: body.jpeg, requests: 160, inFlight: 32 },
      async () => {
        for (let i = 0; i < 8; i += 1) await decode();
        await alone(8)();
      },
    ),
  ];
}

/** What is sent, to which model, how often in one turn. */
interface Subject {
  readonly model: BenchModel;
  readonly body: LoadShape["body"];
  readonly requests: number;
}

/** p50 through the agent against p50 of an echo and of a commit and of `session.run`, added up. */
async function againstParts(
  name: string,
  target: string,
  { model, body, requests }: Subject,
  sessionRun: () => Promise<unknown>,
): Promise<BenchRow> {
  const place = await benchPlace(model, ["bench"]);
  const agent = await startBenchAgent(place);
  const echo = await startEcho();
  const [device] = place.targets(agent.mqttPort);
  if (!device) throw new Error("a device is needed");
  const [ours, theirs] = [
    await MqttLoad.open(device, 1),
    await MqttLoad.open({ ...device, mqttPort: echo.mqttPort }, 1),
  ];
  const commit = await committer(place);
  const p50 = async (load: MqttLoad): Promise<number> => (await load.run({ inFlight: 1, requests, body })).p50Ms;
  await p50(ours);
  await p50(theirs);
  const turns: { ours: number; echo: number; commit: number; run: number }[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const commits = await timesOf(requests, commit.once);
    const runs = await timesOf(requests, sessionRun);
    turns.push({ ours: await p50(ours), echo: await p50(theirs), commit: median(commits), run: median(runs) });
  }
  for (const load of [ours, theirs]) await load.close();
  commit.close();
  echo.stop();
  await agent.stop();
  await place.remove();
  const of = (part: keyof (typeof turns)[number]): number => median(turns.map((turn) => turn[part]));
  const ratio = median(turns.map((turn) => turn.ours / (turn.echo + turn.commit + turn.run)));
  const parts = `echo ${of("echo").toFixed(2)} + one commit ${of("commit").toFixed(2)} + run ${of("run").toFixed(2)}`;
  return row(name, ratio, target, `${of("ours").toFixed(2)} ms against ${parts} ms`);
}

async function throughput(
  name: string,
  { model, body, requests, inFlight }: Subject & { readonly inFlight: number },
  batchOfEight: () => Promise<unknown>,
): Promise<BenchRow> {
  const place = await benchPlace(model, ["bench"]);
  const agent = await startBenchAgent(place);
  const [device] = place.targets(agent.mqttPort);
  if (!device) throw new Error("a device is needed");
  const load = await MqttLoad.open(device, 1);
  const shape = { inFlight, requests, body };
  await load.run(shape);
  const turns: { ours: number; alone: number }[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const { perSecond } = await load.run(shape);
    turns.push({ ours: perSecond, alone: 8000 / median(await timesOf(12, batchOfEight)) });
  }
  await load.close();
  await agent.stop();
  await place.remove();
  const ratio = median(turns.map(({ ours, alone }) => ours / alone));
  const [ours, alone] = [median(turns.map((turn) => turn.ours)), median(turns.map((turn) => turn.alone))];
  return row(name, ratio, "≥ 0.8", `${ours.toFixed(0)}/s against ${alone.toFixed(0)}/s, one thread each`);
}

/** A commit of about the size of a case, with the journal's settings, on the journal's disk. */
async function committer(
  place: AgentPlace,
): Promise<{ readonly once: () => Promise<void>; readonly close: () => void }> {
  const database = await openDatabase(join(place.dataDir, "yardstick.db"));
  database.exec("CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT)");
  const insert = database.prepare("INSERT INTO t (body) VALUES (?)");
  const body = "x".repeat(2000);
  return {
    once: () => {
      insert.run(body);
      return Promise.resolve();
    },
    close: () => void database.close(),
  };
}
