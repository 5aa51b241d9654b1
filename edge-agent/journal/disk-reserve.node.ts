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
import { HoldpointError } from "../../protocol/errors.ts";
import { sqliteError, sqliteFault } from "../../protocol/platform/sqlite.node.ts";
import { type JournalLimits, type RetentionLimits } from "./journal-wire.ts";

/** The journal and the disk it lies on: what it takes of it, what it keeps aside, and when there is no room. */

/** Shares of the disk, for disks that are too small for the usual limits. */
const databaseShareMax = 0.6;
const reserveShareMax = 1 / 8;
const logShareMax = 1 / 16;
const reserveBytesMin = 1024 * 1024;

/**
 * The limits on a disk of this size. Database (6/10), log (1/16, and as much again until it is cut) and the reserve twice
 * over (2/8) fit together, so a journal that has its disk to itself never fills it, and always finds the room that it
 * wants before it goes on again.
 */
export function limitsOn(diskBytes: number, limits: JournalLimits): JournalLimits {
  const share = (part: number): number => Math.max(reserveBytesMin, Math.floor(diskBytes * part));
  return {
    ...limits,
    reserveBytes: Math.min(limits.reserveBytes, share(reserveShareMax)),
    walBytesMax: Math.min(limits.walBytesMax, share(logShareMax)),
    databaseBytesMax: Math.min(limits.databaseBytesMax, share(databaseShareMax)),
  };
}

/** Share of the database that inputs may take; the rest is for the rows of their cases and for pages that are half full. */
const inputShareMax = 0.5;

/**
 * The retention in a database of this bound. Without it a budget that is larger than the disk is never full: pictures that
 * wait for people would fill the database, and everything would be refused where new cases can take the safe action.
 */
export function retentionIn(retention: RetentionLimits, { databaseBytesMax }: JournalLimits): RetentionLimits {
  const journalBytesMax = Math.min(retention.journalBytesMax, Math.floor(databaseBytesMax * inputShareMax));
  return { ...retention, journalBytesMax };
}

export function diskBytes(dir: string): number {
  const { blocks, bsize } = statfsSync(dir);
  return blocks * bsize;
}

function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

/** Below this SQLite cannot even make the file of its shared memory, and calls that an I/O error. */
const openingBytesMin = 1024 * 1024;

/** Whether an error means that the disk is full, however SQLite or Node put it. */
export function isOutOfSpace(error: unknown, dir: string): boolean {
  const cause = error instanceof HoldpointError ? (error.cause ?? error) : error;
  if (error instanceof HoldpointError && error.code === "HP_DISK_FULL") return true;
  if (sqliteFault(cause) === "full" || (cause as NodeJS.ErrnoException).code === "ENOSPC") return true;
  if (sqliteFault(cause) !== "io") return false;
  try {
    return freeBytes(dir) < openingBytesMin;
  } catch {
    return false;
  }
}

/** The operational error for a journal that does not open. */
export function openingError(error: unknown, dir: string): HoldpointError {
  const what = `the journal in ${dir} cannot be opened`;
  const named = error instanceof HoldpointError && error.code !== "HP_JOURNAL";
  if (named || !isOutOfSpace(error, dir)) return sqliteError(error, what);
  return new HoldpointError("HP_DISK_FULL", `${what}: the disk is full`, { cause: error });
}

/**
 * A file that holds disk space against the day when there is none: on a full disk SQLite can neither insert nor delete
 * nor copy its log back, so the space to finish what was begun must have been taken before.
 */
export class DiskReserve {
  readonly #file: string;
  readonly #dir: string;
  readonly #bytes: number;
  #low = false;

  constructor(dir: string, bytes: number) {
    this.#dir = dir;
    this.#file = `${dir}/reserve`;
    this.#bytes = bytes;
  }

  get held(): boolean {
    return existsSync(this.#file) && statSync(this.#file).size >= this.#bytes;
  }

  /** Never throws: on a disk that has become read-only it stays. */
  release(): void {
    try {
      rmSync(this.#file, { force: true });
    } catch {
      // Whoever writes next learns what is wrong with the disk.
    }
  }

  /** Takes the space again if the disk has it twice over; false if not. Never throws for want of space. */
  take(): boolean {
    try {
      if (this.held) return true;
      if (this.freeBytes() < 2 * this.#bytes) return false;
      this.#write();
      return true;
    } catch {
      this.release();
      return false;
    }
  }

  /** Whether the disk has less than half a reserve left beside it; said until it has a whole one again. */
  isLow(): boolean {
    try {
      this.#low = this.freeBytes() < this.#bytes * (this.#low ? 1 : 0.5);
    } catch {
      // A disk that cannot be asked says so by other roads.
    }
    return this.#low;
  }

  freeBytes(): number {
    return freeBytes(this.#dir);
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
