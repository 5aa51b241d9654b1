import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import path from "node:path";
import { HoldpointError, ok, refused, type Result } from "../protocol/index.ts";
import { readFileIfThere } from "./file-store.node.ts";
import { parseManifest, type Manifest } from "./manifest.ts";

/** A manifest that was found on the disk, and the model file that it speaks of. */
export interface ModelOnDisk {
  readonly manifest: Manifest;
  readonly manifestFile: string;
  readonly modelFile: string;
}

/**
 * Finds a model by path: an .onnx file with `<file>.manifest.json` or `manifest.json` beside it, a manifest, or a folder
 * that holds one. Errors: HP_MODEL_NOT_FOUND, HP_MODEL_FORMAT, HP_MODEL_NO_MANIFEST, HP_MODEL_MANIFEST.
 */
export async function findModelOnDisk(given: string): Promise<Result<ModelOnDisk>> {
  const kind = await stat(given).catch(() => null);
  if (!kind) return refused("HP_MODEL_NOT_FOUND", `there is no ${given}`, { hint: "Check the path of the model." });
  if (kind.isDirectory()) return readManifest(path.join(given, "manifest.json"));
  if (given.endsWith(".json")) return readManifest(given);
  if (!given.endsWith(".onnx")) return refused("HP_MODEL_FORMAT", `${given} is not an ONNX file`);
  for (const candidate of [`${given}.manifest.json`, path.join(path.dirname(given), "manifest.json")]) {
    const found = await readManifest(candidate);
    if (!found.ok && found.error.code === "HP_MODEL_NO_MANIFEST") continue;
    if (found.ok && path.basename(found.value.modelFile) !== path.basename(given)) continue;
    return found;
  }
  const hint = `Write one with \`holdpoint model init ${given}\`.`;
  return refused("HP_MODEL_NO_MANIFEST", `${given} has no manifest beside it`, { hint });
}

async function readManifest(manifestFile: string): Promise<Result<ModelOnDisk>> {
  const bytes = await readFileIfThere(manifestFile);
  if (bytes === null) return refused("HP_MODEL_NO_MANIFEST", `there is no ${manifestFile}`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    return refused("HP_MODEL_MANIFEST", `${manifestFile} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const manifest = parseManifest(value);
  if (!manifest.ok) return refused(manifest.error.code, `${manifestFile}: ${manifest.error.message}`);
  const modelFile = path.join(path.dirname(manifestFile), manifest.value.file);
  return ok({ manifest: manifest.value, manifestFile, modelFile });
}

/** Bytes of a model whose digest is right. Errors: HP_MODEL_NOT_FOUND, HP_MODEL_DIGEST. */
export async function readModelBytes(file: string, manifest: Manifest): Promise<Result<Uint8Array>> {
  let bytes: Buffer | null;
  try {
    bytes = await readFileIfThere(file);
  } catch (cause) {
    return { ok: false, error: HoldpointError.from(cause, "HP_MODEL_LOAD") };
  }
  if (bytes === null) return refused("HP_MODEL_NOT_FOUND", `the model file ${file} is missing`);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (digest === manifest.digest) return ok(bytes);
  return refused("HP_MODEL_DIGEST", `${file} has the digest ${digest}, the manifest says ${manifest.digest}`);
}
