import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  rmSync,
  statSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { randomFillSync } from "node:crypto";

/**
 * A file that holds disk space against the day when there is none: on a full disk SQLite can neither insert nor delete
 * nor copy its log back, so the space to finish what was begun must have been taken before.
 */
export class DiskReserve {
  readonly #file: string;
  readonly #dir: string;
  readonly #bytes: number;

  constructor(dir: string, bytes: number) {
    this.#dir = dir;
    this.#file = `${dir}/reserve`;
    this.#bytes = bytes;
  }

  get held(): boolean {
    return existsSync(this.#file) && statSync(this.#file).size >= this.#bytes;
  }

  release(): void {
    rmSync(this.#file, { force: true });
  }

  /** Takes the space again if the disk has it twice over; false if not. Never throws for want of space. */
  take(): boolean {
    if (this.held) return true;
    try {
      if (this.freeBytes() < 2 * this.#bytes) return false;
      this.#write();
      return true;
    } catch {
      this.release();
      return false;
    }
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#dir);
    return bavail * bsize;
  }

  #write(): void {
    // Random bytes: a file system that compresses or punches holes would keep no space for zeros.
    const chunk = Buffer.allocUnsafe(Math.min(this.#bytes, 1 << 20));
    randomFillSync(chunk);
    const fd = openSync(this.#file, "w", 0o600);
    try {
      for (let at = 0; at < this.#bytes; at += chunk.length) writeSync(fd, chunk, 0, chunk.length);
      ftruncateSync(fd, this.#bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}
