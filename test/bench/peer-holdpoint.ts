import { join } from "node:path";
import { agentPlace, root } from "../support/agent-process.ts";
import { temporaryFolder, writeModel } from "../support/models-fixtures.ts";
import { httpTraffic } from "./peer-kinds.ts";
import { peerModel, peerOnnx, peerTask } from "./peer-model.ts";
import { assembled, benchFolder, clientsMax, startTraffic, type PeerKind } from "./peer-place.ts";
import { startPeer } from "./peer-process.ts";

export const overMqtt = "MQTT";
export const overHttp = "HTTP";

const config = `store_id: store_1
models:
  ${peerTask}: { model: late-delivery@^1, batch_size: 64 }
thresholds: { ${peerTask}: 0.9 }
tasks:
  ${peerTask}: { audit_share: 0, fallback: [safe_action], safe_action: { label: late } }
`;

/** The agent as its command starts it, from the sources, with a device for each client. */
export const holdpoint: PeerKind = {
  name: "Holdpoint",
  missing: () => Promise.resolve(null),
  start: (place) =>
    assembled(async (undo) => {
      const devices = Array.from({ length: clientsMax }, (_, i) => `bench-${i}`);
      const model = temporaryFolder();
      const agentFiles = await agentPlace({ devices, config, modelFolder: modelFolder(model.path) });
      undo.add(() => agentFiles.remove());
      model.remove();
      const agent = startPeer(
        "holdpoint",
        [
          ...[process.execPath, join(root, "edge-agent/main.node.ts"), "agent", agentFiles.configFile],
          ...["--data", agentFiles.dataDir, "--name", "bench", "--json", "--log", "warn", "--no-review"],
          ...["--mqtt-port", "0", "--http-port", "0"],
        ],
        { cwd: agentFiles.dataDir, environment: place.environment },
      );
      undo.add(agent.stop);
      const { mqttPort, http } = JSON.parse(await agent.line()) as { mqttPort: number; http: string };
      const secrets = devices.map((device) => agentFiles.devices[device] ?? "");
      const mqtt = await startTraffic(
        "holdpoint",
        [
          ...[process.execPath, join(benchFolder, "traffic-mqtt.node.ts"), "--port", String(mqttPort)],
          ...["--devices", JSON.stringify(devices.map((device, i) => ({ device, secret: secrets[i] })))],
        ],
        { cwd: place.folder, environment: place.environment },
      );
      undo.add(mqtt.stop);
      const path = "/v1/decisions?wait=30000";
      const overHttpTraffic = await httpTraffic(place, "holdpoint", Number(new URL(http).port), path, secrets);
      undo.add(overHttpTraffic.stop);
      return {
        contestants: [
          { name: overMqtt, pids: [agent.pid], traffic: mqtt },
          { name: overHttp, pids: [agent.pid], traffic: overHttpTraffic },
        ],
        durable: () => received(http),
        stop: () => undo.all(),
      };
    }),
};

function modelFolder(folder: string): string {
  const model = peerModel();
  const { features, labels } = model;
  return writeModel(folder, "late-delivery", {
    model: peerOnnx(model),
    manifest: {
      ...{ name: "late-delivery", task: peerTask, labels, batch: { max: 64, invariant: true } },
      inputs: [{ name: "x", dtype: "float32", shape: ["batch", features] }],
      outputs: [{ name: "y", dtype: "float32", shape: ["batch", labels.length], meaning: "logits" }],
    },
  });
}

/** Requests made durable, as the journal counts them. */
async function received(http: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text();
  return Number(/^holdpoint_journal_received(?:\{.*\})? (\d+)/m.exec(text)?.[1]);
}
