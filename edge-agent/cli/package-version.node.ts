import { readFileSync } from "node:fs";

/** The package.json is one folder up in the package and two in the checkout. */
export function packageVersion(): string {
  for (const path of ["../../package.json", "../package.json", "../../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as Record<
        string,
        string
      >;
      if (name === "holdpoint" && version !== undefined) return version;
    } catch {
      continue;
    }
  }
  return "unknown";
}
