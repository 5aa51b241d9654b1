import { binomialLowerTail, labelsAtLeast } from "../binomial.ts";
import { certify, type ErrorContract } from "../certify.ts";
import { type Population, type Sample } from "./populations.ts";

/** Chooses the last rank that is accepted by looking at a sample; −1 accepts nothing. */
export type Procedure = (population: Population, sample: Sample, contract: ErrorContract) => number;

/** What is compared. The first is the product's own; the last two prove nothing and show what that costs. */
export const procedures = {
  fallback_auto: fallbackAuto,
  SGR: selectionWithGuaranteedRisk,
  "fixed sequence": fixedSequence,
  "uncorrected scan": uncorrectedScan,
  naive: naive,
} as const satisfies Record<string, Procedure>;

export type ProcedureName = keyof typeof procedures;

function fallbackAuto(population: Population, { ranks, isWrong }: Sample, contract: ErrorContract): number {
  const items = population.isWrong.length;
  const confidence = Float64Array.from(ranks, (rank) => 1 - rank / items);
  const correct = isWrong.map((wrong) => 1 - wrong);
  const { gateThreshold } = certify(confidence, correct, contract);
  return gateThreshold === null ? -1 : Math.round((1 - gateThreshold) * items);
}

/**
 * SGR (Geifman & El-Yaniv 2017, Alg. 2): binary search over the ranks of the sample with ceil(log2 n) looks, each with
 * the exact bound at δ / looks. Of the looks that held, the most generous is taken, which favours it.
 */
function selectionWithGuaranteedRisk(_: Population, sample: Sample, { maxError, delta }: ErrorContract): number {
  const labels = sample.ranks.length;
  const looks = Math.ceil(Math.log2(labels));
  const limits = errorLimits(labels, maxError, delta / looks);
  let [low, high, best] = [1, labels, -1];
  for (let look = 0; look < looks; look += 1) {
    const accepted = Math.ceil((low + high) / 2);
    if (holds(sample, accepted, limits)) {
      best = Math.max(best, accepted);
      low = accepted;
    } else high = accepted;
  }
  return best < 0 ? -1 : (sample.ranks[best - 1] ?? -1);
}

/** Fixed-sequence testing: every point from the first with n_min labels, at the whole δ, until one does not fall. */
function fixedSequence(_: Population, sample: Sample, { maxError, delta }: ErrorContract): number {
  const { ranks } = sample;
  const limits = errorLimits(ranks.length, maxError, delta);
  let best = -1;
  for (let accepted = labelsAtLeast(maxError, delta); accepted <= ranks.length; accepted += 1) {
    if (isInsideTie(ranks, accepted)) continue;
    if (!holds(sample, accepted, limits)) break;
    best = accepted;
  }
  return best < 0 ? -1 : (ranks[best - 1] ?? -1);
}

/** The most generous point of all whose exact bound at the whole δ holds: as if one had been looked at. */
function uncorrectedScan(_: Population, sample: Sample, { maxError, delta }: ErrorContract): number {
  const { ranks } = sample;
  const limits = errorLimits(ranks.length, maxError, delta);
  for (let accepted = ranks.length; accepted > 0; accepted -= 1) {
    if (!isInsideTie(ranks, accepted) && holds(sample, accepted, limits)) return ranks[accepted - 1] ?? -1;
  }
  return -1;
}

/** The most generous point whose observed risk is within the contract. */
function naive(_: Population, { ranks, errorsTo }: Sample, { maxError }: ErrorContract): number {
  for (let accepted = ranks.length; accepted > 0; accepted -= 1) {
    const errors = errorsTo[accepted - 1] ?? 0;
    if (!isInsideTie(ranks, accepted) && errors <= maxError * accepted) return ranks[accepted - 1] ?? -1;
  }
  return -1;
}

/** Items that were drawn twice, or are equally confident, are one point: no gate can tell them apart. */
function isInsideTie(ranks: Uint32Array, accepted: number): boolean {
  return accepted < ranks.length && ranks[accepted] === ranks[accepted - 1];
}

function holds({ errorsTo }: Sample, accepted: number, limits: Int32Array): boolean {
  return (errorsTo[accepted - 1] ?? Infinity) <= (limits[accepted] ?? -1);
}

const known = new Map<string, Int32Array>();

/** The most errors among n labels at which the exact test at `level` still rejects, for n = 0 … labels; −1 where none. */
function errorLimits(labels: number, maxError: number, level: number): Int32Array {
  const key = `${labels} ${maxError} ${level}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const limits = new Int32Array(labels + 1).fill(-1);
  let errors = -1;
  for (let n = 1; n <= labels; n += 1) {
    // One more label allows at most one more error.
    if (errors + 1 < n && binomialLowerTail(errors + 1, n, maxError) <= level) errors += 1;
    limits[n] = errors;
  }
  known.set(key, limits);
  return limits;
}
