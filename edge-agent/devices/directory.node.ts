import { randomBytes, timingSafeEqual } from "node:crypto";
import { stat } from "node:fs/promises";
import {
  HoldpointError,
  namePattern,
  reservedDeviceNames,
  type Cancel,
  type Clock,
  type Logger,
  type Timers,
} from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { type DeviceDirectory } from "../service.ts";
import { changeDevices, deviceFilePath, readDevices, type DeviceRecord } from "./device-file.node.ts";
import { hashSecret, newSecret, nothingMatches, randomPart, secretMatches } from "./secret.node.ts";

export interface DirectoryOptions {
  /** The agent's data directory. */
  readonly dir: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export interface OpenDirectory extends DeviceDirectory {
  /** Why the file on disk is not the one in force, or null. */
  problem(): HoldpointError | null;
  /** Names the secret that is in force, without telling it; null for a device that may not connect. */
  secretVersion(device: string): string | null;
  /** Reads the file now if it changed. */
  refresh(): Promise<void>;
  close(): void;
}

/** Slow checks that wait; above it a new one is refused with HP_BUSY. Checks of known secrets never wait. */
const checksWaitingMax = 4_096;
/** The thread pool has four threads, and the agent needs some of them. */
const checksAtOnceMax = 2;
const refreshEveryMs = 1_000;

/**
 * Opens `<data>/devices.json` and follows its changes within a second. A file that cannot be read leaves the last good
 * one in force. Errors: HP_CONFIG when the file cannot be read at the start.
 */
export async function openDeviceDirectory(options: DirectoryOptions): Promise<OpenDirectory> {
  const directory = new FileDirectory(options);
  await directory.load();
  directory.follow();
  return directory;
}

class FileDirectory implements OpenDirectory {
  readonly #options: DirectoryOptions;
  /** Secrets that were right once in this process: HMAC under a key that no disk has seen. */
  readonly #verified = new Map<string, { readonly of: string; readonly mac: Uint8Array }>();
  readonly #cacheKey = randomBytes(32);
  readonly #waiting: (() => void)[] = [];
  #devices: ReadonlyMap<string, DeviceRecord> = new Map();
  #stamp = "";
  #problem: HoldpointError | null = null;
  #checking = 0;
  #cancel: Cancel = () => undefined;
  #refreshing: Promise<void> | null = null;
  #refreshedAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  has(device: string): boolean {
    return this.#devices.get(device)?.disabled === false;
  }

  secretVersion(device: string): string | null {
    const record = this.#devices.get(device);
    return record?.disabled === false ? record.scrypt.hash : null;
  }

  problem(): HoldpointError | null {
    return this.#problem;
  }

  async verify(device: string, whole: string): Promise<boolean> {
    const secret = randomPart(device, whole);
    // A device that was added a moment ago need not wait for the next look at the file.
    if (!this.has(device) && this.#options.clock.monotonicMs() - this.#refreshedAtMs > 100) await this.refresh();
    const record = this.#devices.get(device);
    const mac = nodeHasher.hmacSha256(this.#cacheKey, Buffer.from(secret));
    const known = this.#verified.get(device);
    if (record?.disabled === false && known?.of === record.scrypt.hash && timingSafeEqual(known.mac, mac)) return true;
    const matches = await this.#slowly(() => (record ? secretMatches(secret, record.scrypt) : nothingMatches(secret)));
    // Looked up again: the device may have been removed meanwhile.
    const current = this.#devices.get(device);
    if (!matches || current?.disabled !== false || current.scrypt.hash !== record?.scrypt.hash) return false;
    this.#verified.set(device, { of: current.scrypt.hash, mac });
    return true;
  }

  async load(): Promise<void> {
    const stamp = await stampOf(this.#options.dir);
    const devices = await readDevices(this.#options.dir);
    this.#devices = new Map(devices.map((device) => [device.name, device]));
    for (const name of this.#verified.keys()) if (!this.#devices.has(name)) this.#verified.delete(name);
    this.#stamp = stamp;
    this.#problem = null;
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  follow(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.timers.after(refreshEveryMs, () => void this.refresh().then(() => this.follow()));
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async #refresh(): Promise<void> {
    this.#refreshedAtMs = this.#options.clock.monotonicMs();
    try {
      const stamp = await stampOf(this.#options.dir);
      if (stamp === this.#stamp) return;
      this.#stamp = stamp;
      await this.load();
      this.#options.logger.info("devices_loaded", { devices: this.#devices.size });
    } catch (cause) {
      this.#problem = HoldpointError.from(cause, "HP_CONFIG");
      this.#options.logger.warn("devices_not_loaded", { cause });
    }
  }

  /** A few at once: whoever guesses secrets must not take the thread pool from the rest of the agent. */
  async #slowly<T>(check: () => Promise<T>): Promise<T> {
    if (this.#checking >= checksAtOnceMax) {
      if (this.#waiting.length >= checksWaitingMax) {
        throw new HoldpointError("HP_BUSY", "too many secrets wait to be checked", { retryAfterMs: 2_000 });
      }
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    } else {
      this.#checking += 1;
    }
    try {
      return await check();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#checking -= 1;
    }
  }
}

async function stampOf(dir: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(deviceFilePath(dir));
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return "none";
  }
}

/**
 * Adds a device and returns its secret: the only time that it is seen. Adding a device that exists is refused
 * (HP_CONFLICT), so that nobody locks a camera out by mistake. Errors: HP_USAGE for a name that cannot be one.
 */
export async function addDevice(dir: string, name: string, nowMs: number): Promise<string> {
  checkName(name);
  const secret = newSecret(name);
  const record: DeviceRecord = {
    name,
    scrypt: await hashSecret(randomPart(name, secret)),
    createdAt: nowMs,
    disabled: false,
  };
  return changeDevices(dir, (devices) => {
    if (devices.some((device) => device.name === name)) {
      const hint = "Remove it first with `holdpoint device remove`, or choose another name.";
      throw new HoldpointError("HP_CONFLICT", `there is a device ${name} already`, { hint });
    }
    return { devices: [...devices, record], result: secret };
  });
}

/** Removes a device; an agent that runs closes its connections within seconds. False where there was none. */
export async function removeDevice(dir: string, name: string): Promise<boolean> {
  return changeDevices(dir, (devices) => {
    const left = devices.filter((device) => device.name !== name);
    return { devices: left, result: left.length < devices.length };
  });
}

function checkName(name: string): void {
  const hint = "Use 1 to 64 letters, digits, dots, dashes and underscores; begin with a letter or a digit.";
  if (!namePattern.test(name))
    throw new HoldpointError("HP_USAGE", `${JSON.stringify(name)} is not a device name`, { hint });
  if (reservedDeviceNames.has(name)) {
    throw new HoldpointError("HP_USAGE", `the name ${name} is reserved`, { hint: "Choose another name." });
  }
}
