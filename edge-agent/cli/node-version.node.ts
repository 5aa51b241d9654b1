import { HoldpointError } from "../../protocol/index.ts";

/** As `engines` of package.json has it. */
export const nodeWanted = "Holdpoint needs Node 22.19 or newer";

export function isNodeSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 19);
}

/** In an older Node better-sqlite3 ends the process with a segmentation fault, which tells nobody what to do. */
export function requireNode(version: string): void {
  if (isNodeSupported(version)) return;
  throw new HoldpointError("HP_RUNTIME_MISSING", `${nodeWanted}; this is ${version}`, {
    hint: "Install a newer Node, and the packages again with it; `holdpoint doctor` checks the rest.",
  });
}
