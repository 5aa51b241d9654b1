import { clopperPearson } from "../../../models/measure/binomial.ts";
import { expectedCalibrationError, fewLabels, reliability } from "../../../models/measure/calibration-error.ts";
import { type Certificate, certify, type ErrorContract } from "../../../models/measure/certify.ts";
import {
  type CurvePoint,
  type RiskAreas,
  riskAreas,
  riskCoverageCurve,
} from "../../../models/measure/risk-coverage.ts";
import { type ScoreGroup } from "./score-table.ts";

/** Intervals that are shown, never certified with, are two-sided at this level. */
export const shownLevel = 0.05;

/** What a gate at this gate threshold did to the labels. */
interface ShownPoint {
  readonly threshold: number;
  /** Labels that it accepts, and how many of these are wrong. */
  readonly n: number;
  readonly errors: number;
  readonly coverage: number;
  readonly risk: number;
  /** Clopper–Pearson, each side at `shownLevel / 2`. */
  readonly lower: number;
  readonly upper: number;
}

/** A bar of the reliability diagram with the interval of its accuracy. */
export interface ShownBin {
  readonly from: number;
  readonly to: number;
  readonly n: number;
  readonly confidence: number;
  readonly accuracy: number;
  readonly lower: number;
  readonly upper: number;
  /** Labels so few that the bar says next to nothing. */
  readonly isFew: boolean;
}

/** The curve of a group and what describes it. */
export interface GroupCurve extends RiskAreas {
  readonly group: ScoreGroup["key"];
  readonly n: number;
  readonly errors: number;
  readonly ece: number;
  readonly points: readonly ShownPoint[];
  readonly reliability: readonly ShownBin[];
}

/** The certificate of a group as the command prints it. */
export interface GroupCertificate {
  readonly group: ScoreGroup["key"];
  /** Accept iff confidence ≥ threshold; null where nothing may be accepted. */
  readonly threshold: number | null;
  /** Labels that it rests on; how many of them it accepts, and how many of these are wrong. */
  readonly n: number;
  readonly accepted: number;
  readonly errors: number;
  readonly coverage: number;
  readonly upperBound: number | null;
  readonly level: number | null;
  readonly labelsNeeded: number;
  readonly tooManyErrors: boolean;
}

export function certificateOf({ key, confidence, correct }: ScoreGroup, contract: ErrorContract): GroupCertificate {
  return shownCertificate(key, certify(confidence, correct, contract));
}

function shownCertificate(group: ScoreGroup["key"], certificate: Certificate): GroupCertificate {
  const { gateThreshold, labels, accepted, errors, coverage, upperBound, level, labelsNeeded, tooManyErrors } =
    certificate;
  return {
    ...{ group, threshold: gateThreshold, n: labels, accepted, errors, coverage, upperBound, level },
    ...{ labelsNeeded, tooManyErrors },
  };
}

/** The curve at no more than `pointsMax` of its points, about equally many labels apart; the last one accepts all. */
export function curveOf({ key, confidence, correct }: ScoreGroup, pointsMax: number): GroupCurve {
  const curve = riskCoverageCurve(confidence, correct);
  const last = curve.at(-1);
  return {
    group: key,
    n: confidence.length,
    errors: last?.errors ?? 0,
    ...riskAreas(curve),
    ece: expectedCalibrationError(confidence, correct),
    points: spread(curve, pointsMax).map((point) => shownPoint(point, confidence.length)),
    reliability: reliability(confidence, correct)
      .filter(({ items }) => items > 0)
      .map(({ lower, upper, items, confidence: mean, accuracy }) => ({
        from: lower,
        to: upper,
        n: items,
        confidence: mean,
        accuracy,
        ...clopperPearson(Math.round(accuracy * items), items, shownLevel),
        isFew: items < fewLabels,
      })),
  };
}

function shownPoint({ gateThreshold, accepted, errors }: CurvePoint, labels: number): ShownPoint {
  return {
    threshold: gateThreshold,
    n: accepted,
    errors,
    coverage: accepted / labels,
    risk: errors / accepted,
    ...clopperPearson(errors, accepted, shownLevel),
  };
}

/** The first point that reaches each of `pointsMax` equal steps of coverage. */
function spread(curve: readonly CurvePoint[], pointsMax: number): readonly CurvePoint[] {
  const labels = curve.at(-1)?.accepted ?? 0;
  const chosen: CurvePoint[] = [];
  let step = 1;
  for (const point of curve) {
    if (point.accepted * pointsMax < step * labels) continue;
    chosen.push(point);
    step = Math.floor((point.accepted * pointsMax) / labels) + 1;
  }
  return chosen;
}
