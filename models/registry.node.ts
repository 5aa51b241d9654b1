import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { HoldpointError, canonicalJson, namePattern, refused, ok, type Clock, type Result } from "../protocol/index.ts";
import { systemClock } from "../protocol/platform/clock.node.ts";
import { readFileIfThere, withLock, writeFileAtomic } from "./file-store.node.ts";
import { parseManifest, type Manifest } from "./manifest.ts";
import { emptyEntry, registryEntrySchema, resolveVersion, transitionRegistry } from "./registry-machine.ts";
import {
  type RegistryEntry,
  type RegistryEvent,
  type RegistryRefusal,
  type RegistryVersion,
} from "./registry-machine.ts";
import { findModelOnDisk, readModelBytes } from "./source.node.ts";
import { parseModelSpec } from "./version-range.ts";

/** A version as the hosts need it. */
export interface ResolvedModel {
  readonly manifest: Manifest;
  readonly modelFile: string;
  readonly batchProven: number;
}

/** Proves a model before it is stored: loads it, holds it against its manifest; gives the rows that a batch may have. */
export type ProveModel = (bytes: Uint8Array, manifest: Manifest) => Promise<number>;

export interface ModelRegistry {
  readonly directory: string;
  /**
   * Stores a model and stages it. `from` is a folder, a manifest or an .onnx file with a manifest beside it. Importing
   * the same again changes nothing. Errors: HP_MODEL_*, HP_CONFLICT (the version exists with other content), HP_LOCKED,
   * HP_DISK_FULL.
   */
  import(from: string, prove: ProveModel): Promise<Result<{ manifest: Manifest; batchProven: number }>>;
  /** Makes a version the active one. `spec` is "name@version", or "name" for the staged one. */
  activate(spec: string): Promise<Result<RegistryEntry>>;
  /** Back to the previous version; needs no network. */
  rollback(name: string): Promise<Result<RegistryEntry>>;
  list(): Promise<readonly RegistryEntry[]>;
  /** "product-id@^3". Errors: HP_MODEL_NOT_FOUND, HP_MODEL_MANIFEST. Bytes are checked by whoever loads them. */
  resolve(spec: string): Promise<Result<ResolvedModel>>;
  /** Digests of blobs that are missing or are not what their names say. */
  damaged(): Promise<readonly string[]>;
  /** Calls `changed` after an activation or rollback, by whichever process. Returns the stop. */
  watch(changed: () => void): () => void;
}

/**
 * `<directory>/blobs/sha256/<hex>` models, `manifests/<hex>.json`, `refs/<name>.json`. Blobs and manifests are named by
 * their content and never change; the one file that changes is the ref, which is replaced whole.
 */
export function openRegistry(directory: string, clock: Clock = systemClock): ModelRegistry {
  return new FolderRegistry(directory, clock);
}

class FolderRegistry implements ModelRegistry {
  readonly directory: string;
  readonly #clock: Clock;
  readonly #refs: string;

  constructor(directory: string, clock: Clock) {
    this.directory = directory;
    this.#clock = clock;
    this.#refs = path.join(directory, "refs");
  }

  async import(from: string, prove: ProveModel): ReturnType<ModelRegistry["import"]> {
    const found = await findModelOnDisk(from);
    if (!found.ok) return found;
    const { manifest, modelFile } = found.value;
    const bytes = await readModelBytes(modelFile, manifest);
    if (!bytes.ok) return bytes;
    return attempt(async () => {
      const batchProven = await prove(bytes.value, manifest);
      const stored = await this.#store(manifest, bytes.value, batchProven);
      return stored.ok ? ok({ manifest, batchProven }) : stored;
    });
  }

