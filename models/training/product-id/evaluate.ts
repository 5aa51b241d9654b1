import { applyCalibration } from "../../calibration.ts";
import { clopperPearson } from "../../measure/binomial.ts";
import { expectedCalibrationError } from "../../measure/calibration-error.ts";
import { type BetaCalibration, fitBetaCalibration } from "../../measure/calibration-fit.ts";
import { type Certificate, certify } from "../../measure/certify.ts";
import { type CurvePoint, pointAt, type RiskAreas, riskAreas, riskCoverageCurve } from "../../measure/risk-coverage.ts";
import type { Part } from "./near-duplicates.ts";

/** One answer of the model to a picture whose truth is known. */
export interface Answer {
  /** Softmax probability of the answer, before calibration. */
  readonly score: number;
  readonly correct: 0 | 1;
  readonly part: Part;
  readonly group: number;
}

export interface Share {
  readonly hits: number;
  readonly items: number;
  readonly share: number;
  /** Clopper–Pearson, 95 %. */
  readonly lower: number;
  readonly upper: number;
}

/** A gate threshold, what it rests on, and what it then did to the pictures that nothing was fitted on. */
export interface GateRow {
  readonly maxError: number;
  readonly certificate: Certificate;
  readonly reported: CurvePoint;
  /** The lowest gate threshold whose observed risk on the certification half is within maxError: proves nothing. */
  readonly naive: CurvePoint;
}

export interface Evaluation {
  readonly calibration: BetaCalibration;
  readonly field: Share;
  readonly report: Share;
  readonly eceBefore: number;
  readonly eceAfter: number;
  readonly areas: RiskAreas;
  readonly curve: readonly CurvePoint[];
  readonly gates: readonly GateRow[];
  /** A raw softmax of 0.95 taken for a gate threshold. */
  readonly raw95: CurvePoint;
}

const contracts = [0.1, 0.05, 0.02, 0.01] as const;
export const delta = 0.05;

/** Calibrates on one part, certifies on the second, reports on the third. */
export function evaluate(answers: readonly Answer[]): Evaluation {
  const of = (part: Part): readonly Answer[] => answers.filter((answer) => answer.part === part);
  const [calibrating, certifying, reporting] = [of("calibrate"), onePerGroup(of("certify")), of("report")];
  const calibration = fitBetaCalibration(scores(calibrating), outcomes(calibrating));
  const confident = (some: readonly Answer[]): number[] => scores(some).map((s) => applyCalibration(calibration, s));
  const curve = riskCoverageCurve(confident(reporting), outcomes(reporting));
  const evidence = riskCoverageCurve(confident(certifying), outcomes(certifying));
  return {
    calibration,
    field: share(answers),
    report: share(reporting),
    eceBefore: expectedCalibrationError(scores(reporting), outcomes(reporting)),
    eceAfter: expectedCalibrationError(confident(reporting), outcomes(reporting)),
    areas: riskAreas(curve),
    curve,
    raw95: pointAt(riskCoverageCurve(scores(reporting), outcomes(reporting)), 0.95),
    gates: contracts.map((maxError) => {
      const certificate = certify(confident(certifying), outcomes(certifying), { maxError, delta });
      const naive = evidence.findLast((point) => point.errors <= maxError * point.accepted);
      return {
        maxError,
        certificate,
        reported: pointAt(curve, certificate.gateThreshold ?? Infinity),
        naive: pointAt(curve, naive?.gateThreshold ?? Infinity),
      };
    }),
  };
}

/** Near-duplicates are one piece of evidence, not several: the exact test counts independent items. */
function onePerGroup(answers: readonly Answer[]): readonly Answer[] {
  const seen = new Set<number>();
  return answers.filter(({ group }) => !seen.has(group) && seen.add(group));
}

function scores(answers: readonly Answer[]): number[] {
  return answers.map((answer) => answer.score);
}

function outcomes(answers: readonly Answer[]): number[] {
  return answers.map((answer) => answer.correct);
}

function share(answers: readonly Answer[]): Share {
  const hits = answers.filter((answer) => answer.correct === 1).length;
  return { hits, items: answers.length, share: hits / answers.length, ...clopperPearson(hits, answers.length, 0.05) };
}
