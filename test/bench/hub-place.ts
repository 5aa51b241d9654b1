import { fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../support/agent-process.ts";
import { startPostgres } from "../support/postgres.ts";
import { answersOf } from "../support/child-answers.ts";
import { type HubBenchAnswer, type HubBenchQuestion } from "./hub-question.ts";

export type StoreKind = "sqlite" | "postgres";

/** A hub that runs, and the database that it runs on. */
export interface BenchHub {
  readonly kind: StoreKind;
  readonly url: string;
  readonly token: string;
  readonly dataDir: string;
  /** Address of the PostgreSQL, or null on SQLite. */
  readonly database: string | null;
  look(): Promise<HubBenchAnswer>;
  close(): Promise<void>;
}

/**
 * Starts a hub on a new database of that kind, and the PostgreSQL with it where it needs one. `prepare` is given the
 * address of the database before the hub has it.
 */
export async function startBenchHub(
  kind: StoreKind,
  prepare: (url: string) => Promise<void> = () => Promise.resolve(),
): Promise<BenchHub> {
  const dataDir = await mkdtemp(join(tmpdir(), "holdpoint-hub-"));
  const server = kind === "postgres" ? await startPostgres() : null;
  const database = server ? await server.createDatabase() : null;
  await prepare(database ?? dataDir);
  const args = ["--data", dataDir, ...(database === null ? [] : ["--database", database])];
  const child = fork(join(root, "test/bench/bench-hub.node.ts"), args, { execArgv: hubFlags() });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const ask = answersOf(child, "the bench's hub");
  const { url, token } = await ask<HubBenchAnswer>();
  return {
    ...{ kind, url, token, dataDir, database },
    look: () => ask<HubBenchAnswer>({ do: "look" } satisfies HubBenchQuestion),
    close: async () => {
      child.send({ do: "close" } satisfies HubBenchQuestion);
      await ended;
      await server?.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** `HUB_PROFILE=dir` writes a CPU profile of the hub there. */
function hubFlags(): string[] {
  const dir = process.env["HUB_PROFILE"];
  // As `holdpoint hub` starts itself (edge-agent/cli/young-heap.node.ts).
  return ["--max-semi-space-size=32", ...(dir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${dir}`])];
}
