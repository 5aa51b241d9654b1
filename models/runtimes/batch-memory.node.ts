import { closeSync, constants, ftruncateSync, openSync, readSync, unlinkSync, writevSync } from "node:fs";
import { randomUUID } from "node:crypto";

/**
 * Memory that the host and its child both reach, for the bytes of pictures. A channel holds about 200 KB: a batch of
 * pictures does not fit, so the child would wait, between two runs, for the daemon to push the rest; and a channel copies
 * each byte four times. Here it is written once and read once.
 *
 * It is a file without a name in the memory file system of Linux, gone with the last process that holds it. Elsewhere
 * there is none, and batches travel through the channel: a file on a disk would leave pictures behind.
 */
export class BatchMemory {
  readonly fd: number;
  /** By slot the number of the batch in it. */
  readonly #slots: (number | null)[] = Array.from({ length: slotsMax }, () => null);

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** null where there is no such memory. */
  static open(folder = memoryFolder): BatchMemory | null {
    const path = `${folder}/holdpoint-batches-${randomUUID()}`;
    try {
      // O_NOFOLLOW and O_EXCL: the folder is everybody's.
      const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
      unlinkSync(path);
      // A size without pages: they come when a batch is written.
      ftruncateSync(fd, slotsMax * slotBytes);
      return new BatchMemory(fd);
    } catch {
      return null;
    }
  }

  /** Where the rows lie, one behind the other; null: they have to travel with the message. */
  place(batch: number, rows: readonly Uint8Array[], bytes: number): number | null {
    if (bytes < placedBytesMin || bytes > slotBytes || rows.length > vectorsMax) return null;
    const slot = this.#slots.indexOf(null);
    if (slot < 0) return null;
    const at = slot * slotBytes;
    try {
      // A container may give this memory less than it promises: then the write comes back short, or not at all.
      if (writevSync(this.fd, rows, at) !== bytes) return null;
    } catch {
      return null;
    }
    this.#slots[slot] = batch;
    return at;
  }

  /** The batch has been answered. */
  free(batch: number): void {
    const slot = this.#slots.indexOf(batch);
    if (slot >= 0) this.#slots[slot] = null;
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** The child's side: reads batches into buffers that it uses again. */
export class BatchReader {
  readonly #fd: number;
  readonly #free: Buffer[] = [];

  constructor(fd = childFd) {
    this.#fd = fd;
  }

  /** The bytes stay as they are until `release`. */
  read(at: number, bytes: number): { readonly bytes: Uint8Array; readonly release: () => void } {
    const last = this.#free.pop();
    const buffer = last !== undefined && last.byteLength >= bytes ? last : Buffer.allocUnsafeSlow(bytes);
    if (readSync(this.#fd, buffer, 0, bytes, at) !== bytes) throw new RangeError("a placed batch is whole");
    return { bytes: buffer.subarray(0, bytes), release: () => void this.#free.push(buffer) };
  }
}

/** Descriptor of the memory in the child, behind the three of every process and the channel. */
const childFd = 4;

const memoryFolder = "/dev/shm";
/** Two batches of pictures for each of two models; the rest travels by message. */
const slotsMax = 4;
const slotBytes = 4 * 1024 * 1024;
/** What is shorter costs less as a part of its message than two calls of the system. */
const placedBytesMin = 16 * 1024;
/** Buffers that one write may gather (IOV_MAX). */
const vectorsMax = 1024;
