import { open, realpath, stat } from "node:fs/promises";
import { HoldpointError } from "../protocol/index.ts";
import { faulty, type Faulty } from "./fault.ts";
import { type LayerName } from "./layers.ts";
import { type LayerText } from "./resolve.ts";
import { configBytesMax } from "./store-config.ts";

/** A layer's file. An optional one may be absent: it then says nothing. */
export interface LayerFile {
  readonly layer: LayerName;
  readonly path: string;
  readonly optional?: boolean;
}

export type LayerTexts =
  { readonly ok: true; readonly layers: readonly LayerText[]; readonly missing: readonly string[] } | Faulty;

/** Reads all layer files; never throws. Faults: a file that is absent, too large, no file, or not UTF-8. */
export async function readLayers(files: readonly LayerFile[]): Promise<LayerTexts> {
  const layers: LayerText[] = [];
  const missing: string[] = [];
  for (const { layer, path, optional = false } of files) {
    try {
      layers.push({ layer, file: path, text: await readText(path) });
    } catch (cause) {
      if (isAbsent(cause) && optional) {
        missing.push(path);
        continue;
      }
      const message = cause instanceof HoldpointError ? cause.message : `the file cannot be read (${codeOf(cause)})`;
      const hint = "Check that the file is there, is readable, and is UTF-8 text.";
      return faulty([{ file: path, line: 1, column: 1, key: "", message, hint }]);
    }
  }
  return { ok: true, layers, missing };
}

/**
 * What tells one state of a file from another without reading it. The real path is part of it, because Kubernetes
 * changes a mounted config by pointing a symbolic link at another directory.
 */
export async function signatureOf(path: string): Promise<string> {
  try {
    const [target, facts] = await Promise.all([realpath(path), stat(path, { bigint: true })]);
    return [target, facts.dev, facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join(" ");
  } catch (cause) {
    return `unreadable ${codeOf(cause)}`;
  }
}

async function readText(path: string): Promise<string> {
  // Opening a pipe would wait for its writer for ever; only a regular file is opened.
  const facts = await stat(path);
  if (!facts.isFile()) throw new HoldpointError("HP_CONFIG", "this is not a regular file");
  const handle = await open(path, "r");
  try {
    const buffer = new Uint8Array(configBytesMax + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.byteLength - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > configBytesMax) {
      throw new HoldpointError("HP_CONFIG", `the file is larger than ${configBytesMax} bytes`);
    }
    return decode(buffer.subarray(0, length));
  } finally {
    await handle.close();
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new HoldpointError("HP_CONFIG", "the file is not UTF-8 text", { cause });
  }
}

function isAbsent(cause: unknown): boolean {
  return codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR";
}

function codeOf(cause: unknown): string {
  const code = (cause as { readonly code?: unknown }).code;
  return typeof code === "string" ? code : "unknown";
}
