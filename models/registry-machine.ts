import { z } from "zod";
import { isExact, newestFirst, satisfies } from "./version-range.ts";

const versionSchema = z.strictObject({
  version: z.string(),
  /** Digest of the manifest as stored. */
  manifestDigest: z.string(),
  /** The bytes are in the blobs under this name. */
  modelDigest: z.string(),
  /** Rows that import has proved equal alone and together; 1: only alone. */
  batchProven: z.number().int().min(1),
  importedAtMs: z.number(),
  /** Whether it ever was active: only such a version is chosen by a range. */
  wasActive: z.boolean(),
});
/** One imported version. */
export type RegistryVersion = z.infer<typeof versionSchema>;

export const registryEntrySchema = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  staged: z.string().nullable(),
  active: z.string().nullable(),
  previous: z.string().nullable(),
  versions: z.array(versionSchema),
});
/** What the registry knows of one model name. */
export type RegistryEntry = Readonly<z.infer<typeof registryEntrySchema>>;

export type RegistryEvent =
  | { readonly kind: "imported"; readonly version: RegistryVersion }
  | { readonly kind: "activated"; readonly version: string }
  | { readonly kind: "rolled_back" }
  | { readonly kind: "removed"; readonly version: string };

export type RegistryRefusal = "other_content" | "unknown_version" | "no_previous" | "in_use";

export type RegistryTransition =
  { readonly ok: true; readonly entry: RegistryEntry } | { readonly ok: false; readonly refusal: RegistryRefusal };

export function emptyEntry(name: string): RegistryEntry {
  return { v: 1, name, staged: null, active: null, previous: null, versions: [] };
}

/** staged → active → previous. Pure: the shell stores what comes out, or nothing. */
export function transitionRegistry(entry: RegistryEntry, event: RegistryEvent): RegistryTransition {
  switch (event.kind) {
    case "imported": {
      const known = entry.versions.find(({ version }) => version === event.version.version);
      // A version names one content for ever; a decision that records it must mean the same model on every box.
      if (known) return known.manifestDigest === event.version.manifestDigest ? done(entry) : no("other_content");
      const versions = [...entry.versions, event.version];
      return done({ ...entry, versions, staged: event.version.version });
    }
    case "activated": {
      if (!entry.versions.some(({ version }) => version === event.version)) return no("unknown_version");
      if (entry.active === event.version) return done({ ...entry, staged: unless(entry.staged, event.version) });
      return done(activate(entry, event.version));
    }
    case "rolled_back":
      return entry.previous === null ? no("no_previous") : done(activate(entry, entry.previous));
    case "removed": {
      if (!entry.versions.some(({ version }) => version === event.version)) return no("unknown_version");
      if (entry.active === event.version || entry.previous === event.version) return no("in_use");
      const versions = entry.versions.filter(({ version }) => version !== event.version);
      return done({ ...entry, versions, staged: unless(entry.staged, event.version) });
    }
  }
}

/** After a rollback `previous` is the version that was left, so that a second rollback goes forward again. */
function activate(entry: RegistryEntry, version: string): RegistryEntry {
  const versions = entry.versions.map((one) => (one.version === version ? { ...one, wasActive: true } : one));
  return { ...entry, versions, active: version, previous: entry.active, staged: unless(entry.staged, version) };
}

/**
 * The version that a range means: an exact version whatever its state, because somebody wrote it down; otherwise the
 * active one if it satisfies, else the newest that was active once. A staged version never serves by a range.
 */
export function resolveVersion(entry: RegistryEntry, range: string): RegistryVersion | null {
  const find = (wanted: string | undefined): RegistryVersion | null =>
    entry.versions.find(({ version }) => version === wanted) ?? null;
  if (isExact(range)) return entry.versions.find(({ version }) => satisfies(version, range)) ?? null;
  if (entry.active !== null && satisfies(entry.active, range)) return find(entry.active);
  const once = entry.versions.filter(({ version, wasActive }) => wasActive && satisfies(version, range));
  return find(newestFirst(once.map(({ version }) => version))[0]);
}

function done(entry: RegistryEntry): RegistryTransition {
  return { ok: true, entry };
}

function no(refusal: RegistryRefusal): RegistryTransition {
  return { ok: false, refusal };
}

function unless(value: string | null, same: string): string | null {
  return value === same ? null : value;
}
