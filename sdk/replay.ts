import { type TaskPolicy } from "../config/index.ts";
import { type Context, type Decision } from "../protocol/index.ts";
import { decide } from "./decide.ts";
import { gateByOf } from "./gate-by.ts";
import { type DecisionTrace, type Finding } from "./trace.ts";

/** Largest difference of a confidence between two runs of one model that are the same decision (design 2.7). */
const toleranceMax = 1e-5;

/** What a replay of a recorded decision is made of. */
export interface ReplayInputs {
  /** Revision 1 as it was recorded. */
  readonly decision: Decision;
  readonly context: Context;
  readonly trace: DecisionTrace;
  readonly policy: TaskPolicy;
  /** What the model says now; null where input or model are gone, and then the gate alone is replayed. */
  readonly again: { readonly finding: Finding; readonly runtime: string; readonly provider: string } | null;
}

export interface ReplayReport {
  /**
   * `exact`: same verdict, answer and confidence to the last bit, by the same runtime. `within_tolerance`: confidence
   * within 1e-5. `gate_only`: the recorded scores give the same verdict; the model was not run. `changed`: see
   * `differences`.
   */
  readonly kind: "exact" | "within_tolerance" | "gate_only" | "changed";
  readonly decision: Decision;
  readonly differences: readonly { readonly field: string; readonly recorded: unknown; readonly replayed: unknown }[];
  /** Set where the runtime is not the recorded one: then `exact` is not to be expected. */
  readonly runtimeChanged: { readonly recorded: string | null; readonly now: string } | null;
}

/** Decides again from what was recorded. Pure. */
export function replay(inputs: ReplayInputs): ReplayReport {
  const { decision, trace, again } = inputs;
  const { decision: replayed } = decide({
    id: decision.id,
    context: inputs.context,
    policy: inputs.policy,
    config: decision.config,
    finding: again?.finding ?? trace.finding,
    model: decision.model,
    provider: again?.provider ?? decision.provider,
    runtime: trace.runtime,
    batch: trace.batch,
    modelMs: trace.timings.modelMs,
    coin: trace.coin,
    by: gateByOf(decision, trace),
    auditScale: trace.auditScale ?? 0,
    reviewPrice: trace.reviewPrice ?? null,
    budget: trace.budget,
    reviewer: trace.reviewer,
    storage: trace.storage,
    atMs: decision.at,
    latencyMs: decision.latencyMs,
  });
  const differences = differencesOf(decision, replayed);
  const runtimeChanged =
    again && again.runtime !== trace.runtime ? { recorded: trace.runtime, now: again.runtime } : null;
  const kind = differences.some(({ field }) => field !== "confidence" && field !== "score")
    ? "changed"
    : kindOf(decision, replayed, again !== null);
  return { kind, decision: replayed, differences, runtimeChanged };
}

function kindOf(recorded: Decision, replayed: Decision, modelRan: boolean): ReplayReport["kind"] {
  const apart = Math.max(
    Math.abs(recorded.confidence - replayed.confidence),
    Math.abs(recorded.score - replayed.score),
  );
  if (apart > toleranceMax) return "changed";
  if (!modelRan) return "gate_only";
  return apart === 0 ? "exact" : "within_tolerance";
}

function differencesOf(recorded: Decision, replayed: Decision): ReplayReport["differences"] {
  const fields = [
    "verdict",
    "status",
    "decidedBy",
    "confidence",
    "score",
    "gateThreshold",
    "certificate",
    "provider",
  ] as const;
  const found: { field: string; recorded: unknown; replayed: unknown }[] = fields
    .filter((field) => recorded[field] !== replayed[field])
    .map((field) => ({ field, recorded: recorded[field], replayed: replayed[field] }));
  const label = [recorded.answer?.label ?? null, replayed.answer?.label ?? null];
  if (label[0] !== label[1]) found.push({ field: "answer.label", recorded: label[0], replayed: label[1] });
  const reasons = [recorded.reasons.join(" "), replayed.reasons.join(" ")];
  if (reasons[0] !== reasons[1]) found.push({ field: "reasons", recorded: reasons[0], replayed: reasons[1] });
  return found;
}
