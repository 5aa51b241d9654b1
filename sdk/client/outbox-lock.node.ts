import { createHash } from "node:crypto";
import { once } from "node:events";
import { unlink } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { HoldpointError } from "../../protocol/index.ts";

/**
 * Keeps two processes of one machine off one outbox. A listening socket, not a file with a process id in it: the kernel
 * gives it back when the process dies, however it dies, and a recycled process id cannot hold it.
 * Errors: HP_LOCKED.
 */
export async function lockOutbox(path: string): Promise<() => Promise<void>> {
  const name = `holdpoint-outbox-${createHash("sha256").update(resolve(path)).digest("hex").slice(0, 32)}`;
  const address = addressOf(name);
  const server = (await listen(address)) ?? ((await isStale(address)) ? await listen(address) : null);
  if (server === null) {
    throw new HoldpointError("HP_LOCKED", `another client of this machine uses the outbox ${path}`, {
      hint: "Give every process an outbox of its own, or close the other client first.",
    });
  }
  server.unref();
  return () => new Promise((done) => server.close(() => done()));
}

function addressOf(name: string): string {
  if (process.platform === "win32") return `\\\\.\\pipe\\${name}`;
  // Linux has an abstract namespace that leaves nothing on the disk.
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), `${name}.sock`);
}

async function listen(address: string): Promise<Server | null> {
  const server = createServer((socket) => socket.destroy());
  server.listen(address);
  try {
    await once(server, "listening");
    return server;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EADDRINUSE") return null;
    throw cause;
  }
}

/** A socket file outlives its process: if nobody answers, it is removed. */
async function isStale(address: string): Promise<boolean> {
  if (process.platform === "linux" || process.platform === "win32") return false;
  const socket = connect(address);
  try {
    await once(socket, "connect");
    return false;
  } catch {
    await unlink(address).catch(() => undefined);
    return true;
  } finally {
    socket.destroy();
  }
}
