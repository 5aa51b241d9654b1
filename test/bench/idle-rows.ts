import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { benchPlace, startBenchAgent, tabularBody, type BenchAgent, type Inside } from "./bench-place.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadTarget } from "./mqtt-load.ts";

/** Each device keeps so many connections, as a till with its cameras does. */
const connectionsPerDevice = 100;
const openedAtOnce = 50;
const turns = 7;

/** Devices that are connected, have subscribed, and say nothing; one more works. */
export async function idleRows(): Promise<readonly BenchRow[]> {
  return [...(await idleConnections(1000)), ...(await idleConnections(10_000))];
}

/**
 * Memory is resident memory of the daemon's process, as an operator sees it, once it has stopped changing: before the
 * connections came, and with them. Both agents have worked before, so that their heaps have grown as far as work makes
 * them grow. What is in use after a forced collection stands beside it, taken last: it moves resident memory.
 */
async function idleConnections(count: number): Promise<readonly BenchRow[]> {
  if (openFilesMax() < count + 500) {
    console.error(`${count} idle connections left out: one process may open ${openFilesMax()} files (ulimit -n)`);
    return [];
  }
  const names = Array.from({ length: Math.ceil(count / connectionsPerDevice) }, (_, i) => `idle-${i}`);
  const places = [await benchPlace("tabular", ["bench", ...names]), await benchPlace("tabular", ["bench"])] as const;
  const [crowded, alone] = [await startBenchAgent(places[0]), await startBenchAgent(places[1])];
  const [active, ...idle] = places[0].targets(crowded.mqttPort);
  const [other] = places[1].targets(alone.mqttPort);
  if (!active || !other) throw new Error("two devices are needed");
  const [load, otherLoad] = [await MqttLoad.open(active, 1), await MqttLoad.open(other, 1)];
  for (const one of [load, otherLoad]) await one.run({ inFlight: 32, requests: 5000, body: tabularBody });
  const before = await settled(crowded);
  const startMs = performance.now();
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const next = Array.from({ length: openedAtOnce }, (_, i) => sockets.length + i);
    sockets.push(...(await Promise.all(next.map((i) => idleDevice(idle, i)))));
  }
  const connectedInMs = performance.now() - startMs;
  const after = await settled(crowded);
  const p50s: { crowded: number; alone: number }[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    p50s.push({ crowded: await p50Of(load), alone: await p50Of(otherLoad) });
  }
  const [inUse, inUseAlone] = [await crowded.collected(), await alone.collected()];
  const dropped = sockets.filter((socket) => socket.destroyed).length;
  for (const socket of sockets) socket.destroy();
  for (const one of [load, otherLoad]) await one.close();
  for (const agent of [crowded, alone]) await agent.stop();
  for (const place of places) await place.remove();
  if (dropped > 0) throw new Error(`${dropped} of ${count} idle connections were closed by the agent`);

  const each = (more: number): number => more / 1024 / count;
  const kilobytes = each(after.rssBytes - before.rssBytes);
  const memory = `${kilobytes.toFixed(1)} KB of resident memory each (${megabytes(before.rssBytes)} before, ${megabytes(after.rssBytes)} with them); in use after a collection ${each(inUse.heapBytes - inUseAlone.heapBytes).toFixed(1)} KB each more than an agent without; all connected in ${(connectedInMs / 1000).toFixed(1)} s`;
  const ratio = median(p50s.map((turn) => turn.crowded / turn.alone));
  const [mine, theirs] = [median(p50s.map((turn) => turn.crowded)), median(p50s.map((turn) => turn.alone))];
  const name = `${count.toLocaleString("en")} idle connections`;
  return [
    row(`${name}, memory each, against 20 KB`, kilobytes / 20, "≤ 1", memory),
    row(
      `${name}, p50 of an active device, against no idle ones`,
      ratio,
      "≤ 1.5",
      `${mine.toFixed(2)} ms against ${theirs.toFixed(2)} ms, two agents by turns`,
    ),
  ];
}

async function p50Of(load: MqttLoad): Promise<number> {
  return (await load.run({ inFlight: 1, requests: 200, body: tabularBody })).p50Ms;
}

/** Waits until resident memory stands still (within a hundredth for 1.5 s), at most 15 s. */
async function settled(agent: BenchAgent): Promise<Inside> {
  let last = await agent.inside();
  let still = 0;
  for (let i = 0; i < 30 && still < 3; i += 1) {
    await sleep(500);
    const now = await agent.inside();
    still = Math.abs(now.rssBytes - last.rssBytes) < last.rssBytes / 100 ? still + 1 : 0;
    last = now;
  }
  return last;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`;
}

/** Node raises the soft limit to the hard one when it starts; the agent inherits the same. */
function openFilesMax(): number {
  try {
    const found = /Max open files\s+(\d+|unlimited)/.exec(readFileSync("/proc/self/limits", "latin1"));
    return found?.[1] === "unlimited" ? Infinity : Number(found?.[1] ?? 1024);
  } catch {
    return 1024;
  }
}

/**
 * A device that connects, subscribes to its decisions and says nothing more: bytes by hand, so that it costs us little.
 * Its keep alive of ten minutes is longer than the row, and the agent watches it like any other.
 */
function idleDevice(devices: readonly LoadTarget[], index: number): Promise<Socket> {
  const target = devices[index % devices.length];
  if (!target) throw new Error("idle devices are needed");
  const { mqttPort, device, secret } = target;
  const hello = frame(
    0x10,
    text("MQTT"),
    // MQTT-3.1.2: level 4; user name, password, clean session; keep alive 600 s.
    Buffer.from([4, 0xc2, 600 >> 8, 600 & 255]),
    text(`${device}-${index}`),
    text(device),
    text(secret),
  );
  const wish = frame(0x82, Buffer.from([0, 1]), text(`holdpoint/v1/store_1/${device}/decision`), Buffer.from([1]));
  return new Promise((resolve, reject) => {
    const socket = connect(mqttPort, "127.0.0.1", () => socket.write(hello));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`the agent closed the idle connection ${index}`)));
    socket.on("data", (chunk: Buffer) => {
      if (chunk[0] === 0x20) socket.write(wish);
      if (chunk.includes(0x90)) resolve(socket);
    });
  });
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.byteLength >> 8, bytes.byteLength & 255]), bytes]);
}

function frame(first: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.byteLength > 127) throw new RangeError("one byte of length is enough here");
  return Buffer.concat([Buffer.from([first, body.byteLength]), body]);
}
