import { type Manifest } from "../../manifest.ts";
import { type Answer } from "./evaluate.ts";
import { type Part } from "./near-duplicates.ts";

/** Everything that was found out about the pictures, in file order. */
export interface Found {
  readonly truths: readonly number[];
  readonly thumbnails: readonly Float64Array[];
  /** Float64Array, shape [classes], of each picture. */
  readonly probabilities: readonly Float64Array[];
}

export type Coarse = NonNullable<Manifest["coarse"]>;

/** An answer that no split has given a part. */
export type Unparted = Omit<Answer, "part">;

export function coarseOf(manifest: Manifest): Coarse {
  if (manifest.coarse === undefined) throw new Error("the manifest has no coarse classes");
  return manifest.coarse;
}

/** The answer to each picture on the fine level, or on the coarse one by summed probability. */
export function answersOf(
  { truths, probabilities }: Found,
  groups: readonly number[],
  coarse: Coarse | null,
): readonly Unparted[] {
  return truths.map((truth, i) => {
    const fine = probabilities[i] ?? new Float64Array();
    const level = coarse === null ? fine : summed(fine, coarse);
    const best = top(level);
    const right = best === (coarse === null ? truth : coarse.of[truth]);
    return {
      score: Math.min(1, level[best] ?? 0),
      correct: right ? 1 : 0,
      group: groups[i] ?? i,
    };
  });
}

function summed(fine: Float64Array, coarse: Coarse): Float64Array {
  const sums = new Float64Array(coarse.labels.length);
  fine.forEach((value, i) => {
    const at = coarse.of[i] ?? 0;
    sums[at] = (sums[at] ?? 0) + value;
  });
  return sums;
}

/** The class of the largest probability. */
export function top(values: Float64Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? 0) ? i : best), 0);
}

/** The answers with the part of a split that each is in. */
export function withParts(answers: readonly Unparted[], parts: readonly Part[]): readonly Answer[] {
  return answers.map((answer, i) => ({ ...answer, part: parts[i] ?? "report" }));
}
