import semver from "semver";
import { namePattern, refused, ok, type Result } from "../protocol/index.ts";

/** "product-id@^3" as a name and a range of versions; without a range any released version will do. */
export interface ModelSpec {
  readonly name: string;
  readonly range: string;
}

/** Errors: HP_MODEL_NOT_FOUND for a text that names no model. */
export function parseModelSpec(spec: string): Result<ModelSpec> {
  const at = spec.indexOf("@");
  const name = at === -1 ? spec : spec.slice(0, at);
  const range = at === -1 ? "*" : spec.slice(at + 1);
  if (!namePattern.test(name) || semver.validRange(range) === null) {
    const hint = "Write a model as name@range, for instance product-id@^3.";
    return refused("HP_MODEL_NOT_FOUND", `"${spec}" is no model and version`, { hint });
  }
  return ok({ name, range });
}

export function satisfies(version: string, range: string): boolean {
  return semver.satisfies(version, range);
}

/** Whether the range is one exact version: somebody's explicit order. */
export function isExact(range: string): boolean {
  return semver.valid(range) !== null;
}

/** Newest first. */
export function newestFirst(versions: readonly string[]): readonly string[] {
  return versions.toSorted(semver.rcompare);
}
