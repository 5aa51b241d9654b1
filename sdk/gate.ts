import { type GatePolicy } from "../config/index.ts";

/** The gate threshold that holds for one label, and whether anything may be accepted at all. */
export interface GateThreshold {
  readonly gateThreshold: number;
  /** False while a contract has no certificate: then nothing is accepted, whatever the confidence. */
  readonly certified: boolean;
}

/**
 * The gate threshold of a label: the label's own if the config names one, else the task's. A contract ("at most 0.5 %
 * wrong") without a certificate accepts nothing; that is the safe side.
 */
export function gateThresholdOf(gate: GatePolicy, label: string): GateThreshold {
  if (gate.target.kind === "contract") return { gateThreshold: 1, certified: false };
  const own = Object.hasOwn(gate.classes, label) ? gate.classes[label] : undefined;
  return { gateThreshold: own ?? gate.target.gateThreshold, certified: true };
}

/** The gate threshold of the `coarse_answer` rung. */
export function coarseGateThreshold(gate: GatePolicy): GateThreshold {
  if (gate.target.kind === "contract") return { gateThreshold: 1, certified: false };
  return { gateThreshold: gate.coarse ?? gate.target.gateThreshold, certified: true };
}

/** Inclusive (design 4.1): a confidence equal to the gate threshold is accepted. */
export function passes(confidence: number, gate: GateThreshold): boolean {
  return gate.certified && confidence >= gate.gateThreshold;
}
