import { connect, type Socket } from "node:net";
import { startAgentProcess } from "../support/agent-process.ts";
import { benchPlace, pictureBody, startBenchAgent, tabularBody, type BenchAgent } from "./bench-place.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadTarget } from "./mqtt-load.ts";

/** What the daemon's process itself bears: its event loop, its memory, its start. */
export async function daemonRows(): Promise<readonly BenchRow[]> {
  return [await eventLoop(), await idleConnections(), ...(await starts())];
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

async function idleConnections(): Promise<BenchRow> {
  const count = 1000;
  const place = await benchPlace("tabular", ["bench", "idle"]);
  const agent = await startBenchAgent(place);
  const [active, idle] = place.targets(agent.mqttPort);
  if (!active || !idle) throw new Error("two devices are needed");
  const load = await MqttLoad.open(active, 1);
  const p50 = async (): Promise<number> => (await load.run({ inFlight: 1, requests: 200, body: tabularBody })).p50Ms;
  await p50();
  const before = { p50Ms: await p50(), rssBytes: await settledRss(agent) };
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 50) {
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, (_, j) => idleDevice(idle, i + j)))));
  }
  const after = { rssBytes: await settledRss(agent), p50Ms: await p50() };
  for (const socket of sockets) socket.destroy();
  await load.close();
  await agent.stop();
  await place.remove();
  const kilobytes = (after.rssBytes - before.rssBytes) / 1024 / count;
  const latency = `p50 of an active device ${after.p50Ms.toFixed(2)} ms against ${before.p50Ms.toFixed(2)} ms before`;
  return row(
    "1,000 idle connections, memory each, against 20 KB",
    kilobytes / 20,
    "≤ 1",
    `${kilobytes.toFixed(1)} KB; ${latency}`,
  );
}

async function settledRss(agent: BenchAgent): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return (await agent.inside()).rssBytes;
}

/** A device that connects, subscribes to its decisions and says nothing more: bytes by hand, so that it costs us little. */
function idleDevice({ mqttPort, device, secret }: LoadTarget, index: number): Promise<Socket> {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.byteLength >> 8, bytes.byteLength & 255]), bytes]);
  };
  const frame = (first: number, ...parts: Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    if (body.byteLength > 127) throw new RangeError("one byte of length is enough here");
    return Buffer.concat([Buffer.from([first, body.byteLength]), body]);
  };
  // MQTT-3.1.2: user name, password, clean session; no keep alive.
  const hello = frame(
    0x10,
    text("MQTT"),
    Buffer.from([4, 0xc2, 0, 0]),
    text(`${device}-${index}`),
    text(device),
    text(secret),
  );
  const wish = frame(0x82, Buffer.from([0, 1]), text(`holdpoint/v1/store_1/${device}/decision`), Buffer.from([1]));
  return new Promise((resolve, reject) => {
    const socket = connect(mqttPort, "127.0.0.1", () => socket.write(hello));
    socket.once("error", reject);
    socket.on("data", (chunk: Buffer) => {
      if (chunk[0] === 0x20) socket.write(wish);
      if (chunk.includes(0x90)) resolve(socket);
    });
  });
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
