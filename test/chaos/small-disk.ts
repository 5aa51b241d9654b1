import { execFileSync } from "node:child_process";
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentPlace } from "../support/agent-process.ts";

/** A real file system of its own, small enough to be filled. Needs the right to mount. */
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
    return moved(place, this.dir);
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

  unmount(): void {
    this.free();
    execFileSync("/bin/umount", ["-l", this.dir]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** An ext4 of its own on a loop device, that turns read-only as it does after an I/O error. Needs the right to mount. */
export class FailingDisk {
  readonly dir: string;
  readonly #folder: string;
  readonly #image: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#image = join(folder, "image");
    this.dir = join(folder, "disk");
  }

  /** Null where loop devices, ext4 or mounting are not to be had. */
  static mount(mebibytes: number): FailingDisk | null {
    const disk = new FailingDisk(mkdtempSync(join(tmpdir(), "holdpoint-ext4-")));
    try {
      mkdirSync(disk.dir);
      writeFileSync(disk.#image, "");
      truncateSync(disk.#image, mebibytes * 1024 ** 2);
      execFileSync("mkfs.ext4", ["-q", "-F", disk.#image], { stdio: "ignore" });
      disk.#mount();
      return disk;
    } catch {
      rmSync(disk.#folder, { recursive: true, force: true });
      return null;
    }
  }

  take(place: AgentPlace): AgentPlace {
    const taken = moved(place, this.dir);
    // What the agent was given is on the disk before it starts; what it writes is its own care.
    execFileSync("sync", ["-f", this.dir]);
    return taken;
  }

  /** What `errors=remount-ro` does when the disk fails. Nobody can turn it back while it is mounted. */
  becomeReadOnly(): void {
    execFileSync("/bin/mount", ["-o", "remount,abort", this.dir], { stdio: "ignore" });
  }

  /** Its journal is replayed, as after a power cut. Waits for those who still have it open. */
  async mountAnew(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        execFileSync("/bin/umount", [this.dir], { stdio: "ignore" });
        break;
      } catch (cause) {
        if (attempt === 50) throw cause;
        await sleep(100);
      }
    }
    this.#mount();
  }

  #mount(): void {
    execFileSync("/bin/mount", ["-o", "loop,errors=remount-ro", this.#image, this.dir], { stdio: "ignore" });
  }

  unmount(): void {
    execFileSync("/bin/umount", ["-l", this.dir], { stdio: "ignore" });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function moved(place: AgentPlace, dir: string): AgentPlace {
  const dataDir = join(dir, "data");
  cpSync(place.dataDir, dataDir, { recursive: true });
  return { ...place, dataDir, configFile: join(dataDir, "store.yaml") };
}
