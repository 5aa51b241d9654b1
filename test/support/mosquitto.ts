import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "./agent-process.ts";
import { freePort } from "./free-port.ts";

/** Debian's Mosquitto with the ACL file that ships, persistence, and a password for everyone. */

const places = ["mosquitto", "/usr/sbin/mosquitto"];
const command = places.find((place) => spawnSync(place, ["-h"]).error === undefined) ?? null;
export const hasMosquitto = command !== null && spawnSync("mosquitto_passwd", ["-h"]).error === undefined;
if (!hasMosquitto)
  console.warn("no mosquitto here: `apt-get install mosquitto` runs the tests with an external broker");

export interface Mosquitto {
  readonly url: string;
  /** The file that holds this user's password. */
  passwordFile(user: string): string;
  password(user: string): string;
  /** SIGTERM, and the same broker on the same port again. */
  restart(awayMs: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startMosquitto(users: readonly string[]): Promise<Mosquitto> {
  const dir = await mkdtemp(join(tmpdir(), "mosquitto-"));
  const file = (name: string): string => join(dir, name);
  const port = await freePort();
  const password = (user: string): string => `secret-of-${user}`;
  await writeFile(file("passwords"), users.map((user) => `${user}:${password(user)}\n`).join(""));
  const hashed = spawnSync("mosquitto_passwd", ["-U", file("passwords")], { encoding: "utf8" });
  if (hashed.status !== 0) throw new Error(`mosquitto_passwd failed: ${hashed.stderr}`);
  for (const user of users) await writeFile(file(`${user}.password`), `${password(user)}\n`);
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous false",
    `password_file ${file("passwords")}`,
    `acl_file ${join(root, "docs/mosquitto.acl")}`,
    "persistence true",
    `persistence_location ${dir}/`,
    "max_inflight_messages 200",
    "max_queued_messages 10000",
    "set_tcp_nodelay true",
    // Started by root it would become another user, who may not read the files of this one.
    "user root",
  ];
  await writeFile(file("mosquitto.conf"), `${lines.join("\n")}\n`);
  await chmod(dir, 0o700);
  let child = await run(file("mosquitto.conf"), port);
  return {
    url: `mqtt://127.0.0.1:${port}`,
    password,
    passwordFile: (user) => file(`${user}.password`),
    restart: async (awayMs) => {
      await end(child);
      await sleep(awayMs);
      child = await run(file("mosquitto.conf"), port);
    },
    stop: async () => {
      await end(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function run(config: string, port: number): Promise<ChildProcess> {
  const child = spawn(command ?? "", ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`mosquitto ended: ${log}`);
    if (await answers(port)) return child;
    await sleep(50);
  }
  child.kill("SIGKILL");
  throw new Error(`mosquitto does not listen: ${log}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}
