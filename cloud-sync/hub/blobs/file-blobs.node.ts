import { mkdir, open, readdir, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { HoldpointError, newId, type Clock, type Random } from "../../../protocol/index.ts";
import { type BlobPlace, type BlobStore } from "./blob-store.ts";

/**
 * Pictures in files, many to a segment: a file of its own for each would cost an fsync for each, and its name another.
 * Segments are only ever appended to, by the process that began them; calls that come while the disk syncs share the next
 * sync. A crash leaves bytes at the end that nothing refers to.
 */
export interface FileBlobsOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** A segment that has so many bytes is followed by another. */
  readonly segmentBytesMax?: number;
}

const segmentBytesMaxDefault = 32 * 1024 * 1024;
/** A segment goes when the last of its pictures has gone: pictures of one hour are forgotten at about the same time. */
const segmentAgeMsMax = 3_600_000;
const namePattern = /^[0-9a-f-]{36}$/;
/** Segments that are asked after in one question. */
const sweptAtOnce = 500;

interface Segment {
  readonly name: string;
  readonly handle: FileHandle;
  readonly bornMs: number;
  end: number;
}

interface Waiting {
  readonly blobs: readonly Uint8Array[];
  readonly resolve: (places: readonly BlobPlace[]) => void;
  readonly reject: (cause: unknown) => void;
}

export async function openFileBlobs(dir: string, options: FileBlobsOptions): Promise<BlobStore> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return new FileBlobs(dir, options);
}

class FileBlobs implements BlobStore {
  readonly #dir: string;
  readonly #options: FileBlobsOptions;
  #segment: Segment | null = null;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;

  constructor(dir: string, options: FileBlobsOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  putAll(blobs: readonly Uint8Array[]): Promise<readonly BlobPlace[]> {
    if (blobs.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ blobs, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async get({ segment, offset, bytes }: BlobPlace): Promise<Uint8Array | null> {
    let handle: FileHandle;
    try {
      handle = await open(this.#file(segment), "r");
    } catch (cause) {
      if (isAbsent(cause)) return null;
      throw cause;
    }
    try {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(bytes), 0, bytes, offset);
      return bytesRead === bytes ? buffer : null;
    } finally {
      await handle.close();
    }
  }

  async deleteUnused(
    beforeMs: number,
    isUsed: (segments: readonly string[]) => Promise<ReadonlySet<string>>,
  ): Promise<number> {
    const names = (await readdir(this.#dir)).filter((name) => namePattern.test(name) && bornMs(name) < beforeMs);
    let deleted = 0;
    for (let from = 0; from < names.length; from += sweptAtOnce) {
      const some = names.slice(from, from + sweptAtOnce);
      const used = await isUsed(some);
      for (const name of some) {
        if (used.has(name) || name === this.#segment?.name) continue;
        await rm(this.#file(name), { force: true });
        deleted += 1;
      }
    }
    return deleted;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#leaveSegment();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0);
      try {
        const places = await this.#write(group.flatMap(({ blobs }) => blobs));
        let at = 0;
        for (const { blobs, resolve } of group) resolve(places.slice(at, (at += blobs.length)));
      } catch (cause) {
        // How much of it reached the disk is not known: nothing is written behind it.
        await this.#leaveSegment().catch(() => undefined);
        for (const { reject } of group) reject(diskError(cause));
      }
    }
    this.#writing = null;
  }

  async #write(blobs: readonly Uint8Array[]): Promise<readonly BlobPlace[]> {
    const segment = await this.#current();
    let offset = segment.end;
    const places = blobs.map(({ byteLength: bytes }): BlobPlace => {
      const place = { segment: segment.name, offset, bytes };
      offset += bytes;
      return place;
    });
    await writeWhole(segment.handle, blobs, segment.end);
    await segment.handle.datasync();
    segment.end = offset;
    return places;
  }

  async #current(): Promise<Segment> {
    const { clock, random, segmentBytesMax = segmentBytesMaxDefault } = this.#options;
    const before = this.#segment;
    if (before && before.end < segmentBytesMax && clock.monotonicMs() - before.bornMs < segmentAgeMsMax) return before;
    await this.#leaveSegment();
    const name = newId(clock, random);
    const handle = await open(this.#file(name), "wx", 0o600);
    this.#segment = { name, handle, bornMs: clock.monotonicMs(), end: 0 };
    // The file is there after a crash when its folder says so.
    const folder = await open(this.#dir, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    return this.#segment;
  }

  async #leaveSegment(): Promise<void> {
    const left = this.#segment;
    this.#segment = null;
    await left?.handle.close();
  }

  #file(name: string): string {
    if (!namePattern.test(name)) throw new Error(`not a segment's name: ${name}`);
    return join(this.#dir, name);
  }
}

/** `writev` may write less than it was given, for instance where the disk becomes full. */
async function writeWhole(handle: FileHandle, blobs: readonly Uint8Array[], at: number): Promise<void> {
  const { bytesWritten } = await handle.writev(blobs, at);
  const size = blobs.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytesWritten === size) return;
  const rest = Buffer.concat(blobs).subarray(bytesWritten);
  let done = 0;
  while (done < rest.byteLength) {
    done += (await handle.write(rest, done, rest.byteLength - done, at + bytesWritten + done)).bytesWritten;
  }
}

/** The first 48 bits of a UUIDv7 are its time (RFC 9562 5.7). */
function bornMs(name: string): number {
  return Number.parseInt(name.slice(0, 8) + name.slice(9, 13), 16);
}

function isAbsent(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === "ENOENT";
}

function diskError(cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") return cause;
  return new HoldpointError("HP_DISK_FULL", "the pictures do not fit on the disk", {
    hint: "Free space on the hub's disk.",
    retryAfterMs: 5000,
    cause,
  });
}
