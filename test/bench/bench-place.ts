import { fork, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { agentPlace, root, type AgentPlace } from "../support/agent-process.ts";
import { temporaryFolder, writeModel } from "../support/models-fixtures.ts";
import { type LoadTarget } from "./mqtt-load.ts";

export interface BenchAgent {
  readonly mqttPort: number;
  readonly pid: number;
  /** Event-loop delay since the last question, and resident memory. */
  inside(): Promise<{ readonly loopP99Ms: number; readonly rssBytes: number }>;
  stop(): Promise<void>;
}

const sides = `store_id: store_1
models:
  sides: { model: sides@^1, batch_size: 64 }
thresholds: { sides: 0.9 }
tasks:
  sides: { audit_share: 0, fallback: [safe_action], safe_action: { label: left } }
`;
const products = `store_id: store_1
models:
  product_identification: { model: product-id@^1, batch_size: 8 }
thresholds: { product_identification: 0.9 }
tasks:
  product_identification: { audit_share: 0, fallback: [safe_action], safe_action: { label: ask } }
`;

/** Two floats and a context: about 200 bytes on the wire. */
export const tabularBody = (id: string): Readonly<Record<string, unknown>> => ({
  v: 1,
  id,
  task: "sides",
  at: Date.now(),
  input: { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(Float32Array.of(3, 1).buffer) },
  context: { basket: "b-17", camera: "aisle-3", shelf: "C2" },
});

export function pictureBody(input: Readonly<Record<string, unknown>>) {
  return (id: string): Readonly<Record<string, unknown>> => ({
    ...{ v: 1, id, task: "product_identification", at: Date.now(), input },
    context: { basket: "b-17", camera: "aisle-3", shelf: "C2" },
  });
}

/** A data directory with devices and a model: a tiny one over two numbers, or the shipped one over pictures. */
export async function benchPlace(
  model: "tabular" | "pictures",
  devices: readonly string[],
  withModel = true,
): Promise<AgentPlace & { readonly targets: (mqttPort: number) => readonly LoadTarget[] }> {
  const folder = temporaryFolder();
  const place = await agentPlace({
    devices,
    model: withModel,
    ...(model === "tabular"
      ? {
          config: sides,
          modelFolder: writeModel(folder.path, "sides", { manifest: { batch: { max: 64, invariant: true } } }),
        }
      : { config: products }),
  });
  folder.remove();
  return {
    ...place,
    targets: (mqttPort) => devices.map((device) => ({ mqttPort, device, secret: place.devices[device] ?? "" })),
  };
}

export async function startBenchAgent(
  place: AgentPlace,
  options: { readonly bare?: boolean } = {},
): Promise<BenchAgent> {
  const args = ["--data", place.dataDir, "--config", place.configFile, ...(options.bare === true ? ["--bare"] : [])];
  const child = fork(join(root, "test/bench/bench-agent.node.ts"), args, { cwd: place.dataDir });
  const next = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      child.once("message", (message) => resolve(message as T));
      child.once("exit", (code) => reject(new Error(`the bench's agent ended with ${String(code)}`)));
    });
  const { mqttPort } = await next<{ mqttPort: number }>();
  return {
    mqttPort,
    pid: child.pid ?? 0,
    inside: () => {
      child.send("inside");
      return next();
    },
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export async function startEcho(): Promise<{ readonly mqttPort: number; readonly stop: () => void }> {
  const child = spawn(process.execPath, [join(root, "test/bench/echo-broker.node.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data: Buffer) => resolve(data.toString())),
  );
  const { mqttPort } = JSON.parse(line) as { mqttPort: number };
  return { mqttPort, stop: () => child.kill() };
}

const tickMs = 10;

/** CPU time that a process and its children have used, milliseconds: what a busy neighbour changes least. */
export function cpuMs(pid: number): number {
  const [own, children] = [ticksOf(pid), childrenOf(pid)];
  return (own + children.reduce((sum, child) => sum + ticksOf(child), 0)) * tickMs;
}

function ticksOf(pid: number): number {
  const stat = statOf(pid);
  return Number(stat[11]) + Number(stat[12]);
}

/** Fields of /proc/<pid>/stat from the third on; the second, the name, may hold spaces. */
function statOf(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((other) => {
      try {
        return other > 0 && Number(statOf(other)[1]) === pid;
      } catch {
        return false;
      }
    });
}
