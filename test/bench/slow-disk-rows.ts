import { benchPlace, pictureBody, startBenchAgent, tabularBody, type BenchModel } from "./bench-place.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadShape } from "./mqtt-load.ts";
import { slowDisk, slowDiskMissing, type SlowDisk } from "./slow-disk.ts";
import { cnn, cnnInput } from "./small-cnn.ts";

/** The agent on a disk whose fsync takes 5 ms: a request and its decision may wait for one such fsync and little more. */
export async function slowDiskRows(): Promise<readonly BenchRow[]> {
  const disk = await slowDisk();
  if (disk === null) {
    console.error(`left out: ${slowDiskMissing}`);
    return [];
  }
  const rows = [
    await againstFsync(disk, "tabular", "tabular", tabularBody),
    await againstFsync(disk, "picture (64 × 64, small CNN)", "cnn", pictureBody(cnnInput, cnn.task)),
  ];
  await disk.remove();
  return rows;
}

async function againstFsync(
  disk: SlowDisk,
  what: string,
  model: BenchModel,
  body: LoadShape["body"],
): Promise<BenchRow> {
  const clients = 100;
  const place = await benchPlace(
    model,
    Array.from({ length: clients }, (_, i) => `bench-${i}`),
  );
  const agent = await startBenchAgent(place, { environment: disk.environment });
  const targets = place.targets(agent.mqttPort);
  const loads = await Promise.all(targets.map((target) => MqttLoad.open(target, 1)));
  const [first] = loads;
  if (!first) throw new Error("a device is needed");
  const one = async (): Promise<number> => (await first.run({ inFlight: 1, requests: 100, body })).p50Ms;
  await one();
  const turns: { p50Ms: number; fsyncMs: number }[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    turns.push({ p50Ms: await one(), fsyncMs: await disk.measureMs(place.dataDir) });
  }
  const rates: number[] = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const startMs = performance.now();
    await Promise.all(loads.map((load) => load.run({ inFlight: 1, requests: 20, body })));
    rates.push((clients * 20) / ((performance.now() - startMs) / 1000));
  }
  for (const load of loads) await load.close();
  await agent.stop();
  await place.remove();
  const [p50Ms, fsyncMs] = [median(turns.map((turn) => turn.p50Ms)), median(turns.map((turn) => turn.fsyncMs))];
  const hundred = `100 clients, one in flight each: ${median(rates).toFixed(0)}/s`;
  return row(
    `slow disk, one client, one in flight, ${what}, p50, against one fsync`,
    median(turns.map((turn) => turn.p50Ms / turn.fsyncMs)),
    "≤ 1.4",
    `${p50Ms.toFixed(2)} ms against ${fsyncMs.toFixed(2)} ms; ${hundred}`,
  );
}
