import { sortedScores } from "./scores.ts";

/** What a gate at this gate threshold would have done: accept iff confidence ≥ gateThreshold. */
export interface CurvePoint {
  readonly gateThreshold: number;
  /** n(t): how many items it accepts. */
  readonly accepted: number;
  /** k(t): how many of these are wrong. */
  readonly errors: number;
}

/** Areas over all coverages; lower is better, and only scores computed on the same items compare. */
export interface RiskAreas {
  /** Mean selective risk over the coverages 1/N … N/N (Geifman, Uziel & El-Yaniv 2019, arXiv 1805.08206). */
  readonly aurc: number;
  /** AURC minus that of the best possible order of the same errors: what the confidence itself costs. */
  readonly eAurc: number;
  /** Area under the generalised risk, P(wrong and accepted), over coverage (Traub et al. 2024, arXiv 2407.01032). */
  readonly augrc: number;
}

/**
 * The risk–coverage curve: one point for each distinct confidence, from the most careful gate to none at all.
 * Items of equal confidence are one point, because no gate can tell them apart.
 *
 * @param confidence shape [items], any finite numbers; only their order matters
 * @param correct shape [items], 1 if the prediction was right, else 0
 */
export function riskCoverageCurve(confidence: ArrayLike<number>, correct: ArrayLike<number>): readonly CurvePoint[] {
  const { all, wrong } = sortedScores(confidence, correct);
  const points: CurvePoint[] = [];
  let [item, error] = [all.length, wrong.length];
  while (item > 0) {
    const gateThreshold = all[item - 1] ?? 0;
    while (item > 0 && all[item - 1] === gateThreshold) item -= 1;
    while (error > 0 && (wrong[error - 1] ?? 0) >= gateThreshold) error -= 1;
    points.push({ gateThreshold, accepted: all.length - item, errors: wrong.length - error });
  }
  return Object.freeze(points);
}

/** The point of a gate at `gateThreshold`; `accepted` is 0 if no confidence reaches it. */
export function pointAt(curve: readonly CurvePoint[], gateThreshold: number): CurvePoint {
  const reached = curve.findLast((point) => point.gateThreshold >= gateThreshold);
  return Object.freeze({ gateThreshold, accepted: reached?.accepted ?? 0, errors: reached?.errors ?? 0 });
}

/**
 * AURC, E-AURC and AUGRC of a curve. Among items of equal confidence every order is as likely as any other, so the
 * errors inside a tie are spread evenly: the areas are expectations, and do not depend on the order of the input.
 */
export function riskAreas(curve: readonly CurvePoint[]): RiskAreas {
  const last = curve.at(-1);
  if (last === undefined) throw new RangeError("a curve needs at least one point");
  const items = last.accepted;
  let risk = 0;
  let generalised = 0;
  let before = { accepted: 0, errors: 0 };
  for (const point of curve) {
    const size = point.accepted - before.accepted;
    const share = (point.errors - before.errors) / size;
    for (let step = 1; step <= size; step += 1) {
      const errors = before.errors + share * step;
      risk += errors / (before.accepted + step);
      // By trapezoids, so that it equals (1 − AUROC)·acc·(1 − acc) + (1 − acc)²/2 exactly.
      generalised += errors - share / 2;
    }
    before = point;
  }
  const aurc = risk / items;
  return Object.freeze({ aurc, eAurc: aurc - bestAurc(items, last.errors), augrc: generalised / (items * items) });
}

/** The AURC of an order that keeps every error for the end. */
function bestAurc(items: number, errors: number): number {
  const right = items - errors;
  let risk = 0;
  for (let accepted = right + 1; accepted <= items; accepted += 1) risk += (accepted - right) / accepted;
  return risk / items;
}
