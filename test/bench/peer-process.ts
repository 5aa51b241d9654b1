import { spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A program that the bench started: it ends with the bench, however that ends. */
export interface PeerProcess {
  readonly pid: number;
  readonly name: string;
  /** The next line of its standard output. Rejects when the program ends instead. */
  line(): Promise<string>;
  say(line: object): void;
  /** Resolves when it has ended, with what it said last. */
  readonly ended: Promise<Error>;
  readonly stop: () => Promise<void>;
}

export type Environment = Readonly<Record<string, string>>;

const stopMsMax = 15_000;
const startMsMax = 60_000;
const alive = new Set<ChildProcess>();

// Process groups, because a killed Celery or uvicorn leaves its children behind.
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended.
  }
}
process.on("exit", () => {
  for (const child of alive) killGroup(child, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

export function startPeer(
  name: string,
  [command = "", ...args]: readonly string[],
  options: { readonly cwd: string; readonly environment: Environment },
): PeerProcess {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.environment },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  alive.add(child);
  let log = "";
  const ended = new Promise<Error>((resolve) => {
    const end = (): void => {
      alive.delete(child);
      resolve(new Error(`${name} ended: ${log}`));
    };
    child.once("error", end);
    child.once("close", end);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-4000)));
  // A program that has ended cannot be told anything; whoever waits for its line hears of it.
  child.stdin.on("error", () => undefined);
  return {
    pid: child.pid ?? 0,
    name,
    ended,
    line: linesOf(child, ended),
    say: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    stop: async () => {
      child.kill("SIGTERM");
      const patience = setTimeout(() => killGroup(child, "SIGKILL"), stopMsMax);
      await ended;
      clearTimeout(patience);
      killGroup(child, "SIGKILL");
    },
  };
}

function linesOf(child: ChildProcess, ended: Promise<Error>): () => Promise<string> {
  const lines: string[] = [];
  const asked: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void }[] = [];
  let text = "";
  let gone: Error | null = null;
  const match = (): void => {
    while (lines.length > 0 && asked.length > 0) asked.shift()?.resolve(lines.shift() ?? "");
    if (gone !== null) for (const { reject } of asked.splice(0)) reject(gone);
  };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (text + chunk).split("\n");
    text = parts.pop() ?? "";
    lines.push(...parts);
    match();
  });
  void ended.then((error) => {
    gone = error;
    match();
  });
  return () =>
    new Promise((resolve, reject) => {
      asked.push({ resolve, reject });
      match();
    });
}

/** Resolves when the port takes a connection. Rejects when its program ends, or after a minute. */
export async function listening(port: number, server: PeerProcess): Promise<void> {
  const deadlineMs = performance.now() + startMsMax;
  while (performance.now() < deadlineMs) {
    if (await takesConnection(port)) return;
    const error = await Promise.race([server.ended, sleep(50)]);
    if (error instanceof Error) throw error;
  }
  throw new Error(`${server.name} did not listen within ${startMsMax} ms`);
}

function takesConnection(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

const tickMs = 10;

/** User and system time of processes with all that they started, milliseconds; what has ended counts at its parent. */
export function treeCpuMs(pids: readonly number[]): number {
  const wanted = new Set(pids);
  const stats = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0)
    .flatMap((pid) => statOf(pid) ?? []);
  for (let size = 0; size < wanted.size;) {
    size = wanted.size;
    for (const { pid, parent } of stats) if (wanted.has(parent)) wanted.add(pid);
  }
  return stats.filter(({ pid }) => wanted.has(pid)).reduce((sum, { ticks }) => sum + ticks * tickMs, 0);
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Fields from the third on; the second, the name, may hold spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]), 0);
    return { pid, parent: Number(fields[1]), ticks };
  } catch {
    return null;
  }
}
