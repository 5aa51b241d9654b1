import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { HoldpointError, silentLogger, type Logger } from "../../protocol/index.ts";
import { encodeRecord, readLog, type LogContents, type LogRecord } from "./outbox-log.node.ts";
import { lockOutbox } from "./outbox-lock.node.ts";
import { type Outbox, type OutboxContents, type OutboxItem } from "./outbox.ts";

export interface FileOutboxOptions {
  /** One file for one client. Its folder is made; beside it `<path>.new` appears while it is rewritten. */
  readonly path: string;
  readonly logger?: Logger;
}

/**
 * An outbox that survives the process and a power cut: an append-only log, on the disk (fsync) before `put` resolves.
 * Puts that come while one is written share the next write. Errors of `list`: HP_LOCKED, HP_USAGE (the file is something
 * else); of `put`: HP_DISK_FULL, and HP_JOURNAL for other failures of the disk.
 */
export function fileOutbox(options: FileOutboxOptions): Outbox {
  return new FileOutbox(options.path, options.logger ?? silentLogger);
}

interface Write {
  readonly record: LogRecord;
  readonly resolve: () => void;
  readonly reject: (error: HoldpointError) => void;
}

/** Dead bytes that make a rewrite worth its three fsyncs. */
const deadBytesMax = 8 * 1024 * 1024;

class FileOutbox implements Outbox {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #items = new Map<string, OutboxItem>();
  readonly #writes: Write[] = [];
  #instance = "";
  #file: FileHandle | null = null;
  #fileBytes = 0;
  #liveBytes = 0;
  /** After a failed fsync nobody knows what the file holds (Rebello et al. 2020): it is written anew. */
  #suspect = false;
  #busy = false;
  #flushing: Promise<void> = Promise.resolve();
  #unlock: (() => Promise<void>) | null = null;
  #closed: Promise<void> | null = null;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  async list(): Promise<OutboxContents> {
    await mkdir(dirname(this.#path), { recursive: true });
    this.#unlock = await lockOutbox(this.#path);
    try {
      const contents = await this.#read();
      this.#instance = contents.instance ?? randomBytes(4).toString("hex");
      for (const [key, item] of contents.items) this.#keep(key, item);
      await this.#openOrRewrite(contents);
      return { instance: this.#instance, items: [...this.#items.values()] };
    } catch (cause) {
      await this.#release();
      throw diskError(cause, this.#path);
    }
  }

  put(item: OutboxItem): Promise<void> {
    return this.#write({ type: "put", item });
  }

  remove(key: string): Promise<void> {
    const known = this.#items.has(key) || this.#busy;
    return known ? this.#write({ type: "remove", key }) : Promise.resolve();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#flushing;
    await this.#file?.datasync().catch(() => undefined);
    await this.#release();
  }

  async #release(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    this.#file = null;
    await this.#unlock?.();
    this.#unlock = null;
  }

  /** Appends to the file that is there, if it is sound: a full disk has no room for a second one. */
  async #openOrRewrite({ instance, damagedBytes, wholeBytes }: LogContents): Promise<void> {
    this.#fileBytes = wholeBytes;
    if (instance === null || damagedBytes > 0 || this.#isBloated()) {
      await this.#rewrite();
      return;
    }
    this.#file = await open(this.#path, "r+");
    await this.#file.truncate(wholeBytes);
    await this.#file.sync();
  }

  #isBloated(): boolean {
    return this.#fileBytes - this.#liveBytes > Math.max(deadBytesMax, this.#liveBytes);
  }

