import type { ErrorContract } from "./certify.ts";
import { lnErrorEvidence } from "./e-process.ts";
import { spentLevel } from "./spent-level.ts";
import { lnWeightedEvidence, noWeightedEvidence, weighted, type WeightedEvidence } from "./weighted-evidence.ts";

/**
 * A label as evidence for a gate threshold. `confidence` is the one that the gate would compare: calibrated, and
 * adjusted to the store where a certificate says so.
 *
 * `propensity` is the probability with which this decision got its label, `propensityMin` the least that any decision
 * made under the same rules got one with: 1 while every decision goes to people, else the floor of the audit coin
 * (`auditPropensityMin`), also for an escalation, whose own propensity is 1.
 */
export interface EvidenceLabel {
  readonly confidence: number;
  readonly isWrong: boolean;
  readonly propensity: number;
  readonly propensityMin: number;
}

/** What the labels at or above one gate threshold say. Plain data. */
export interface EvidencePoint {
  readonly gateThreshold: number;
  /** Share of delta that this point owns; the weights of a grid sum to at most 1. */
  readonly weight: number;
  /** Labels that were certain (propensityMin 1), and how many of them were wrong. */
  readonly labels: number;
  readonly errors: number;
  /** ln E of these alone. */
  readonly lnCertain: number;
  /** Labels drawn by propensity, how many of them were wrong, and what they prove. */
  readonly sampled: number;
  readonly sampledErrors: number;
  readonly weighted: WeightedEvidence;
  /** Σ 1/π over its labels: about how many decisions they stand for. */
  readonly decisions: number;
  /** The largest ln E so far. It never falls: what was proved once stays proved in this epoch. */
  readonly supLnEvidence: number;
  /**
   * When the evidence was last at its largest, a label lay between this gate threshold and the next more careful one.
   * Only a right label makes it so, because only a right one lifts the evidence; it stays.
   */
  readonly isTold: boolean;
}

/** Evidence over time for a fixed list of gate thresholds, from careful to generous. Plain data, kept as JSON. */
export interface EvidenceGrid extends ErrorContract {
  /** Labels so far, also those below every gate threshold, and about how many decisions they stand for. */
  readonly labels: number;
  readonly decisions: number;
  readonly points: readonly EvidencePoint[];
}

/** The most generous gate threshold that the evidence proves, with the level that it was proved at. */
export interface EvidenceFinding {
  readonly point: EvidencePoint;
  /** a_j of the walk: ln E reached ln(1/level). */
  readonly level: number;
}

const gateThresholdsMax = 200;
/** Places of the walk that start with a share of delta, as many as `certify` has at most. */
const starts = 4;
/** The expected error 1 − c of each gate threshold: six a decade, because risk falls by factors and not by steps. */
const defaultRisks = [1e-4, 1e-3, 1e-2, 1e-1].flatMap((decade) => [1, 1.5, 2, 3, 5, 7].map((part) => part * decade));

/** Gate thresholds from 0.9999 down to 0.3, fixed before any label is seen. */
export const defaultGateThresholds: readonly number[] = Object.freeze(
  defaultRisks.map((risk) => Number((1 - risk).toFixed(6))),
);

/**
 * A grid without evidence.
 *
 * @param gateThresholds fixed for the epoch and chosen without looking at its labels; sorted here, at most 200
 * @param contract `delta` is what the evidence over time may spend (half of a running fleet's, see statistics)
 * @param weights the share of delta that each gate threshold owns, from careful to generous; four even starts if absent
 */
export function startGrid(
  gateThresholds: readonly number[],
  contract: ErrorContract,
  weights?: readonly number[],
): EvidenceGrid {
  const { maxError, delta } = contract;
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  if (!(delta > 0 && delta < 1)) throw new RangeError(`delta must be inside (0, 1), got ${delta}`);
  const falling = [...new Set(gateThresholds)].sort((left, right) => right - left);
  const fits = falling.length > 0 && falling.length <= gateThresholdsMax && falling.every(isShare);
  if (!fits) throw new RangeError(`a grid needs 1 to ${gateThresholdsMax} gate thresholds in [0, 1]`);
  const own = weights ?? evenStarts(falling.length);
  // A sum of four quarters may miss 1 by a rounding; more than that would overspend delta.
  const spends = own.length === falling.length && own.every(isShare) && sumOf(own) <= 1 + 1e-12;
  if (!spends) throw new RangeError("weights must be shares, one a gate threshold, that sum to at most 1");
  const points = falling.map((gateThreshold, index) =>
    Object.freeze({
      gateThreshold,
      weight: own[index] ?? 0,
      ...{ labels: 0, errors: 0, lnCertain: 0, sampled: 0, sampledErrors: 0 },
      weighted: noWeightedEvidence,
      ...{ decisions: 0, supLnEvidence: 0, isTold: false },
    }),
  );
  return Object.freeze({ maxError, delta, labels: 0, decisions: 0, points: Object.freeze(points) });
}

/**
 * The grid after one more label. Labels come in the order in which they are known, each once, whatever they say: to
 * drop one for being unwelcome would break the proof.
 */
