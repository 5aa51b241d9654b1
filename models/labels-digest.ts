import { toHex, type Hasher } from "../protocol/index.ts";
import { type RunningModel } from "./prediction.ts";

type Groups = Pick<NonNullable<RunningModel["coarse"]>, "labels" | "of">;

/** Labels that people choose among, and the model's group of each. */
export interface GroupedLabels {
  readonly labels: readonly string[];
  readonly coarse: Groups | null;
}

/** Made once for each model and each list of the config: whoever asks twice gets the same lists. */
const grouped = new WeakMap<Groups, WeakMap<readonly string[], GroupedLabels>>();

/**
 * The labels that people choose among: those of the config, or where it names none (`own` is empty) the model's. A label that
 * the model does not know is of no group, which has the name "".
 */
export function groupedLabels(
  own: readonly string[],
  model: Pick<RunningModel, "labels" | "coarse"> | null,
): GroupedLabels {
  if (own.length === 0) return { labels: model?.labels ?? [], coarse: model?.coarse ?? null };
  if (!model?.coarse) return { labels: own, coarse: null };
  const { coarse, labels } = model;
  const lists = grouped.get(coarse) ?? new WeakMap<readonly string[], GroupedLabels>();
  grouped.set(coarse, lists);
  const known = lists.get(own);
  if (known) return known;
  const groupOf = new Map(labels.map((label, at) => [label, coarse.of[at] ?? coarse.labels.length]));
  const of = own.map((label) => groupOf.get(label) ?? coarse.labels.length);
  const made = { labels: own, coarse: { labels: [...coarse.labels, ""], of } };
  lists.set(own, made);
  return made;
}

/**
 * Names labels and their groups by what they are: SHA-256, 64 hexadecimal digits, over the labels in order, one a line, and
 * the groups where they have them.
 */
export function labelsDigest(labels: readonly string[], coarse: Groups | null, hasher: Hasher): string {
  const groups = coarse ? `\n\n${JSON.stringify([coarse.labels, coarse.of])}` : "";
  return toHex(hasher.sha256(new TextEncoder().encode(`${labels.join("\n")}${groups}`)));
}
