import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { HoldpointError } from "../errors.ts";

/**
 * The file that a thread starts with: beside the source that asks for it; in the build, beside or below the chunk that
 * this source ended up in. Errors: HP_RUNTIME_MISSING.
 *
 * @param from `import.meta.url` of the file that asks
 * @param folder of both in the source, from its root
 * @param name of the entry, without its ending: `sealing-worker`
 */
export function threadEntry(from: string, folder: string, name: string): URL {
  const built = `${name}.node.js`;
  const places = [
    ...[`./${name}.node.ts`, `./${built}`, `./${basename(folder)}/${built}`],
    ...[`./${folder}/${built}`, `../${folder}/${built}`],
  ];
  const found = places.map((place) => new URL(place, from)).find((url) => existsSync(fileURLToPath(url)));
  if (found !== undefined) return found;
  throw new HoldpointError("HP_RUNTIME_MISSING", `${built} is not beside the files that need it`, {
    hint: "Install holdpoint again; the package is not whole.",
  });
}
