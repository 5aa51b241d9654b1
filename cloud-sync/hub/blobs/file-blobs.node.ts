import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldpointError } from "../../../protocol/index.ts";
import { type Blob, type BlobStore } from "./blob-store.ts";

/** Files in a directory, spread over folders by the end of their names (the start of a UUIDv7 is the time). */
const namePattern = /^[A-Za-z0-9-]{4,64}$/;
/** Files that are written at the same time; the thread pool has four threads. */
const atOnceMax = 8;

export async function openFileBlobs(dir: string): Promise<BlobStore> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const known = new Set<string>();
  const place = (name: string): { readonly folder: string; readonly file: string } => {
    if (!namePattern.test(name)) throw new Error(`not a blob's name: ${name}`);
    const folder = join(dir, name.slice(-2));
    return { folder, file: join(folder, name) };
  };
  const put = async ({ name, bytes }: Blob): Promise<string> => {
    const { folder, file } = place(name);
    if (!known.has(folder)) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      known.add(folder);
    }
    // Written beside and moved over: a reader sees the old bytes or the new ones, and a crash leaves no half.
    const handle = await open(`${file}.new`, "w", 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    return folder;
  };
  return {
    putAll: async (blobs) => {
      try {
        const folders = new Set(await inTurn(blobs, put));
        // The names are durable when their folders are.
        await inTurn([...folders], syncFolder);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw cause;
        const hint = "Free space on the hub's disk.";
        throw new HoldpointError("HP_DISK_FULL", "the pictures do not fit on the disk", {
          hint,
          retryAfterMs: 5000,
          cause,
        });
      }
    },
    get: async (name) => {
      try {
        return await readFile(place(name).file);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw cause;
      }
    },
    deleteAll: async (names) => {
      await inTurn(names, (name) => rm(place(name).file, { force: true }));
    },
  };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, worker));
  return results;
}
