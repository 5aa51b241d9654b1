import type { Verdict } from "../../protocol/index.ts";
import type { TaskState } from "./task-machine.ts";

/** Which inputs go when the byte budget is full (design 5.4). Pure; the writer deletes what the plan names. */

/**
 * accepted: model, rule or fallback answered and nobody looks. answered: a person looked (they are labels to learn
 * from). audit: an audit sample that still waits for its person, and counts as wrong once its picture is gone.
 */
export const evictionRanks = { accepted: 0, answered: 1, audit: 2 } as const;

export type EvictionRank = (typeof evictionRanks)[keyof typeof evictionRanks];

export type AuditState = "none" | "open" | "reviewed" | "evicted";

/** Rank of a case's input, or null where it must stay: undecided ones, and escalations that nobody answered. */
export function evictionRank(state: TaskState, verdict: Verdict, audit: AuditState): EvictionRank | null {
  if (state !== "final") return null;
  if (audit === "open") return evictionRanks.audit;
  return verdict === "escalate" || audit === "reviewed" ? evictionRanks.answered : evictionRanks.accepted;
}

export interface EvictionCandidate {
  readonly n: number;
  readonly rank: EvictionRank | null;
  /** Agent time of the answer, from which age counts. */
  readonly answeredAgentMs: number;
  readonly bytes: number;
}

export interface EvictionPlan {
  /** In the order of going. */
  readonly evict: readonly number[];
  readonly bytesFreed: number;
  /** Bytes that are still over the budget after the plan. */
  readonly bytesOver: number;
}

/** Evicts the lowest rank first and the oldest of it, and no more than brings `bytesKept` to `bytesMax`. */
export function planEviction(
  budget: { readonly bytesKept: number; readonly bytesMax: number },
  candidates: readonly EvictionCandidate[],
): EvictionPlan {
  const evict: number[] = [];
  let over = budget.bytesKept - budget.bytesMax;
  const ordered = candidates
    .filter((candidate) => candidate.rank !== null)
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0) || a.answeredAgentMs - b.answeredAgentMs || a.n - b.n);
  let bytesFreed = 0;
  for (const candidate of ordered) {
    if (over <= 0) break;
    evict.push(candidate.n);
    bytesFreed += candidate.bytes;
    over -= candidate.bytes;
  }
  return { evict, bytesFreed, bytesOver: Math.max(0, over) };
}
