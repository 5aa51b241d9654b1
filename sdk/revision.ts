import { type TaskPolicy } from "../config/index.ts";
import { type Decision, type Reason, type ReviewAnswer } from "../protocol/index.ts";
import { explain } from "./explain.ts";
import { gateByOf } from "./gate-by.ts";
import { rungsAfterReview, walkLadder } from "./ladder.ts";
import { type DecisionTrace } from "./trace.ts";

/** How a pending decision becomes final. The verdict is the gate's and stays; status, answer and decidedBy change. */

export interface RevisionTime {
  /** Wall clock of the revision. */
  readonly atMs: number;
  /** From the request to this revision, by monotonic time. */
  readonly latencyMs: number;
}

/** What a fallback reads: the config and the trace that the decision was made with. */
export interface RevisionFallback {
  readonly policy: TaskPolicy | null;
  readonly trace: DecisionTrace | null;
}

/** A person's answer. "Cannot tell" and "bad picture" take the next rung of the ladder. */
export function reviewedRevision(
  decision: Decision,
  answer: ReviewAnswer,
  reviewer: string,
  fallback: RevisionFallback,
  time: RevisionTime,
): Decision {
  if (answer.kind !== "label") {
    const reason = answer.kind === "cannot_tell" ? "cannot_tell" : "bad_picture";
    return settledRevision(decision, reason, fallback, time);
  }
  return {
    ...decision,
    revision: decision.revision + 1,
    status: "final",
    decidedBy: "reviewer",
    answer: { label: answer.label },
    reasons: ["reviewed", ...decision.reasons.filter((reason) => reason !== "reviewed")],
    at: time.atMs,
    latencyMs: time.latencyMs,
    explanation: explain({
      reason: "reviewed",
      label: answer.label,
      confidence: decision.confidence,
      gateThreshold: decision.gateThreshold,
      detail: reviewer,
    }),
  };
}

/** Nobody could or would answer: the rungs below the person's decide, in the end the declared safe action. */
export function settledRevision(
  decision: Decision,
  reason: Extract<Reason, "cannot_tell" | "bad_picture" | "review_expired">,
  fallback: RevisionFallback,
  time: RevisionTime,
): Decision {
  const { policy, trace } = fallback;
  const end =
    policy && trace
      ? walkLadder(rungsAfterReview(policy.fallback), {
          policy,
          finding: trace.finding,
          by: gateByOf(decision, trace),
          reviewer: false,
          budget: null,
          storage: true,
          worthReview: true,
        })
      : ({ kind: "safe", answer: null, reasons: ["safe_action"] } as const);
  const answer =
    end.kind === "coarse"
      ? { label: end.scored.label, value: end.scored.index }
      : end.kind === "safe"
        ? end.answer
        : null;
  const { confidence, gateThreshold } = decision;
  return {
    ...decision,
    revision: decision.revision + 1,
    status: "final",
    decidedBy: "fallback",
    answer,
    reasons: [reason, ...(end.kind === "coarse" ? (["coarse_answer"] as const) : end.reasons)],
    at: time.atMs,
    latencyMs: time.latencyMs,
    explanation: explain({ reason, label: null, confidence, gateThreshold, detail: null }),
  };
}