  async #read(): Promise<LogContents> {
    const file = await readFile(this.#path).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
      throw cause;
    });
    const contents = readLog(file);
    if (file.byteLength > 0 && contents.instance === null && contents.items.size === 0) {
      throw new HoldpointError("HP_USAGE", `${this.#path} is not an outbox`, { hint: "Give the path of a new file." });
    }
    if (contents.damagedBytes > 0) {
      const kept = `${this.#path}.damaged`;
      await rename(this.#path, kept);
      this.#logger.error("outbox_damaged", { kept, bytes: contents.damagedBytes, readable: contents.items.size });
    }
    return contents;
  }

  #write(record: LogRecord): Promise<void> {
    if (this.#closed !== null || this.#unlock === null) {
      return Promise.reject(new HoldpointError("HP_CLOSED", "the outbox is not open"));
    }
    return new Promise((resolve, reject) => {
      this.#writes.push({ record, resolve, reject });
      if (!this.#busy) this.#flushing = this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#busy = true;
    while (this.#writes.length > 0) {
      const batch = this.#writes.splice(0);
      try {
        await this.#append(batch.map(({ record }) => record));
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        const error = diskError(cause, this.#path);
        this.#logger.error("outbox_write_failed", { path: this.#path, cause });
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }

  async #append(records: readonly LogRecord[]): Promise<void> {
    if (this.#suspect || this.#file === null) await this.#rewrite();
    const file = this.#file;
    if (file === null) throw new HoldpointError("HP_CLOSED", "the outbox is not open");
    const bytes = Buffer.concat(records.map(encodeRecord));
    // Removals alone need no fsync: one that a power cut undoes is only sent and answered once more.
    await this.#writeDurably(
      file,
      bytes,
      records.some(({ type }) => type === "put"),
    );
    this.#fileBytes += bytes.byteLength;
    for (const record of records) {
      if (record.type === "put") this.#keep(record.item.key, record.item);
      else if (record.type === "remove") this.#drop(record.key);
    }
    if (this.#isBloated()) await this.#tidy();
  }

  async #writeDurably(file: FileHandle, bytes: Uint8Array, sync: boolean): Promise<void> {
    try {
      await writeWhole(file, bytes, this.#fileBytes);
    } catch (cause) {
      // Usually a full disk: what was written of it is cut off again, and the file is as good as before.
      await file.truncate(this.#fileBytes).catch(() => (this.#suspect = true));
      throw cause;
    }
    if (!sync) return;
    try {
      await file.datasync();
    } catch (cause) {
      this.#suspect = true;
      throw cause;
    }
  }

  /** What was just written is durable already: a rewrite that fails must not fail it. */
  async #tidy(): Promise<void> {
    try {
      await this.#rewrite();
    } catch (cause) {
      // The open file may already be the replaced one.
      this.#suspect = true;
      this.#logger.warn("outbox_rewrite_failed", { path: this.#path, cause });
    }
  }

  /** Writes what lives to a new file and puts it in the old one's place: at every moment one of the two is whole. */
  async #rewrite(): Promise<void> {
    const temporary = `${this.#path}.new`;
    const records: LogRecord[] = [{ type: "instance", instance: this.#instance }];
    for (const item of this.#items.values()) records.push({ type: "put", item });
    // The requests may hold pictures of people: nobody else on the box reads them.
    const file = await open(temporary, "w", 0o600);
    let fileBytes = 0;
    try {
      for (const record of records) {
        const bytes = encodeRecord(record);
        await writeWhole(file, bytes, fileBytes);
        fileBytes += bytes.byteLength;
      }
      await file.sync();
      await rename(temporary, this.#path);
      await syncFolder(dirname(this.#path));
    } catch (cause) {
      await file.close();
      throw cause;
    }
    await this.#file?.close();
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.#suspect = false;
  }

  #keep(key: string, item: OutboxItem): void {
    this.#drop(key);
    this.#items.set(key, item);
    this.#liveBytes += item.bytes.byteLength;
  }

  #drop(key: string): void {
    this.#liveBytes -= this.#items.get(key)?.bytes.byteLength ?? 0;
    this.#items.delete(key);
  }
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.byteLength - at, position + at);
    at += bytesWritten;
  }
}

/** Makes the rename durable. Windows cannot open a folder, and needs no such thing. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function diskError(cause: unknown, path: string): HoldpointError {
  if (cause instanceof HoldpointError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new HoldpointError(full ? "HP_DISK_FULL" : "HP_JOURNAL", `the outbox ${path} cannot be written: ${message}`, {
    hint: full ? "Free space on this device's disk." : "Check the disk and the rights of the outbox's folder.",
    cause,
  });
}
