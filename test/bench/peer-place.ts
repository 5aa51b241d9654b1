import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { peerCases, peerModel, peerOnnx } from "./peer-model.ts";
import { type Environment, type PeerProcess, startPeer } from "./peer-process.ts";
import { type TrafficResult } from "./traffic-loop.ts";

/** One folder on one disk for everyone's data, with the model and the requests that everyone gets. */
export interface PeerPlace {
  readonly folder: string;
  /** Where the model and the cases lie, for programs that read them; with `slow`, the slow disk's. */
  readonly environment: Environment;
  /** A folder of its own for one server. */
  room(name: string): Promise<string>;
}

export const benchFolder = fileURLToPath(new URL("./", import.meta.url));
export const clientsMax = 100;
const answerMsMax = 60_000;

export async function peerPlace(slow: Environment = {}): Promise<PeerPlace & { remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "holdpoint-peers-"));
  // After the servers were killed, where the bench ends early: what they leave is over a hundred megabytes.
  const removeNow = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", removeNow);
  const model = peerModel();
  const files = { PEER_MODEL: "model.json", PEER_CASES: "cases.json", PEER_ONNX: "model.onnx" };
  await writeFile(join(folder, files.PEER_MODEL), JSON.stringify(model));
  await writeFile(join(folder, files.PEER_CASES), JSON.stringify(peerCases(model)));
  await writeFile(join(folder, files.PEER_ONNX), peerOnnx(model));
  const environment = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(folder, file)]));
  return {
    folder,
    environment: { ...environment, ...slow },
    room: async (name) => {
      const path = join(folder, name);
      await mkdir(path);
      return path;
    },
    remove: async () => {
      process.off("exit", removeNow);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Somebody who answers requests over one door, with the load that asks them. */
export interface Contestant {
  readonly name: string;
  /** The processes whose CPU a decision costs, their children included. */
  readonly pids: readonly number[];
  readonly traffic: Traffic;
}

export interface PeerSystem {
  readonly contestants: readonly Contestant[];
  /** How many decisions lie on its disk: checked against how many were answered. */
  durable(): Promise<number>;
  readonly stop: () => Promise<void>;
}

/** Null where a part is absent; `missing` says what to install. */
export interface PeerKind {
  readonly name: string;
  missing(): Promise<string | null>;
  start(place: PeerPlace): Promise<PeerSystem>;
}

export interface Traffic {
  readonly pid: number;
  /** Opens so many clients. */
  open(clients: number): Promise<void>;
  run(seconds: number): Promise<TrafficResult>;
  readonly stop: () => Promise<void>;
}

export async function startTraffic(
  name: string,
  command: readonly string[],
  options: { readonly cwd: string; readonly environment: Environment },
): Promise<Traffic> {
  const load: PeerProcess = startPeer(`load of ${name}`, command, options);
  await load.line();
  return {
    pid: load.pid,
    open: async (clients) => {
      load.say({ clients });
      await load.line();
    },
    run: async (seconds) => {
      load.say({ seconds });
      // Somebody who stopped answering must not hold the bench for ever.
      const patience = new AbortController();
      const tooLate = sleep(answerMsMax + seconds * 1000, null, { signal: patience.signal });
      const line = await Promise.race([load.line(), tooLate]);
      if (line === null) throw new Error(`${name} stopped answering`);
      tooLate.catch(() => undefined);
      patience.abort();
      return JSON.parse(line) as TrafficResult;
    },
    stop: load.stop,
  };
}

/** What was started, to be stopped in the opposite order: each of it, even when stopping another one fails. */
export class Undo {
  readonly #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async all(): Promise<void> {
    const errors: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) await step().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, "not everything could be stopped");
  }
}

/** Starts the parts of a system; when one of them fails, those before it are stopped. */
export async function assembled<T>(start: (undo: Undo) => Promise<T>): Promise<T> {
  const undo = new Undo();
  try {
    return await start(undo);
  } catch (error) {
    await undo.all();
    throw error;
  }
}
