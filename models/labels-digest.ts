import { toHex, type Hasher } from "../protocol/index.ts";
import { type RunningModel } from "./prediction.ts";

/**
 * Names a model's labels and their groups by what they are: SHA-256, 64 hexadecimal digits, over the labels in order, one
 * a line, and the groups where it has them.
 */
export function labelsDigest(
  labels: readonly string[],
  coarse: Pick<NonNullable<RunningModel["coarse"]>, "labels" | "of"> | null,
  hasher: Hasher,
): string {
  const groups = coarse ? `\n\n${JSON.stringify([coarse.labels, coarse.of])}` : "";
  return toHex(hasher.sha256(new TextEncoder().encode(`${labels.join("\n")}${groups}`)));
}
