import { startAgentProcess } from "../support/agent-process.ts";
import { benchPlace, pictureBody, startBenchAgent } from "./bench-place.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad } from "./mqtt-load.ts";

/** What the daemon's process itself bears: its event loop and its start. */
export async function daemonRows(): Promise<readonly BenchRow[]> {
  return [await eventLoop(), ...(await starts())];
}

async function eventLoop(): Promise<BenchRow> {
  const place = await benchPlace("pictures", ["bench"]);
  const agent = await startBenchAgent(place);
  const [device] = place.targets(agent.mqttPort);
  if (!device) throw new Error("a device is needed");
  const load = await MqttLoad.open(device, 1);
  const data = new Uint8Array(176 * 176 * 3).fill(99);
  const shape = {
    inFlight: 8,
    requests: 150,
    body: pictureBody({ kind: "pixels", width: 176, height: 176, channels: 3, data }),
  };
  await load.run(shape);
  const idle: number[] = [];
  const busy: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    await agent.inside();
    await load.run(shape);
    busy.push((await agent.inside()).loopP99Ms);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    idle.push((await agent.inside()).loopP99Ms);
  }
  await load.close();
  await agent.stop();
  await place.remove();
  const more = median(busy) - median(idle);
  const detail = `p99 ${median(busy).toFixed(2)} ms while pictures run, ${median(idle).toFixed(2)} ms idle; ratio: the difference against 3 ms`;
  return row("event loop of the daemon during inference", more / 3, "≤ 1", detail);
}

/** From the spawn of the built command to open doors: what a restart costs a store. */
async function starts(): Promise<readonly BenchRow[]> {
  const measured: BenchRow[] = [];
  for (const [name, model, targetMs] of [
    ["without a model", false, 1000],
    ["with the shipped model", true, 2000],
  ] as const) {
    const place = await benchPlace(model ? "pictures" : "tabular", ["bench"], model);
    const times: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const startMs = performance.now();
      const agent = await startAgentProcess(place);
      times.push(performance.now() - startMs);
      await agent.stop();
    }
    await place.remove();
    const ms = median(times);
    const detail = `${ms.toFixed(0)} ms from spawn to ready; allowed ${targetMs} ms`;
    measured.push(row(`start to ready ${name}, against what is allowed`, ms / targetMs, "≤ 1", detail));
  }
  return measured;
}
