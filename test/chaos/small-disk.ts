import { execFileSync } from "node:child_process";
import { closeSync, cpSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentPlace } from "../support/agent-process.ts";

/** A real file system of its own, small enough to be filled, that can be made read-only. Needs the right to mount. */
export class SmallDisk {
  readonly dir: string;
  readonly #filler: string;
  #greed: NodeJS.Timeout | null = null;

  private constructor(dir: string) {
    this.dir = dir;
    this.#filler = join(dir, "filler");
  }

  /** Null where mounting is not allowed. */
  static mount(mebibytes: number): SmallDisk | null {
    const dir = mkdtempSync(join(tmpdir(), "holdpoint-disk-"));
    try {
      execFileSync("/bin/mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", dir], { stdio: "ignore" });
      return new SmallDisk(dir);
    } catch {
      rmSync(dir, { recursive: true });
      return null;
    }
  }

  /** Moves a data directory onto this disk. */
  take(place: AgentPlace): AgentPlace {
    const dataDir = join(this.dir, "data");
    cpSync(place.dataDir, dataDir, { recursive: true });
    return { ...place, dataDir, configFile: join(dataDir, "store.yaml") };
  }

  get greedy(): boolean {
    return this.#greed !== null;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.dir);
    return bavail * bsize;
  }

  /** Takes what is free now but for `leaveBytes`; what the journal gives back meanwhile is its own. */
  fill(leaveBytes: number): void {
    const file = openSync(this.#filler, "a");
    try {
      for (let left = this.freeBytes() - leaveBytes; left > 0;) {
        const written = writeSync(file, Buffer.alloc(Math.min(1 << 20, left), 1));
        if (written === 0) return;
        left -= written;
      }
    } catch {
      // Full is what was wanted.
    } finally {
      closeSync(file);
    }
  }

  /** A neighbour that takes whatever becomes free, the journal's reserve too, until `free` is called. */
  fillGreedily(): void {
    this.fill(0);
    this.#greed ??= setInterval(() => this.fill(0), 20);
  }

  free(): void {
    if (this.#greed !== null) clearInterval(this.#greed);
    this.#greed = null;
    rmSync(this.#filler, { force: true });
  }

  remount(mode: "ro" | "rw"): void {
    execFileSync("/bin/mount", ["-o", `remount,${mode}`, this.dir], { stdio: "ignore" });
  }

  unmount(): void {
    this.free();
    execFileSync("/bin/umount", ["-l", this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