export function observed(grid: EvidenceGrid, label: EvidenceLabel): EvidenceGrid {
  requireLabel(label);
  const points: EvidencePoint[] = [];
  for (const point of grid.points) {
    const isCounted = label.confidence >= point.gateThreshold;
    points.push(isCounted ? pointAfter(point, label, grid.maxError, labelsOf(points.at(-1))) : point);
  }
  const decisions = grid.decisions + 1 / label.propensity;
  return Object.freeze({ ...grid, labels: grid.labels + 1, decisions, points: Object.freeze(points) });
}

/**
 * The grid after a label that was counted as right turned out wrong: as if it had been wrong from the start, except
 * that the largest evidence stays what it was. The way back does not exist: what was ever called wrong counts as wrong.
 */
export function corrected(grid: EvidenceGrid, label: Omit<EvidenceLabel, "isWrong">): EvidenceGrid {
  requireLabel(label);
  const points = grid.points.map((point) =>
    label.confidence >= point.gateThreshold ? pointCorrected(point, label, grid.maxError) : point,
  );
  return Object.freeze({ ...grid, points: Object.freeze(points) });
}

/**
 * ln E of one point, at its labels so far. Certain labels and sampled ones share out the decisions by the rules that
 * were in force, known before each decision, so at every step one factor of the product has a mean of at most 1 under
 * H and the other stays: the product of the two is an e-process like each of them.
 */
export function lnEvidence(point: EvidencePoint): number {
  return point.lnCertain + lnWeightedEvidence(point.weighted);
}

/**
 * The fallback walk (Wiens 2003; Wiens & Dmitrienko 2005) with 1 / sup E in the place of p-values: rejected iff
 * sup E ≥ 1/a_j, and a rejected hypothesis hands its level to the next. The probability that the finding is ever wrong
 * is at most delta, however often it is looked at. Null: nothing is proved, so nothing may be automated.
 */
export function certifiedByEvidence(grid: EvidenceGrid): EvidenceFinding | null {
  let best: EvidenceFinding | null = null;
  let handed = 0;
  for (const point of grid.points) {
    const level = spentLevel(point.weight * grid.delta + handed);
    // A level of 0 rejects nothing, however strong the evidence.
    const isRejected = level > 0 && point.supLnEvidence >= -Math.log(level);
    // A lower gate threshold that no label told apart accepts nothing more: the higher one is as good, and safer. Told
    // by the labels that proved it: were it by those of now, a wrong one in between would lower the gate threshold.
    if (isRejected && (best === null || point.isTold)) best = Object.freeze({ point, level });
    handed = isRejected ? level : 0;
  }
  return best;
}

/** `above`: labels of the next more careful point, this one included. */
function pointAfter(point: EvidencePoint, label: EvidenceLabel, maxError: number, above: number): EvidencePoint {
  const wrong = label.isWrong ? 1 : 0;
  const decisions = point.decisions + 1 / label.propensity;
  const counted =
    label.propensityMin === 1
      ? certain(point, point.errors + wrong, point.labels + 1, maxError)
      : {
          ...point,
          sampled: point.sampled + 1,
          sampledErrors: point.sampledErrors + wrong,
          weighted: weighted(point.weighted, label, maxError),
        };
  const ln = lnEvidence(counted);
  if (ln <= point.supLnEvidence) return Object.freeze({ ...counted, decisions });
  const isTold = point.isTold || labelsOf(counted) > above;
  return Object.freeze({ ...counted, decisions, supLnEvidence: ln, isTold });
}

function pointCorrected(point: EvidencePoint, label: Omit<EvidenceLabel, "isWrong">, maxError: number): EvidencePoint {
  // A point that never counted it (its labels are all wrong already) has nothing to correct.
  if (label.propensityMin === 1) {
    return Object.freeze(
      point.errors < point.labels ? certain(point, point.errors + 1, point.labels, maxError) : point,
    );
  }
  if (point.sampledErrors >= point.sampled) return point;
  const right = weighted(noWeightedEvidence, { ...label, isWrong: false }, maxError);
  const wrong = weighted(noWeightedEvidence, { ...label, isWrong: true }, maxError);
  const swapped = point.weighted.map((ln, bet) => ln + (wrong[bet] ?? 0) - (right[bet] ?? 0));
  return Object.freeze({ ...point, sampledErrors: point.sampledErrors + 1, weighted: swapped });
}

function labelsOf(point: EvidencePoint | undefined): number {
  return point === undefined ? 0 : point.labels + point.sampled;
}

function certain(point: EvidencePoint, errors: number, labels: number, maxError: number): EvidencePoint {
  return { ...point, errors, labels, lnCertain: lnErrorEvidence(errors, labels, maxError) };
}

function requireLabel({ confidence, propensity, propensityMin }: Omit<EvidenceLabel, "isWrong">): void {
  if (!isShare(confidence)) throw new RangeError(`confidence must be in [0, 1], got ${confidence}`);
  if (!(propensityMin > 0 && propensity >= propensityMin && propensity <= 1)) {
    throw new RangeError(`a propensity must be in [${propensityMin}, 1] and above 0, got ${propensity}`);
  }
}

function evenStarts(length: number): readonly number[] {
  const places = Math.min(starts, length);
  const weights = Array.from({ length }, () => 0);
  for (let start = 0; start < places; start += 1) weights[Math.floor((start * length) / places)] = 1 / places;
  return weights;
}

function isShare(value: number): boolean {
  return value >= 0 && value <= 1;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
