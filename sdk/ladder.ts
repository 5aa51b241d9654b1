import { type Rung, type TaskPolicy } from "../config/index.ts";
import { type Answer, type Reason } from "../protocol/index.ts";
import {
  adjustedConfidence,
  coarseGateThreshold,
  gateThresholdOf,
  isRest,
  passes,
  type GateBy,
  type GateThreshold,
} from "./gate.ts";
import { type Finding, type Scored } from "./trace.ts";

/** What a walk down the ladder ends in. `reasons` lists why rungs were passed over, in order. */
export type LadderEnd =
  | {
      readonly kind: "coarse";
      readonly scored: Scored;
      readonly gate: GateThreshold;
      readonly reasons: readonly Reason[];
    }
  | { readonly kind: "person"; readonly reasons: readonly Reason[] }
  | { readonly kind: "safe"; readonly answer: Answer | null; readonly reasons: readonly Reason[] };

export interface LadderFacts {
  readonly policy: TaskPolicy;
  readonly finding: Finding;
  readonly by: GateBy;
  /** A person can be asked at all. */
  readonly reviewer: boolean;
  /** Escalations left in the budget; null: no limit. */
  readonly budget: number | null;
  /** False when the journal is full of unanswered escalations. */
  readonly storage: boolean;
  /** False when people can take no more, and this case is not among those that are worth most. */
  readonly worthReview: boolean;
}

/** Walks the declared rungs in order; a ladder without a rung that holds ends in the safe action. */
export function walkLadder(rungs: readonly Rung[], facts: LadderFacts): LadderEnd {
  const reasons: Reason[] = [];
  for (const rung of rungs) {
    const end = stepOn(rung, facts, reasons);
    if (end) return end;
  }
  return { kind: "safe", answer: facts.policy.safeAction, reasons: [...reasons, "safe_action"] };
}

function stepOn(rung: Rung, facts: LadderFacts, reasons: Reason[]): LadderEnd | null {
  if (rung === "safe_action") {
    return { kind: "safe", answer: facts.policy.safeAction, reasons: [...reasons, "safe_action"] };
  }
  if (rung === "coarse_answer") {
    return onCoarse(facts, reasons);
  }
  const obstacle = personObstacle(facts);
  if (obstacle === null) return { kind: "person", reasons };
  reasons.push(obstacle);
  return null;
}

function onCoarse({ finding, policy, by }: LadderFacts, reasons: readonly Reason[]): LadderEnd | null {
  const scored = finding.kind === "evidence" ? finding.coarse : null;
  if (!scored || finding.kind !== "evidence") return null;
  const gate = coarseGateThreshold(policy.gate, by);
  const confidence = adjustedConfidence(scored.confidence, gate);
  if (!passes(confidence, gate)) return null;
  const [top] = finding.top;
  if (top && !isRest(gate, top.confidence, gateThresholdOf(policy.gate, top.label, by))) return null;
  return { kind: "coarse", scored: { ...scored, confidence }, gate, reasons };
}

function personObstacle(facts: LadderFacts): Reason | null {
  if (!facts.reviewer) return "no_reviewer";
  if (!facts.storage) return "storage_full";
  if (facts.budget !== null && facts.budget < 1) return "budget_exhausted";
  return facts.worthReview ? null : "capacity_exhausted";
}

/** The rungs below `human_review`: what is left when people could not answer. */
export function rungsAfterReview(rungs: readonly Rung[]): readonly Rung[] {
  const at = rungs.indexOf("human_review");
  return at < 0 ? [] : rungs.slice(at + 1);
}
