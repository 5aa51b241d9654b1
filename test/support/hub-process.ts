import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./agent-process.ts";

/** The built `holdpoint hub`, run as its users run it: killed and started again by the tests. */
export interface HubProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** API token of an admin; null where this was not the first start on its database. */
  readonly adminToken: string | null;
  kill(): Promise<void>;
  /** Resolves with the exit code. */
  stop(): Promise<number | null>;
  readonly log: () => string;
}

export async function startHubProcess(options: {
  readonly dataDir: string;
  readonly database?: string | null;
  readonly port?: number;
}): Promise<HubProcess> {
  const { dataDir, database = null, port = 0 } = options;
  const args = [
    ...[join(root, "dist/edge-agent/main.node.js"), "hub", "--json", "--log", "warn"],
    ...["--data", dataDir, "--port", String(port)],
    ...(database === null ? [] : ["--database", database]),
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], cwd: dataDir });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log = `${log}${text}`.slice(-100_000)));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const line = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    void exited.then((code) => reject(new Error(`the hub ended with ${String(code)} before it was ready: ${log}`)));
  });
  const ready = JSON.parse(line) as { url: string; adminToken: string | null };
  const end = (signal: "SIGKILL" | "SIGTERM") => async (): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return {
    url: ready.url,
    port: Number(new URL(ready.url).port),
    pid: child.pid ?? 0,
    adminToken: ready.adminToken,
    kill: async () => {
      await end("SIGKILL")();
    },
    stop: end("SIGTERM"),
    log: () => log,
  };
}
