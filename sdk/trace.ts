import { type Reason } from "../protocol/index.ts";

/**
 * Everything that `decide()` read beside the request and the config: recorded with the decision, so that replay gives
 * the same verdict and confidence. Plain data, JSON-safe.
 */
export interface DecisionTrace {
  readonly v: 1;
  readonly finding: Finding;
  /** Uniform in [0, 1), from an HMAC of the id under the agent's secret: for the audit sample and for sampling rules. */
  readonly coin: { readonly audit: number; readonly rules: number };
  /** Escalations that the budget still allowed, before this one; null where there is no limit. */
  readonly budget: number | null;
  /** Whether a person could be asked at all. */
  readonly reviewer: boolean;
  /** False when the byte budget was full of unanswered escalations. */
  readonly storage: boolean;
  /** Where the task has a contract: what was chosen by, beside the model. Absent in records of before there were any. */
  readonly gate?: GateTrace;
  /** Where something is audited: the running mean that propensities are scaled by, before this decision. */
  readonly auditScale?: number;
  /** Where people have a stated capacity: expected losses at and above it went to them. */
  readonly reviewPrice?: number;
  /** Name of the rule that decided, if one did. */
  readonly rule: string | null;
  /** How the model was run, for `exact` against `within 1e-5`; null where none ran. */
  readonly runtime: string | null;
  readonly batch: number | null;
  /** Where the time went, milliseconds. */
  readonly timings: { readonly modelMs: number | null };
}

export interface GateTrace {
  /** Digests of the model's calibrations, null where no model ran. */
  readonly calibration: string | null;
  readonly coarseCalibration: string | null;
  /** Certificates of the task that had lapsed, `certificateKey`. */
  readonly lapsed: readonly string[];
}

/** What the model found, reduced to what the gate reads; or why there is nothing. */
export type Finding =
  | {
      readonly kind: "evidence";
      /** Best first, at most `evidenceTopMax`. */
      readonly top: readonly Scored[];
      /** Best coarse class, where the model has them. */
      readonly coarse: Scored | null;
    }
  | { readonly kind: "failure"; readonly reason: Reason; readonly message: string };

export interface Scored {
  readonly label: string;
  /** Class index. */
  readonly index: number;
  /** Uncalibrated probability, in [0, 1]. */
  readonly score: number;
  /** Calibrated, in [0, 1]. */
  readonly confidence: number;
}

/** Alternatives that a decision and a reviewer see, the answer included. */
export const evidenceTopMax = 6;
