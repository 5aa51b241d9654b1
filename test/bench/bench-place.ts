import { fork, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { agentPlace, productTask, root, type AgentPlace } from "../support/agent-process.ts";
import { temporaryFolder, writeModel } from "../support/models-fixtures.ts";
import { answersOf } from "../support/child-answers.ts";
import { type LoadTarget } from "./mqtt-load.ts";
import { cnnConfig, writeCnn } from "./small-cnn.ts";

export interface BenchAgent {
  readonly mqttPort: number;
  readonly pid: number;
  /** What the process tells about itself. */
  inside(): Promise<Inside>;
  /** The same after a forced collection: what is kept, without what only waits to be collected. */
  collected(): Promise<Inside>;
  stop(): Promise<void>;
}

export interface Inside {
  /** Delay of the event loop since the last question. */
  readonly loopP99Ms: number;
  /** Resident memory of the process, as an operator sees it. */
  readonly rssBytes: number;
  /** V8's heap and what hangs on it outside, in use. */
  readonly heapBytes: number;
  /** From the start of the process to open doors. */
  readonly startedInMs: number;
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

export function pictureBody(input: Readonly<Record<string, unknown>>, task: string = productTask) {
  return (id: string): Readonly<Record<string, unknown>> => ({
    ...{ v: 1, id, task, at: Date.now(), input },
    context: { basket: "b-17", camera: "aisle-3", shelf: "C2" },
  });
}

/** What the rows are made of: two numbers, the small network over pixels, or the shipped model over pictures. */
export type BenchModel = "tabular" | "cnn" | "pictures";

export type BenchPlace = AgentPlace & { readonly targets: (mqttPort: number) => readonly LoadTarget[] };

/** A data directory with devices and a model. */
export async function benchPlace(model: BenchModel, devices: readonly string[], withModel = true): Promise<BenchPlace> {
  const folder = temporaryFolder();
  const kinds = {
    tabular: () => ({
      config: sides,
      modelFolder: writeModel(folder.path, "sides", { manifest: { batch: { max: 64, invariant: true } } }),
    }),
    cnn: () => ({ config: cnnConfig, modelFolder: writeCnn(folder.path) }),
    pictures: () => ({ config: products }),
  };
  const place = await agentPlace({ devices, model: withModel, ...kinds[model]() });
  folder.remove();
  return {
    ...place,
    targets: (mqttPort) => devices.map((device) => ({ mqttPort, device, secret: place.devices[device] ?? "" })),
  };
}

export interface BenchAgentOptions {
  /** Without journal and model. */
  readonly bare?: boolean;
  /** Added to its environment, for instance a slow disk. */
  readonly environment?: Readonly<Record<string, string>>;
  /** With the review page, so that people can be asked. */
  readonly review?: boolean;
  /** A hub to send to, and the token to enrol there with. */
  readonly hub?: { readonly url: string; readonly token: string };
}

export async function startBenchAgent(place: AgentPlace, options: BenchAgentOptions = {}): Promise<BenchAgent> {
  const { bare = false, review = false, environment = {}, hub } = options;
  const flags = [
    ...(bare ? ["--bare"] : []),
    ...(review ? ["--review"] : []),
    ...(hub ? ["--hub", hub.url, "--enrol", hub.token] : []),
  ];
  const args = ["--data", place.dataDir, "--config", place.configFile, ...flags];
  const child = fork(join(root, "test/bench/bench-agent.node.ts"), args, {
    cwd: place.dataDir,
    env: { ...process.env, ...environment },
    // As `holdpoint agent` starts itself (edge-agent/cli/young-heap.node.ts).
    execArgv: ["--max-semi-space-size=16"],
  });
  const ask = answersOf(child, "the bench's agent");
  const { mqttPort } = await ask<{ mqttPort: number }>();
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    mqttPort,
    pid: child.pid ?? 0,
    inside: () => ask<Inside>("inside"),
    collected: () => ask<Inside>("collected"),
    stop: async () => {
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
