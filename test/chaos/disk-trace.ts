import { basename } from "node:path";

/** What a process asked of its disk, in order, as strace wrote it down. */
export type DiskEvent =
  | { readonly kind: "write"; readonly file: string; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly file: string; readonly length: number }
  | { readonly kind: "sync"; readonly file: string }
  /** Somebody was told that the records up to `n` are durable. */
  | { readonly kind: "acknowledged"; readonly n: number; readonly hash: string };

/** Arguments for strace under which `readTrace` understands its output: the main thread alone, all bytes. */
export function straceArguments(output: string): readonly string[] {
  return ["-xx", "-s", "2000000", "-o", output, "-e", "trace=openat,write,pwrite64,fsync,fdatasync,ftruncate,close"];
}

const call = /^(\w+)\((?:AT_FDCWD, )?("[^"]*"|\d+)(?:, ("[^"]*"|[^,)]+))?(?:, ([^,)]+))?(?:, ([^,)]+))?\)\s+= (-?\d+)/;

export function readTrace(text: string): readonly DiskEvent[] {
  const open = new Map<string, string>();
  return text.split("\n").flatMap((line): DiskEvent[] => {
    const [, name = "", first = "", second = "", , fourth = "", result = ""] = call.exec(line) ?? [];
    const file = open.get(first);
    if (name === "openat" && Number(result) >= 0) open.set(result, basename(unescape(first).toString()));
    else if (name === "close") open.delete(first);
    else if (name === "write" && first === "1") return acknowledgement(unescape(second).toString());
    else if (file === undefined) return [];
    else if (name === "pwrite64") return [{ kind: "write", file, at: Number(fourth), bytes: unescape(second) }];
    else if (name === "ftruncate") return [{ kind: "truncate", file, length: Number(second) }];
    else if (name === "fsync" || name === "fdatasync") return [{ kind: "sync", file }];
    return [];
  });
}

function acknowledgement(said: string): DiskEvent[] {
  const [word, n = "", hash = ""] = said.trim().split(" ");
  return word === "acknowledged" ? [{ kind: "acknowledged", n: Number(n), hash }] : [];
}

function unescape(quoted: string): Buffer {
  return Buffer.from(quoted.slice(1, -1).replaceAll(String.raw`\x`, ""), "hex");
}

const sectorBytes = 512;

/**
 * One file over a run of power cuts, each behind a later event than the one before, so that what is on the disk for good
 * is built up once. After a cut what was synced is there; of what was written since, in order, some whole writes and a
 * torn one, or any of their sectors, or noise in their place.
 */
export class CutFile {
  readonly #events: readonly DiskEvent[];
  readonly #file: string;
  readonly #synced = new FileImage();
  readonly #image = new FileImage();
  /** Writes and truncations since the last sync. */
  #loose: DiskEvent[] = [];
  #at = 0;

  constructor(events: readonly DiskEvent[], file: string) {
    this.#events = events;
    this.#file = file;
  }

  /** The bytes after a cut behind event `until`; valid until the next call. */
  after(until: number, random: () => number): Uint8Array {
    this.#advance(until);
    const image = this.#image;
    image.become(this.#synced);
    const loose = this.#loose;
    const kept = Math.floor(random() * (loose.length + 1));
    const manner = random();
    for (const [index, event] of loose.entries()) {
      if (event.kind !== "write") {
        if (index < kept) image.apply(event);
      } else if (manner < 0.4) {
        if (index < kept) image.apply(event);
        else if (index === kept)
          image.apply({ ...event, bytes: event.bytes.subarray(0, random() * event.bytes.length) });
      } else image.scatter(event, random, manner > 0.8);
    }
    return image.bytes();
  }

  #advance(until: number): void {
    if (until < this.#at) throw new Error("cuts come in order");
    for (; this.#at < until; this.#at += 1) {
      const event = this.#events[this.#at];
      if (event === undefined || event.kind === "acknowledged" || event.file !== this.#file) continue;
      if (event.kind !== "sync") {
        this.#loose.push(event);
        continue;
      }
      for (const write of this.#loose) this.#synced.apply(write);
      this.#loose = [];
    }
  }
}

class FileImage {
  #bytes = new Uint8Array(1 << 20);
  #length = 0;

  become(other: FileImage): void {
    if (other.#bytes.length > this.#bytes.length) this.#bytes = new Uint8Array(other.#bytes.length);
    this.#bytes.set(other.bytes());
    // Behind the end of the file there is nothing, whatever the last cut left.
    this.#bytes.fill(0, other.#length, Math.max(this.#length, other.#length));
    this.#length = other.#length;
  }

  apply(event: DiskEvent): void {
    if (event.kind === "truncate") {
      this.#bytes.fill(0, event.length);
      this.#length = event.length;
    } else if (event.kind === "write") {
      const end = event.at + event.bytes.length;
      if (end > this.#bytes.length) {
        const larger = new Uint8Array(2 * end);
        larger.set(this.#bytes);
        this.#bytes = larger;
      }
      this.#bytes.set(event.bytes, event.at);
      this.#length = Math.max(this.#length, end);
    }
  }

  /** Disks order sectors as they like: each comes through or not, or is noise. */
  scatter(event: Extract<DiskEvent, { kind: "write" }>, random: () => number, noisy: boolean): void {
    for (let from = 0; from < event.bytes.length; from += sectorBytes) {
      const sector = event.bytes.slice(from, from + sectorBytes);
      const fate = random();
      if (fate < 0.5) this.apply({ ...event, at: event.at + from, bytes: sector });
      else if (noisy && fate < 0.6) {
        this.apply({ ...event, at: event.at + from, bytes: sector.map(() => Math.floor(random() * 256)) });
      }
    }
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
