import { mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type LayerFile } from "../../config/layer-files.node.ts";
import { configBundleSchema, HoldpointError, type ConfigBundle } from "../../protocol/index.ts";
import { certificatesIn, keepCertificates } from "./certificate-files.node.ts";
import { syncDirectory, writeDurable } from "./durable-file.node.ts";
import { type ConfigTarget, type HeldBundle } from "./config-pull.ts";

/**
 * The hub's layers on the box: a folder for each version, and the link `config` at the one in force. The link is
 * replaced in one step, so nobody reads one layer of the new and another of the old.
 */
const layers = ["fleet", "region", "store"] as const;

/** The hub's layers as the config watcher reads them; each may be absent. Lowest first. */
export function hubLayerFiles(dir: string): readonly LayerFile[] {
  return filesIn(join(dir, "config"));
}

function filesIn(folder: string): readonly LayerFile[] {
  return layers.map((layer) => ({ layer, path: join(folder, `${layer}.yaml`), optional: true }));
}

export interface ConfigFilesOptions {
  readonly dir: string;
  /** Whether a config of these layers (with the local ones) is good; throws HP_CONFIG with the fault. */
  readonly check: (files: readonly LayerFile[], certificatesFile: string) => Promise<void>;
  /** Reads the layers again; throws HP_CONFIG where they cannot be put in force. */
  readonly reload: () => Promise<void>;
}

export function configFiles(options: ConfigFilesOptions): ConfigTarget {
  const { dir, check, reload } = options;
  const target = {
    held: heldIn(dir),
    adopt: async (bundle: ConfigBundle): Promise<void> => {
      const name = await folderFor(dir, bundle.version);
      const folder = join(dir, name);
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const { layer, text } of bundle.layers) await writeDurable(join(folder, `${layer}.yaml`), text);
      await keepCertificates(folder, bundle);
      await writeDurable(join(folder, "bundle.json"), JSON.stringify(bundle));
      try {
        // Before it is in force: a config that no agent can start with must not be what the next start finds.
        await check(filesIn(folder), certificatesIn(folder));
      } catch (cause) {
        await rm(folder, { recursive: true, force: true });
        throw cause;
      }
      await pointAt(dir, name);
      await removeOthers(dir, name);
      await reload();
      target.held = nameOf(bundle);
    },
  };
  return target;
}

/**
 * A folder that is not the one in force: that one may have the same version, of the agent that this box was before it was
 * enrolled anew, or of a try whose layers could not be read again.
 */
async function folderFor(dir: string, version: number): Promise<string> {
  const inForce = await readlink(join(dir, "config")).catch(() => null);
  const name = `v${version}`;
  return inForce === name ? `${name}-again` : name;
}

function nameOf({ hub, agentId, version }: ConfigBundle): HeldBundle {
  return { hub, agentId, version };
}

async function pointAt(dir: string, name: string): Promise<void> {
  const link = join(dir, "config.new");
  await rm(link, { force: true });
  await symlink(name, link);
  await rename(link, join(dir, "config"));
  await syncDirectory(dir);
}

async function removeOthers(dir: string, name: string): Promise<void> {
  for (const entry of await readdir(dir)) {
    if (/^v\d+(-again)?$/.test(entry) && entry !== name) await rm(join(dir, entry), { recursive: true, force: true });
  }
}

function heldIn(dir: string): ConfigTarget["held"] {
  let text: string;
  try {
    text = readFileSync(join(dir, "config", "bundle.json"), "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new HoldpointError("HP_CONFIG", `the hub's config in ${dir} cannot be read`, { cause });
  }
  const parsed = configBundleSchema.safeParse(safeJson(text));
  return parsed.success ? nameOf(parsed.data) : null;
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
