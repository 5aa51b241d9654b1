import { type Unparted, withParts } from "./answers.ts";
import { evaluate, type Evaluation, type GateRow } from "./evaluate.ts";
import { splitGroups } from "./near-duplicates.ts";

/** A way to come by a gate threshold, over all splits. */
export interface SplitOutcome {
  /** Mean share of the report quarter that is accepted; 0 in splits where nothing is. */
  readonly coverage: number;
  /** Wrong ones among the accepted report pictures of all splits together. */
  readonly risk: number;
  /** Share of the splits whose report quarter was wrong above the contract. A quarter is noisy: this is no violation rate. */
  readonly above: number;
}

/** What the splits say about one contract. */
export interface SplitRow {
  readonly maxError: number;
  readonly splits: number;
  /** Splits in which nothing could be certified, and the median of the labels that were missing in these; else null. */
  readonly nothing: number;
  readonly labelsNeeded: number | null;
  readonly certified: SplitOutcome;
  /** The lowest gate threshold whose observed risk was within the contract. */
  readonly naive: SplitOutcome;
  /** A raw softmax of 0.95. */
  readonly raw95: SplitOutcome;
}

/** Splits whole groups of near-duplicates anew for each seed 1 … `splits`; calibrates, certifies and reports on each. */
export function splitStudy(
  answers: readonly Unparted[],
  splits: number,
  onProgress?: (share: number) => void,
): readonly SplitRow[] {
  const groups = answers.map(({ group }) => group);
  const all: Evaluation[] = [];
  for (let seed = 1; seed <= splits; seed += 1) {
    all.push(evaluate(withParts(answers, splitGroups(groups, seed))));
    onProgress?.(seed / splits);
  }
  const rows = all[0]?.gates ?? [];
  return rows.map(({ maxError }, at) => {
    const gates = all.map((one) => one.gates[at]).filter((one) => one !== undefined);
    const missing = gates.filter(({ certificate }) => certificate.gateThreshold === null);
    return {
      maxError,
      splits,
      nothing: missing.length,
      labelsNeeded: median(missing.map(({ certificate }) => certificate.labelsNeeded)),
      certified: outcome(all, maxError, (_, split) => gates[split]?.reported),
      naive: outcome(all, maxError, (_, split) => gates[split]?.naive),
      raw95: outcome(all, maxError, (one) => one.raw95),
    };
  });
}

type Counts = Pick<GateRow["reported"], "accepted" | "errors">;

function outcome(
  all: readonly Evaluation[],
  maxError: number,
  of: (evaluation: Evaluation, split: number) => Counts | undefined,
): SplitOutcome {
  const sum = { coverage: 0, accepted: 0, errors: 0, above: 0 };
  all.forEach((evaluation, split) => {
    const { accepted, errors } = of(evaluation, split) ?? { accepted: 0, errors: 0 };
    sum.coverage += accepted / evaluation.report.items;
    sum.accepted += accepted;
    sum.errors += errors;
    sum.above += errors > maxError * accepted ? 1 : 0;
  });
  return {
    coverage: sum.coverage / all.length,
    risk: sum.accepted === 0 ? 0 : sum.errors / sum.accepted,
    above: sum.above / all.length,
  };
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}
