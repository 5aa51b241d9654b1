import { execFileSync } from "node:child_process";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DiskReserve, isOutOfSpace } from "../../edge-agent/journal/disk-reserve.node.ts";
import { openForTest, temporaryDirectory } from "../contract/journal-sqlite.ts";
import { admissionOf, makeRequest } from "../support/journal-cases.ts";

/** The journal on a disk that others fill as well. */

const limits = { reserveBytes: 16 << 20, walBytesMax: 8 << 20 };

async function onSmallDisk(mebibytes: number, run: (dir: string) => Promise<void>): Promise<boolean> {
  const dir = temporaryDirectory();
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", dir], { stdio: "ignore" });
  } catch {
    rmSync(dir, { recursive: true });
    return false;
  }
  try {
    await run(dir);
  } finally {
    execFileSync("/bin/umount", ["-l", dir]);
    rmSync(dir, { recursive: true });
  }
  return true;
}

function fillUpTo(dir: string, leftBytes: number): void {
  const free = new DiskReserve(dir, 0).freeBytes();
  try {
    writeFileSync(join(dir, "filler"), Buffer.alloc(Math.max(0, free - leftBytes), 1));
  } catch {
    // Full is what was wanted.
  }
}

const cannotMount = "mounting a small tmpfs is not allowed here";

test("its reserve is an eighth of a small disk", async ({ skip }) => {
  const ran = await onSmallDisk(64, async (dir) => {
    const under = await openForTest({ dir: join(dir, "data"), limits });
    expect(statSync(join(under.dir, "reserve")).size).toBe(8 << 20);
    await under.journal.close();
  });
  if (!ran) skip(cannotMount);
});

test("a disk that is nearly full is said while new work is still taken", async ({ skip }) => {
  const ran = await onSmallDisk(64, async (dir) => {
    const under = await openForTest({ dir: join(dir, "data"), limits });
    fillUpTo(dir, 3 << 20);
    await under.pass(1000);
    expect(under.journal.storage().problem).toMatchObject({
      code: "HP_DISK_FULL",
      message: expect.stringContaining("nearly") as string,
    });
    expect(await under.journal.admit(admissionOf(makeRequest()))).toEqual({ kind: "admitted" });
    rmSync(join(dir, "filler"));
    await under.pass(1000);
    expect(under.journal.storage().problem).toBeNull();
    await under.journal.close();
  });
  if (!ran) skip(cannotMount);
});

test("without its reserve it takes no new work, and says so", async ({ skip }) => {
  const ran = await onSmallDisk(64, async (dir) => {
    const under = await openForTest({ dir: join(dir, "data"), limits });
    rmSync(join(under.dir, "reserve"));
    fillUpTo(dir, 12 << 20);
    await under.pass(1000);
    await under.pass(1000);
    expect(under.journal.storage().problem).toMatchObject({
      code: "HP_DISK_FULL",
      message: expect.stringContaining("no room") as string,
    });
    await expect(under.journal.admit(admissionOf(makeRequest()))).rejects.toMatchObject({ code: "HP_DISK_FULL" });
    rmSync(join(dir, "filler"));
    await under.pass(1000);
    expect(statSync(join(under.dir, "reserve")).size).toBe(8 << 20);
    expect(await under.journal.admit(admissionOf(makeRequest()))).toEqual({ kind: "admitted" });
    await under.journal.close();
  });
  if (!ran) skip(cannotMount);
});

test("without one byte it does not start, and says that the disk is full", async ({ skip }) => {
  const ran = await onSmallDisk(16, async (dir) => {
    const under = await openForTest({ dir: join(dir, "data"), limits });
    await under.journal.close();
    rmSync(join(under.dir, "reserve"));
    fillUpTo(dir, 0);
    await expect(openForTest({ dir: under.dir, limits })).rejects.toMatchObject({ code: "HP_DISK_FULL" });
    // SQLite calls it an I/O error when its shared memory does not fit.
    const sharedMemory = Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_SHMSIZE" });
    expect(isOutOfSpace(sharedMemory, dir)).toBe(true);
    rmSync(join(dir, "filler"));
    expect(isOutOfSpace(sharedMemory, dir)).toBe(false);
    const again = await openForTest({ dir: under.dir, limits });
    expect(again.opened).toEqual({ kind: "existing" });
    await again.journal.close();
  });
  if (!ran) skip(cannotMount);
});
