import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../support/free-port.ts";
import { benchFolder, type PeerPlace } from "./peer-place.ts";
import { listening, startPeer, type PeerProcess } from "./peer-process.ts";

const run = promisify(execFile);

export interface PeerServer extends PeerProcess {
  readonly port: number;
  /** One question, one line of an answer. */
  ask(question: readonly string[]): Promise<string>;
}

/** Programs of Debian's packages by their package; servers lie where only root's path leads. */
export async function missingPrograms(programs: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const found = await Promise.all(
    Object.entries(programs).map(async ([program, debian]) => ((await pathOf(program)) === null ? [debian] : [])),
  );
  return found.flat();
}

async function pathOf(program: string): Promise<string | null> {
  for (const folder of [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/bin"]) {
    const path = join(folder, program);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // The next folder.
    }
  }
  return null;
}

/** Debian's Python, which sees Debian's packages; another one in front of it in the path does not. */
export const python = "/usr/bin/python3";

export async function missingModules(modules: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const found = await Promise.all(
    Object.entries(modules).map(async ([module, debian]) => {
      try {
        await run(python, ["-c", `import ${module}`]);
        return [];
      } catch {
        return [debian];
      }
    }),
  );
  return found.flat();
}

/** Redis whose append-only file is synced before every answer. */
export async function startRedis(place: PeerPlace, name: string): Promise<PeerServer> {
  const dir = await place.room(`redis-${name}`);
  const port = await freePort();
  const settings = {
    ...{ port, bind: "127.0.0.1", dir, save: "", appendonly: "yes", appendfsync: "always" },
  };
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const server = startPeer(`redis of ${name}`, [(await pathOf("redis-server")) ?? "", ...args], {
    cwd: dir,
    environment: place.environment,
  });
  return ready(server, port, async (question) => {
    const { stdout } = await run("redis-cli", ["-p", String(port), ...question]);
    return stdout.trim();
  });
}

/** MariaDB that syncs its log at every commit, as it does by default, with the audit table. */
export async function startMariadb(place: PeerPlace, name: string): Promise<PeerServer> {
  const dir = await place.room(`mariadb-${name}`);
  const port = await freePort();
  const socket = join(dir, "socket");
  // A server that runs as root refuses to, unless it is told so.
  const user = process.getuid?.() === 0 ? ["--user=root"] : [];
  const data = `--datadir=${join(dir, "data")}`;
  await run("mariadb-install-db", [
    ...["--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db", ...user],
  ]);
  const server = startPeer(
    `mariadb of ${name}`,
    [
      ...[(await pathOf("mariadbd")) ?? "", "--no-defaults", data, `--socket=${socket}`, ...user],
      ...["--bind-address=127.0.0.1", `--port=${port}`, "--innodb-flush-log-at-trx-commit=1"],
    ],
    { cwd: dir, environment: place.environment },
  );
  const schema = await readFile(join(benchFolder, "peers/schema.sql"), "utf8");
  return ready(
    server,
    port,
    async (question) => {
      const { stdout } = await run("mariadb", [
        "--no-defaults",
        `--socket=${socket}`,
        "-uroot",
        "-N",
        "-e",
        ...question,
      ]);
      return stdout.trim();
    },
    schema,
  );
}

async function ready(
  server: PeerProcess,
  port: number,
  ask: PeerServer["ask"],
  ...first: readonly string[]
): Promise<PeerServer> {
  try {
    await listening(port, server);
    for (const question of first) await ask([question]);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { ...server, port, ask };
}
