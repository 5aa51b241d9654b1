import { spawn } from "node:child_process";
import { join } from "node:path";
import { agentPlace, root, startAgentProcess } from "../support/agent-process.ts";
import { temporaryFolder, writeModel } from "../support/models-fixtures.ts";
import { interleaved, row, type BenchRow } from "./bench-row.ts";
import { MqttLoad, type LoadTarget } from "./mqtt-load.ts";

const config = `store_id: store_1
models:
  sides: { model: sides@^1, batch_size: 8 }
thresholds: { sides: 0.9 }
tasks:
  sides: { audit_share: 0, fallback: [safe_action], safe_action: { label: left } }
`;

/** Two floats and a context: about 200 bytes on the wire. */
const body = (id: string): Readonly<Record<string, unknown>> => ({
  v: 1,
  id,
  task: "sides",
  at: Date.now(),
  input: { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(Float32Array.of(3, 1).buffer) },
  context: { basket: "b-17", camera: "aisle-3", shelf: "C2" },
});

/** The whole agent (authentication, journal FULL, chain, model, metrics) against a bare echo. */
export async function mqttRows(): Promise<readonly BenchRow[]> {
  // Each connection is a device of its own, so that nobody hears decisions of others.
  const devices = Array.from({ length: 10 }, (_, i) => `bench-${i}`);
  const folder = temporaryFolder();
  const place = await agentPlace({ config, devices, modelFolder: writeModel(folder.path, "sides") });
  const agent = await startAgentProcess(place);
  const echo = await startEcho();
  try {
    const secretOf = (device: string): string => place.devices[device] ?? "";
    const targets = (mqttPort: number): readonly LoadTarget[] =>
      devices.map((device) => ({ mqttPort, device, secret: secretOf(device) }));
    return [
      await throughput(targets(agent.mqttPort), targets(echo.mqttPort)),
      await latency(targets(agent.mqttPort), targets(echo.mqttPort)),
    ];
  } finally {
    echo.stop();
    await agent.stop();
    await place.remove();
    folder.remove();
  }
}

async function throughput(agent: readonly LoadTarget[], echo: readonly LoadTarget[]): Promise<BenchRow> {
  const [ours, theirs] = [await openAll(agent), await openAll(echo)];
  const perClient = 1500;
  const run = (loads: readonly MqttLoad[]) => async (): Promise<number> => {
    const startMs = performance.now();
    await Promise.all(loads.map((load) => load.run({ inFlight: 64, requests: perClient, body })));
    return (perClient * loads.length) / ((performance.now() - startMs) / 1000);
  };
  await run(ours)();
  await run(theirs)();
  const found = await interleaved(7, run(ours), run(theirs));
  for (const load of [...ours, ...theirs]) await load.close();
  const detail = `${found.ours.toFixed(0)}/s against ${found.yardstick.toFixed(0)}/s, tabular, load generator on the same cores`;
  return row("agent over MQTT, 10 clients × 64, against an echo", found.ratio, "≥ 0.6", detail);
}

async function latency([agent]: readonly LoadTarget[], [echo]: readonly LoadTarget[]): Promise<BenchRow> {
  if (!agent || !echo) throw new Error("one device is needed");
  const [ours, theirs] = [await MqttLoad.open(agent, 1), await MqttLoad.open(echo, 1)];
  const run = (load: MqttLoad) => async (): Promise<number> =>
    (await load.run({ inFlight: 1, requests: 300, body })).p50Ms;
  await run(ours)();
  await run(theirs)();
  const found = await interleaved(7, run(ours), run(theirs));
  await ours.close();
  await theirs.close();
  const detail = `p50 ${found.ours.toFixed(2)} ms against ${found.yardstick.toFixed(2)} ms (echo alone: no commit, no model)`;
  return row("agent over MQTT, one in flight, p50 against an echo", found.ratio, "≤ 4", detail);
}

function openAll(targets: readonly LoadTarget[]): Promise<MqttLoad[]> {
  return Promise.all(targets.map((target) => MqttLoad.open(target, 1)));
}

async function startEcho(): Promise<{ readonly mqttPort: number; readonly stop: () => void }> {
  const child = spawn(process.execPath, [join(root, "test/bench/echo-broker.node.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data: Buffer) => resolve(data.toString())),
  );
  const { mqttPort } = JSON.parse(line) as { mqttPort: number };
  return { mqttPort, stop: () => child.kill() };
}
