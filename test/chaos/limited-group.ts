import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A control group of Linux (version 1 or 2) around an agent and its children, with a cap. Needs root. */

const root = "/sys/fs/cgroup";
const periodUs = 100_000;
let made = 0;

/** The words of the two versions for the same things. */
interface GroupFiles {
  readonly folder: string;
  readonly version: 1 | 2;
}

export class LimitedGroup {
  readonly #path: string;
  readonly #version: 1 | 2;

  private constructor({ folder, version }: GroupFiles) {
    made += 1;
    this.#path = join(folder, `holdpoint-chaos-${process.pid}-${made}`);
    this.#version = version;
    mkdirSync(this.#path);
  }

  /** Null where control groups cannot be made. */
  static make(controller: "memory" | "cpu"): LimitedGroup | null {
    const files = filesOf(controller);
    if (files === null) return null;
    try {
      return new LimitedGroup(files);
    } catch {
      return null;
    }
  }

  /** Starts a program inside the group, so that its first byte counts. */
  get launcher(): readonly string[] {
    return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', join(this.#path, "cgroup.procs")];
  }

  /** Memory and swap together where the kernel counts swap; the page cache counts, and goes first. */
  capMemory(bytes: number): void {
    if (this.#version === 2) {
      this.#write("memory.max", bytes);
      if (existsSync(join(this.#path, "memory.swap.max"))) this.#write("memory.swap.max", 0);
      return;
    }
    this.#write("memory.limit_in_bytes", bytes);
    if (existsSync(join(this.#path, "memory.memsw.limit_in_bytes"))) this.#write("memory.memsw.limit_in_bytes", bytes);
  }

  /** Share of one core in (0, 1], or null for no cap. */
  capCpu(share: number | null): void {
    const quotaUs = share === null ? null : Math.round(share * periodUs);
    if (this.#version === 2) {
      writeFileSync(join(this.#path, "cpu.max"), `${quotaUs ?? "max"} ${periodUs}`);
      return;
    }
    this.#write("cpu.cfs_period_us", periodUs);
    this.#write("cpu.cfs_quota_us", quotaUs ?? -1);
  }

  /** How often the kernel killed a process of the group for want of memory. */
  memoryKills(): number {
    return this.#counter(this.#version === 2 ? "memory.events" : "memory.oom_control", "oom_kill");
  }

  /** The most that was ever charged, page cache included. */
  memoryPeakBytes(): number {
    return Number(this.#read(this.#version === 2 ? "memory.peak" : "memory.max_usage_in_bytes"));
  }

  /** Periods in which the group wanted more than its share. */
  throttledPeriods(): number {
    return this.#counter("cpu.stat", "nr_throttled");
  }

  /** When its processes have ended. */
  async remove(): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      try {
        rmdirSync(this.#path);
        return;
      } catch {
        await sleep(100);
      }
    }
  }

  #write(file: string, value: number): void {
    writeFileSync(join(this.#path, file), String(value));
  }

  #read(file: string): string {
    try {
      return readFileSync(join(this.#path, file), "latin1");
    } catch {
      return "0";
    }
  }

  #counter(file: string, name: string): number {
    const line = this.#read(file)
      .split("\n")
      .find((one) => one.startsWith(`${name} `));
    return Number(line?.split(" ")[1] ?? 0);
  }
}

function filesOf(controller: "memory" | "cpu"): GroupFiles | null {
  const first = join(root, controller);
  if (existsSync(join(first, controller === "memory" ? "memory.limit_in_bytes" : "cpu.cfs_quota_us"))) {
    return isWritable(first) ? { folder: first, version: 1 } : null;
  }
  try {
    if (!readFileSync(join(root, "cgroup.controllers"), "latin1").split(/\s/).includes(controller)) return null;
    writeFileSync(join(root, "cgroup.subtree_control"), `+${controller}`);
    return { folder: root, version: 2 };
  } catch {
    return null;
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
