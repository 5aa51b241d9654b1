import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { addDevice } from "../../edge-agent/devices/directory.node.ts";
import { importModel } from "../../models/index.node.ts";

/** The built command, run as its users run it: a process of its own, killed and started again by the tests. */

export const root = fileURLToPath(new URL("../../", import.meta.url));
const command = join(root, "dist/edge-agent/main.node.js");

export interface AgentPlace {
  readonly dataDir: string;
  readonly configFile: string;
  readonly devices: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** Far more than a drain takes, on a busy machine too. */
const stopMsMax = 30_000;

export const productTask = "product_identification";

export function storeConfig(extra = ""): string {
  return `store_id: store_1
models:
  product_identification: { model: product-id@^1, batch_size: 8 }
thresholds:
  product_identification: { default: 0.9, coarse: 0.95 }
tasks:
  product_identification:
    fallback: [coarse_answer, human_review, safe_action]
    safe_action: { label: ask-shopper }
    audit_share: 0
  people_only: { safe_action: { label: ask-shopper } }
${extra}`;
}

/** A data directory with a config, devices and, unless told otherwise, the shipped model. */
export async function agentPlace(options: {
  readonly config?: string;
  readonly devices?: readonly string[];
  readonly model?: boolean;
  /** Another model than the shipped one. */
  readonly modelFolder?: string;
}): Promise<AgentPlace> {
  const dataDir = await mkdtemp(join(tmpdir(), "holdpoint-"));
  const configFile = join(dataDir, "store.yaml");
  await writeFile(configFile, options.config ?? storeConfig());
  const devices: Record<string, string> = {};
  for (const name of options.devices ?? ["camera-1"]) devices[name] = await addDevice(dataDir, name, Date.now());
  if (options.model !== false) {
    const imported = await importModel(options.modelFolder ?? join(root, "models/zoo/product-id"), {
      registryDir: join(dataDir, "models"),
      activate: true,
    });
    if (!imported.ok) throw imported.error;
  }
  return { dataDir, configFile, devices, remove: () => rm(dataDir, { recursive: true, force: true }) };
}

export interface AgentPorts {
  readonly mqttPort: number;
  readonly http: string;
  readonly review: string | null;
  readonly pin: string | null;
  readonly startedInMs: number;
}

export interface AgentProcess extends AgentPorts {
  readonly pid: number;
  /** SIGKILL: nothing is said goodbye to. */
  kill(): Promise<void>;
  /** SIGTERM: drains. Resolves with the exit code. */
  stop(): Promise<number | null>;
  readonly log: () => string;
}

/** Starts the agent and resolves when its doors are open. Ports of an earlier life may be asked for again. */
export async function startAgentProcess(
  place: AgentPlace,
  options: {
    readonly ports?: AgentPorts;
    readonly args?: readonly string[];
    readonly entry?: string;
    /** A program that becomes the agent: it is given the agent's command line. */
    readonly launcher?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<AgentProcess> {
  if (!existsSync(command)) throw new Error("run `npm run build` first: these tests run the built command");
  const port = (url: string | null | undefined): string => (url ? new URL(url).port : "0");
  const { ports } = options;
  const args = [
    ...(options.entry === undefined ? [command, "agent"] : [options.entry]),
    place.configFile,
    ...["--data", place.dataDir, "--name", "box-1", "--json", "--log", "warn"],
    ...["--mqtt-port", String(ports?.mqttPort ?? 0), "--http-port", port(ports?.http)],
    ...["--review-port", port(ports?.review)],
    ...(options.args ?? []),
  ];
  const [program = "", ...rest] = [...(options.launcher ?? []), process.execPath, ...args];
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: place.dataDir,
    env: { ...process.env, ...options.env },
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  const ready = await firstLine(child, () => log);
  const found = JSON.parse(ready) as AgentPorts & { readonly error?: unknown };
  if (found.error !== undefined) throw new Error(`the agent did not start: ${ready}`);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return {
    ...found,
    pid: child.pid ?? 0,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      // One that does not end would hold the test, or be left behind by it.
      const patience = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
      const code = await exited;
      clearTimeout(patience);
      return code;
    },
    log: () => log,
  };
}

function firstLine(child: ChildProcess, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    child.once("exit", (code) =>
      reject(new Error(`the agent ended with ${String(code)} before it was ready: ${log()}`)),
    );
  });
}
