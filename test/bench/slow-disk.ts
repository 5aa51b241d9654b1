import { execFile, spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * A disk whose fsync takes 5 ms, as on store hardware, under a program that does not know it: a shim before the C
 * library lets every `fsync`, `fdatasync` and `msync` with MS_SYNC of the program, of its threads and of its children
 * do its work and then wait until the time is up. Calls of several threads do not queue for each other, which flatters
 * whoever syncs several files. SQLite, Redis, MariaDB and Node all go through the C library.
 *
 * ```ts
 * const disk = await slowDisk();                    // compiles the shim; null where that cannot be done
 * if (disk === null) console.error(slowDiskMissing);
 * else {
 *   spawn(command, args, { env: { ...process.env, ...disk.environment } });
 *   const syncMs = await disk.measureMs(folder);    // the yardstick: fsync of a small write in this folder, median
 *   …
 *   await disk.remove();                            // when everything that was spawned has ended
 * }
 * ```
 *
 * The shim is a file that every user may read, so it also holds for a database that runs as another user. A program
 * that is set-user-ID or statically linked does not see it: check with `strace -f -e fsync,fdatasync` and the clock.
 */
export interface SlowDisk {
  /** To be spread over the environment of what is spawned. */
  readonly environment: Readonly<Record<string, string>>;
  /** Median time of one fsync after a write of 300 bytes, milliseconds, as a process with this environment sees it. */
  measureMs(folder: string): Promise<number>;
  remove(): Promise<void>;
}

export const slowDiskMissing = "no slow disk: it needs Linux and a C compiler (cc)";

const shim = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>

static struct timespec due(void) {
  static long us = -1;
  if (us < 0) { const char *text = getenv("HOLDPOINT_FSYNC_US"); us = text ? atol(text) : 0; }
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += us / 1000000;
  at.tv_nsec += (us % 1000000) * 1000;
  if (at.tv_nsec >= 1000000000) { at.tv_sec += 1; at.tv_nsec -= 1000000000; }
  return at;
}

static int late(struct timespec at, int result) {
  int saved = errno;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
  errno = saved;
  return result;
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  struct timespec at = due();
  return late(at, real(fd));
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  struct timespec at = due();
  return late(at, real(fd));
}

int msync(void *address, size_t length, int flags) {
  static int (*real)(void *, size_t, int);
  if (!real) real = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync");
  struct timespec at = due();
  int result = real(address, length, flags);
  return flags & MS_SYNC ? late(at, result) : result;
}
`;

/** Null where there is no Linux or no compiler: say so with `slowDiskMissing` and leave the row out. */
export async function slowDisk(fsyncMs = 5): Promise<SlowDisk | null> {
  if (process.platform !== "linux") return null;
  const folder = await mkdtemp(join(tmpdir(), "holdpoint-slow-disk-"));
  const library = join(folder, "slow-disk.so");
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await writeFile(join(folder, "slow-disk.c"), shim);
    await promisify(execFile)("cc", ["-O2", "-shared", "-fPIC", "-o", library, join(folder, "slow-disk.c"), "-ldl"]);
    await chmod(folder, 0o755);
  } catch {
    await remove();
    return null;
  }
  const others = process.env["LD_PRELOAD"];
  const environment = {
    LD_PRELOAD: others === undefined || others === "" ? library : `${library}:${others}`,
    HOLDPOINT_FSYNC_US: String(Math.round(fsyncMs * 1000)),
  };
  const measureMs = (where: string): Promise<number> => fsyncMedianMs(where, environment);
  return { environment, measureMs, remove };
}

/** What one fsync costs in a folder; with the environment of a slow disk, what it costs there. */
export async function fsyncMedianMs(
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<number> {
  const script = `
    const fs = require("node:fs");
    const file = require("node:path").join(process.argv[1], "fsync-" + process.pid);
    const fd = fs.openSync(file, "w");
    const times = Array.from({ length: 41 }, () => {
      fs.writeSync(fd, Buffer.alloc(300, 1));
      const start = performance.now();
      fs.fsyncSync(fd);
      return performance.now() - start;
    });
    fs.unlinkSync(file);
    console.log(times.sort((a, b) => a - b)[20]);`;
  const child = spawn(process.execPath, ["-e", script, folder], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await new Promise((resolve) => child.once("close", resolve));
  const medianMs = Number(text);
  if (!(medianMs > 0)) throw new Error("the time of an fsync could not be measured");
  return medianMs;
}
