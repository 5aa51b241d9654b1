import { canonicalJson } from "../protocol/index.ts";
import { flatConfig } from "./flat.ts";
import { type EffectiveConfig } from "./policy.ts";

/** One key that changed; `undefined` where it is not there on that side. Values as YAML writes them. */
export interface ConfigChange {
  readonly key: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** What changed from one effective config to the next, for logs and people. Empty where the digest is the same. */
export function diffConfigs(from: EffectiveConfig, to: EffectiveConfig): readonly ConfigChange[] {
  if (from.digest === to.digest) return [];
  const before = flatConfig(from);
  const after = flatConfig(to);
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((key): ConfigChange => ({ key, from: before.get(key)?.value, to: after.get(key)?.value }))
    .filter((change) => canonicalJson([change.from]) !== canonicalJson([change.to]) || added(change));
}

/** `null` and "not there" look the same in JSON, and are not. */
function added({ from, to }: ConfigChange): boolean {
  return (from === undefined) !== (to === undefined);
}
