import { join } from "node:path";
import * as ort from "onnxruntime-node";
import sharp from "sharp";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { root, type AgentPlace } from "../support/agent-process.ts";
import { linearModel } from "../support/models-fixtures.ts";
import { benchPlace, pictureBody, startBenchAgent, startEcho, tabularBody } from "./bench-place.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadShape } from "./mqtt-load.ts";

const oneThread = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  extra: { session: { intra_op: { allow_spinning: "0" } } },
};

/** One client with one request in flight, and pictures as fast as the model takes them. */
export async function latencyRows(): Promise<readonly BenchRow[]> {
  return [await tabularLatency(), ...(await pictures())];
}

async function tabularLatency(): Promise<BenchRow> {
  const session = await ort.InferenceSession.create(linearModel(), oneThread);
  const run = (): Promise<unknown> => session.run({ x: new ort.Tensor("float32", Float32Array.of(3, 1), [1, 2]) });
  const place = await benchPlace("tabular", ["bench"]);
  return againstParts(
    "one client, one in flight, tabular, p50, against its parts",
    "≤ 2",
    place,
    tabularBody,
    run,
    200,
  );
}

async function pictures(): Promise<readonly BenchRow[]> {
  const session = await ort.InferenceSession.create(join(root, "models/zoo/product-id/model.onnx"), oneThread);
  const pixels = new Uint8Array(176 * 176 * 3).map((_, i) => (i * 7) % 251);
  const jpeg = await sharp(pixels, { raw: { width: 176, height: 176, channels: 3 } })
    .resize(224, 224)
    .jpeg({ quality: 85 })
    .toBuffer();
  const run = (rows: number) => (): Promise<unknown> =>
    session.run({ pixels: new ort.Tensor("uint8", new Uint8Array(rows * 128 * 128 * 3), [rows, 128, 128, 3]) });
  const body = {
    pixels: pictureBody({ kind: "pixels", width: 176, height: 176, channels: 3, data: pixels }),
    jpeg: pictureBody({ kind: "image", encoding: "jpeg", data: jpeg }),
  };
  const decode = async (): Promise<unknown> => sharp(jpeg).raw().toBuffer();
  const place = (): ReturnType<typeof benchPlace> => benchPlace("pictures", ["bench"]);
  const single = "one client, one in flight, picture (shipped model), p50, against its parts";
  return [
    await againstParts(single, "≤ 1.4", await place(), body.pixels, run(1), 40),
    await throughput("pixels through the shipped model, against the model alone at batch 8", body.pixels, run(8)),
    await throughput(
      "JPEG 224 × 224 through the shipped model, against decoding and the model",
      body.jpeg,
      async () => {
        for (let i = 0; i < 8; i += 1) await decode();
        await run(8)();
      },
    ),
  ];
}

type Place = Awaited<ReturnType<typeof benchPlace>>;

/** p50 through the agent against p50 of an echo and of a commit and of `session.run`, added up. */
async function againstParts(
  name: string,
  target: string,
  place: Place,
  body: LoadShape["body"],
  sessionRun: () => Promise<unknown>,
  requests: number,
): Promise<BenchRow> {
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
  body: LoadShape["body"],
  batchOfEight: () => Promise<unknown>,
): Promise<BenchRow> {
  const place = await benchPlace("pictures", ["bench"]);
  const agent = await startBenchAgent(place);
  const [device] = place.targets(agent.mqttPort);
  if (!device) throw new Error("a device is needed");
  const load = await MqttLoad.open(device, 1);
  const shape = { inFlight: 32, requests: 160, body };
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

async function timesOf(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const startMs = performance.now();
    await work();
    times.push(performance.now() - startMs);
  }
  return times;
}
