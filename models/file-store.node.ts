import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { HoldpointError } from "../protocol/index.ts";

/** Files that are either whole or not there, whatever stops the machine in between. */

/** Temporary file, fsync, rename, fsync of the folder: the order that a file system promises to keep. */
export async function writeFileAtomic(file: string, data: Uint8Array | string): Promise<void> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true });
  const temporary = path.join(folder, `.${path.basename(file)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const handle = await open(temporary, "wx", 0o644);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw diskError(cause, `cannot write ${file}`);
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** null where there is no such file. */
export async function readFileIfThere(file: string): Promise<Buffer | null> {
  try {
    return await readFile(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return null;
    throw cause;
  }
}

const lockWaitMs = 20;
const lockTriesMax = 250;

/**
 * Runs `task` while a lock file with this process's id is held, so that two commands do not overwrite each other. The
 * lock of a process that is gone is taken over. Errors: HP_LOCKED after five seconds.
 */
export async function withLock<T>(file: string, task: () => Promise<T>): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  for (let tries = 0; !(await takeLock(file)); tries += 1) {
    if (tries >= lockTriesMax) {
      throw new HoldpointError("HP_LOCKED", `${file} is held by another command`, {
        hint: "Wait for the other command, or remove the file if none runs.",
      });
    }
    await new Promise((done) => setTimeout(done, lockWaitMs));
  }
  try {
    return await task();
  } finally {
    await rm(file, { force: true });
  }
}

async function takeLock(file: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw diskError(cause, `cannot write ${file}`);
    const holder = Number(await readFileIfThere(file));
    if (holder > 0 && !isAlive(holder)) await rm(file, { force: true });
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === "EPERM";
  }
}

function diskError(cause: unknown, message: string): unknown {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT") return new HoldpointError("HP_DISK_FULL", message, { cause });
  return cause;
}
