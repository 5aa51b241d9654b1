import { type CurvePoint, pointAt } from "./risk-coverage.ts";

/** What people can do: of 1,000 decisions so many can be reviewed. */
export interface ReviewBudget {
  readonly reviewsPer1000: number;
}

/** One way to set the gate. */
export interface GateSetting {
  /** null: nothing is accepted. */
  readonly gateThreshold: number | null;
  readonly reviewsPer1000: number;
  /** Wrong ones among 1,000 decisions that nobody reviewed. */
  readonly wrongPer1000: number;
  /** Observed share of wrong ones among the accepted; 0 where nothing is accepted. */
  readonly selectiveRisk: number;
}

/** What the contract and the capacity allow together. */
export interface CapacityReport {
  readonly contract: GateSetting;
  /** The most careful gate that people could keep up with; null if not even the most generous one needs so few. */
  readonly capacity: GateSetting | null;
  /** Which of the two decides: `capacity` where the contract sends more to people than they can review. */
  readonly binds: "contract" | "capacity";
  /** Held cases of 1,000 decisions that nobody can review: they take the declared fallback. */
  readonly spillPer1000: number;
}

/**
 * Whether people can review what the contract holds.
 *
 * @param curve from labels of decisions as they come, so that its shares are those of the traffic
 * @param gateThreshold what the certificate allows; null if nothing is certified
 */
export function capacityReport(
  curve: readonly CurvePoint[],
  gateThreshold: number | null,
  budget: ReviewBudget,
): CapacityReport {
  const items = curve.at(-1)?.accepted ?? 0;
  if (items === 0) throw new RangeError("a curve needs at least one point");
  const { reviewsPer1000 } = budget;
  if (!(reviewsPer1000 >= 0 && reviewsPer1000 <= 1000)) {
    throw new RangeError(`reviewsPer1000 must be in [0, 1000], got ${reviewsPer1000}`);
  }
  const contract = settingAt(curve, items, gateThreshold);
  const affordable = curve.find((point) => (1000 * (items - point.accepted)) / items <= reviewsPer1000);
  const spill = Math.max(0, contract.reviewsPer1000 - reviewsPer1000);
  return Object.freeze({
    contract,
    capacity: affordable === undefined ? null : settingAt(curve, items, affordable.gateThreshold),
    binds: spill > 0 ? "capacity" : "contract",
    spillPer1000: spill,
  });
}

function settingAt(curve: readonly CurvePoint[], items: number, gateThreshold: number | null): GateSetting {
  const point = gateThreshold === null ? { accepted: 0, errors: 0 } : pointAt(curve, gateThreshold);
  return Object.freeze({
    gateThreshold,
    reviewsPer1000: (1000 * (items - point.accepted)) / items,
    wrongPer1000: (1000 * point.errors) / items,
    selectiveRisk: point.accepted === 0 ? 0 : point.errors / point.accepted,
  });
}

/** Cases that come at random, and people who answer one at a time. */
export interface ReviewLoad {
  readonly casesPerHour: number;
  readonly reviewers: number;
  /** Mean time that one answer takes. */
  readonly reviewMs: number;
}

/**
 * The share of cases that are answered later than `withinMs` after they came: waiting and answering in the M/M/c queue
 * (Erlang 1917; Gross et al. 2008, §2.3). 1 where people cannot keep up at all.
 *
 * @example answeredLate({ casesPerHour: 300, reviewers: 2, reviewMs: 8000 }, 30_000) // 0.036: within 30 s at p95
 */
export function answeredLate({ casesPerHour, reviewers, reviewMs }: ReviewLoad, withinMs: number): number {
  const fits = casesPerHour >= 0 && Number.isInteger(reviewers) && reviewers >= 0 && reviewMs > 0 && withinMs >= 0;
  if (!fits) throw new RangeError("a load needs cases ≥ 0, a whole number of reviewers and a positive time");
  const load = (casesPerHour * reviewMs) / 3_600_000;
  if (load >= reviewers) return 1;
  // Erlang B by its recursion, then Erlang C: the probability that all are busy.
  let blocked = 1;
  for (let n = 1; n <= reviewers; n += 1) blocked = (load * blocked) / (n + load * blocked);
  const busy = blocked / (1 - (load / reviewers) * (1 - blocked));
  const time = withinMs / reviewMs;
  const spare = reviewers - 1 - load;
  // (1 − e^(−time·spare)) / spare, whose limit at no spare is the time itself.
  const waiting = Math.abs(spare) < 1e-9 ? time : -Math.expm1(-time * spare) / spare;
  return Math.min(1, Math.exp(-time) * (1 + busy * waiting));
}

const reviewersMax = 100_000;

/** The fewest people who answer all but `lateShare` of the cases within `withinMs`; null if no number of them can. */
export function reviewersNeeded(
  load: Omit<ReviewLoad, "reviewers">,
  withinMs: number,
  lateShare = 0.05,
): number | null {
  // With a person to spare for every case only the answering itself takes time.
  if (Math.exp(-withinMs / load.reviewMs) > lateShare) return null;
  for (let reviewers = 1; reviewers <= reviewersMax; reviewers += 1) {
    if (answeredLate({ ...load, reviewers }, withinMs) <= lateShare) return reviewers;
  }
  return null;
}
