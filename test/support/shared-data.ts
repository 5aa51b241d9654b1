import { execFileSync } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { extract } from "tar-stream";

/** Real data and models beside the checkout; tests that need them are skipped with a line that says so. */
export const shared = process.env["HOLDPOINT_SHARED"];

export function sharedFile(path: string): string | null {
  const file = shared === undefined ? null : join(process.cwd(), shared, path);
  const absolute = shared?.startsWith("/") ? join(shared, path) : file;
  return absolute !== null && existsSync(absolute) ? absolute : null;
}

/** Why a test is skipped, or null. */
export function whyNoShared(path: string): string | null {
  if (sharedFile(path) !== null) return null;
  return shared === undefined ? "HOLDPOINT_SHARED is not set" : `${path} is not beside the checkout`;
}

export function whyNoPaho(): string | null {
  try {
    execFileSync("/usr/bin/python3", ["-c", "import paho.mqtt.client"], { stdio: "ignore" });
    return null;
  } catch {
    return "Debian's python3-paho-mqtt is not installed";
  }
}

export interface TarPicture {
  readonly name: string;
  readonly data: Uint8Array;
}

export async function picturesOf(tar: string): Promise<readonly TarPicture[]> {
  const pictures: TarPicture[] = [];
  for await (const entry of createReadStream(tar).pipe(extract())) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    if (entry.header.type === "file") pictures.push({ name: entry.header.name, data: Buffer.concat(chunks) });
  }
  return pictures;
}
