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
 * A file after a power cut behind event `until`: what was synced is there; of what was written since, in order, some
 * whole writes and a torn one, or any of their sectors, or noise in their place.
 */
export function fileAfterCut(
  events: readonly DiskEvent[],
  until: number,
  file: string,
  random: () => number,
): Uint8Array {
  let synced = -1;
  for (let i = 0; i < until; i += 1) {
    const event = events[i];
    if (event?.kind === "sync" && event.file === file) synced = i;
  }
  const mine = (event: DiskEvent): boolean =>
    (event.kind === "write" || event.kind === "truncate") && event.file === file;
  const image = new FileImage();
  for (const event of events.slice(0, synced + 1)) if (mine(event)) image.apply(event);
  const loose = events.slice(synced + 1, until).filter(mine);
  const kept = Math.floor(random() * (loose.length + 1));
  const manner = random();
  for (const [index, event] of loose.entries()) {
    if (event.kind !== "write") {
      if (index < kept) image.apply(event);
    } else if (manner < 0.4) {
      if (index < kept) image.apply(event);
      else if (index === kept) image.apply({ ...event, bytes: event.bytes.subarray(0, random() * event.bytes.length) });
    } else image.scatter(event, random, manner > 0.8);
  }
  return image.bytes();
}

class FileImage {
  #bytes = new Uint8Array(1 << 20);
  #length = 0;

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
