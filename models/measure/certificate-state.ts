import { labelsAtLeast } from "./binomial.ts";
import type { ErrorContract } from "./certify.ts";
import { type DriftState } from "./drift-detector.ts";
import { type EvidenceGrid } from "./evidence-grid.ts";

/**
 * What was agreed for one scope (store, region, fleet), task, class and rung. `delta` is all that an epoch may spend:
 * half of it goes to the one certificate at launch, half to the evidence over time.
 */
export interface CertificateRules extends ErrorContract {
  /** At how many certain labels the one certificate of the epoch is tried; fixed before the first of them. */
  readonly launchLabels: number;
  /** The grid of the evidence; fixed before the first label. */
  readonly gateThresholds: readonly number[];
  /** Without a fresh label the certificate lapses after this time, or after this many accepted decisions. */
  readonly lapseAfterMs: number;
  readonly lapseAccepts: number;
}

/** What a certificate is for: the digest of the model, and that of the calibration it decides with. */
export interface ModelIdentity {
  readonly model: string;
  readonly calibration: string;
}

/**
 * - `collecting`: nothing is proved yet; no gate threshold, so people decide.
 * - `certified`: a gate threshold is proved and published, or a higher one where somebody raised it.
 * - `lapsed`: it was proved, but nobody has looked for too long; people decide until fresh labels come.
 * - `alarmed`: collecting again after drift was seen, until the new epoch proves something.
 */
export type CertificateKind = "collecting" | "certified" | "lapsed" | "alarmed";

/** A gate threshold with what proves it. */
export interface ProvedGate {
  readonly gateThreshold: number;
  readonly method: "fallback_auto" | "e_process";
  /** Labels in all; those at or above the gate threshold, and the wrong ones among these. */
  readonly labels: number;
  readonly accepted: number;
  readonly errors: number;
  /** Share of the decisions that it accepts, in [0, 1]: of the labels at launch, later estimated by 1/π. */
  readonly coverage: number;
  readonly level: number;
  readonly upperBound: number;
}

/** What the gate is told. Without a gate threshold nothing may be accepted. */
export interface PublishedGate {
  readonly gateThreshold: number | null;
  readonly basis: "launch" | "evidence" | "raised" | "alarm" | "lapsed" | "collecting";
  /** What proves a gate threshold at or below this one; null if nothing does. */
  readonly proved: ProvedGate | null;
}

/** The life of one certificate. Plain data, kept as JSON; changed by `transition` alone. */
export interface CertificateState {
  readonly kind: CertificateKind;
  readonly rules: CertificateRules;
  readonly identity: ModelIdentity;
  /** From 1; a new model, a new contract or an alarm begins the next one with fresh labels and a fresh delta. */
  readonly epoch: number;
  /** Decisions from before this time do not count: after an alarm the past is what went wrong. */
  readonly countedFromMs: number;
  /** Certain labels until the launch, in the order in which they came; emptied by it. */
  readonly launch: {
    readonly isDone: boolean;
    readonly confidence: readonly number[];
    readonly correct: readonly number[];
  };
  readonly grid: EvidenceGrid;
  readonly drift: DriftState;
  /** The lowest gate threshold that this epoch has proved so far. */
  readonly proved: ProvedGate | null;
  /** What a person or a monitor has raised the gate threshold to; `people` sends everything to people. It outlives epochs. */
  readonly raised: number | "people" | null;
  readonly published: PublishedGate;
  /** From 1 for each publication; one and the same certificate with fresh evidence is the next renewal. */
  readonly renewal: number;
  readonly publishedAtMs: number;
  /** When the newest labelled decision at or above the proved gate threshold was made. */
  readonly freshAtMs: number;
  /** Decisions that the gate has accepted since that label was counted, and since the publication. */
  readonly acceptedSinceFresh: number;
  readonly acceptedSincePublished: number;
  /** Labels of such decisions made since the publication, or since the lapse. */
  readonly freshLabels: number;
}

/** Defaults of what a contract may leave open (docs/config.md). */
export const defaultLapseAfterMs = 14 * 24 * 3600 * 1000;
export const defaultLapseAccepts = 50_000;

const launchLabelsMax = 20_000;

/**
 * At how many labels the launch is tried unless the contract says: three times the least that could do at delta / 2,
 * so that the walk of `certify` has two starts and a few errors to spare. 1,104 at 1 % and δ = 0.05.
 */
export function defaultLaunchLabels({ maxError, delta }: ErrorContract): number {
  return Math.min(launchLabelsMax, 3 * labelsAtLeast(maxError, delta / 2));
}

/** Refuses rules that no certificate could keep: a bug of the caller, whose schema has checked them. */
export function requireRules(rules: CertificateRules): void {
  const { maxError, delta, launchLabels, lapseAfterMs, lapseAccepts } = rules;
  if (!(maxError > 0 && maxError < 1)) throw new RangeError(`maxError must be inside (0, 1), got ${maxError}`);
  if (!(delta > 0 && delta < 1)) throw new RangeError(`delta must be inside (0, 1), got ${delta}`);
  if (!(Number.isInteger(launchLabels) && launchLabels >= 1 && launchLabels <= launchLabelsMax)) {
    throw new RangeError(`launchLabels must be an integer from 1 to ${launchLabelsMax}, got ${launchLabels}`);
  }
  if (!(lapseAfterMs > 0 && lapseAccepts > 0)) throw new RangeError("a certificate must be able to lapse");
}