  activate(spec: string): Promise<Result<RegistryEntry>> {
    const at = spec.indexOf("@");
    const name = at === -1 ? spec : spec.slice(0, at);
    return this.#change(name, (entry) => ({
      kind: "activated",
      version: at === -1 ? (entry.staged ?? entry.active ?? "") : spec.slice(at + 1),
    }));
  }

  rollback(name: string): Promise<Result<RegistryEntry>> {
    return this.#change(name, () => ({ kind: "rolled_back" }));
  }

  async list(): Promise<readonly RegistryEntry[]> {
    const files = await readdir(this.#refs).catch(() => []);
    const names = files.filter((file) => file.endsWith(".json") && !file.startsWith("."));
    return Promise.all(names.sort().map((file) => this.#entry(file.slice(0, -".json".length))));
  }

  async resolve(spec: string): Promise<Result<ResolvedModel>> {
    const parsed = parseModelSpec(spec);
    if (!parsed.ok) return parsed;
    return attempt(async () => {
      const entry = await this.#entry(parsed.value.name);
      const version = resolveVersion(entry, parsed.value.range);
      if (version === null) return notFound(spec, entry);
      const manifest = await this.#manifest(version);
      if (!manifest.ok) return manifest;
      const modelFile = this.#blobFile(version.modelDigest);
      return ok({ manifest: manifest.value, modelFile, batchProven: version.batchProven });
    });
  }

  async damaged(): Promise<readonly string[]> {
    const versions = (await this.list()).flatMap((entry) => entry.versions);
    const bad: string[] = [];
    for (const digest of new Set(versions.map(({ modelDigest }) => modelDigest))) {
      const bytes = await readFileIfThere(this.#blobFile(digest));
      if (!bytes || digestOf(bytes) !== digest) bad.push(digest);
    }
    return bad;
  }

  watch(changed: () => void): () => void {
    return watchRefs(this.#refs, changed);
  }

  #blobFile(digest: string): string {
    return path.join(this.directory, "blobs", "sha256", digest.slice("sha256:".length));
  }

  #manifestFile(digest: string): string {
    return path.join(this.directory, "manifests", `${digest.slice("sha256:".length)}.json`);
  }

  /** Errors: HP_MODEL_MANIFEST for a ref that is not one. */
  async #entry(name: string): Promise<RegistryEntry> {
    const file = path.join(this.#refs, `${name}.json`);
    const bytes = namePattern.test(name) ? await readFileIfThere(file) : null;
    if (bytes === null) return emptyEntry(name);
    try {
      return registryEntrySchema.parse(JSON.parse(bytes.toString("utf8")));
    } catch (cause) {
      const hint = "Remove the file and import the model again.";
      throw new HoldpointError("HP_MODEL_MANIFEST", `${file} is damaged`, { cause, hint });
    }
  }

  async #manifest({ manifestDigest }: RegistryVersion): Promise<Result<Manifest>> {
    const bytes = await readFileIfThere(this.#manifestFile(manifestDigest));
    if (bytes === null || digestOf(bytes) !== manifestDigest) {
      return refused("HP_MODEL_DIGEST", `the stored manifest ${manifestDigest} is missing or damaged`);
    }
    return parseManifest(JSON.parse(bytes.toString("utf8")));
  }

  #change(name: string, event: (entry: RegistryEntry) => RegistryEvent): Promise<Result<RegistryEntry>> {
    return attempt(() =>
      withLock(path.join(this.directory, "registry.lock"), async () => {
        const entry = await this.#entry(name);
        const asked = event(entry);
        const next = transitionRegistry(entry, asked);
        if (!next.ok) return explain(next.refusal, entry, asked);
        const text = `${JSON.stringify(next.entry, null, 2)}\n`;
        if (next.entry !== entry) await writeFileAtomic(path.join(this.#refs, `${name}.json`), text);
        return ok(next.entry);
      }),
    );
  }

  async #store(manifest: Manifest, bytes: Uint8Array, batchProven: number): Promise<Result<RegistryEntry>> {
    const text = canonicalJson(manifest);
    const manifestDigest = digestOf(text);
    // Content first, the ref last: a crash in between leaves a file that nobody names.
    await writeFileAtomic(this.#blobFile(manifest.digest), bytes);
    await writeFileAtomic(this.#manifestFile(manifestDigest), text);
    const version: RegistryVersion = {
      version: manifest.version,
      manifestDigest,
      modelDigest: manifest.digest,
      batchProven,
      importedAtMs: this.#clock.wallMs(),
      wasActive: false,
    };
    return this.#change(manifest.name, () => ({ kind: "imported", version }));
  }
}

function digestOf(data: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** Renames come in twos and threes; one call after they have settled is enough. */
const settleMs = 50;

function watchRefs(refs: string, changed: () => void): () => void {
  let stopped = false;
  let stop = (): void => void (stopped = true);
  void mkdir(refs, { recursive: true }).then(() => {
    if (stopped) return;
    let timer: NodeJS.Timeout | undefined;
    const watcher = watch(refs, { persistent: false }, (_event, file) => {
      if (file?.endsWith(".json") !== true) return;
      clearTimeout(timer);
      timer = setTimeout(changed, settleMs);
    });
    watcher.on("error", () => undefined);
    stop = () => {
      clearTimeout(timer);
      watcher.close();
    };
  });
  return () => stop();
}

async function attempt<T>(task: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await task();
  } catch (cause) {
    return { ok: false, error: HoldpointError.from(cause, "HP_MODEL_LOAD") };
  }
}

function notFound(spec: string, entry: RegistryEntry): Result<never> {
  const there = entry.versions.map(({ version }) => `${version}${version === entry.active ? " (active)" : ""}`);
  if (there.length === 0) return refused("HP_MODEL_NOT_FOUND", `${spec} is not in the registry`);
  const hint = `Activate a version that fits: holdpoint model activate ${entry.name}@<version>.`;
  return refused("HP_MODEL_NOT_FOUND", `no version for ${spec}; there are ${there.join(", ")}`, { hint });
}

function explain(refusal: RegistryRefusal, entry: RegistryEntry, event: RegistryEvent): Result<never> {
  const version = "version" in event && typeof event.version === "string" ? event.version : "";
  switch (refusal) {
    case "other_content":
      return refused("HP_CONFLICT", `${entry.name} has this version already, with other content`, {
        hint: "Give the model a new version.",
      });
    case "unknown_version":
      return notFound(version === "" ? entry.name : `${entry.name}@${version}`, entry);
    case "no_previous":
      return refused("HP_MODEL_NOT_FOUND", `${entry.name} has no previous version`, {
        hint: "Activate a version by name: holdpoint model list shows them.",
      });
    case "in_use":
      return refused("HP_CONFLICT", `${entry.name}@${version} is active or previous`, {
        hint: "Activate another version first.",
      });
  }
}
