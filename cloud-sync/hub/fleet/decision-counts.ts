import { type Heartbeat, type TaskCounts } from "../../../protocol/index.ts";
import { type HubTransaction } from "../database/database.ts";

/**
 * How many decisions were made by the model and how many went to people, by hour: agents count since their start, and
 * the hub keeps the differences from one heartbeat to the next. They stand in the hour in which the hub heard of them;
 * what an agent decided between its last heartbeat and its end is in no hour.
 */
export interface TaskDecisions {
  readonly task: string;
  readonly accepted: number;
  readonly escalated: number;
  readonly abstained: number;
}

/** With those of the accepted that a rule decided: no certificate is about them. */
interface DecisionsSince extends TaskDecisions {
  readonly byRule: number;
}

export const hourMs = 3_600_000;

/** What is known of the heartbeat before; null before the first. */
export interface CountedBefore {
  readonly bootId: string | null;
  readonly tasks: readonly (TaskDecisions & Pick<TaskCounts, "acceptedByRule">)[];
}

/** Decisions since the heartbeat before, by task; tasks without any are left out. Pure. */
export function decisionsSince(
  before: CountedBefore | null,
  { bootId, tasks }: Pick<Heartbeat, "bootId" | "tasks">,
): readonly DecisionsSince[] {
  const known = new Map((before?.bootId === bootId ? before.tasks : []).map((task) => [task.task, task]));
  return tasks.flatMap(({ task, accepted, escalated, abstained, acceptedByRule = 0 }) => {
    const was = known.get(task);
    // A counter that went back was started anew, whatever the boot id says.
    const isReset = was && (accepted < was.accepted || escalated < was.escalated || abstained < was.abstained);
    const from = was && !isReset ? was : { accepted: 0, escalated: 0, abstained: 0, acceptedByRule: 0 };
    const since = {
      task,
      accepted: accepted - from.accepted,
      escalated: escalated - from.escalated,
      abstained: abstained - from.abstained,
      // Never more than were accepted, and never fewer than none: an agent that errs here errs for itself alone.
      byRule: Math.min(accepted - from.accepted, Math.max(0, acceptedByRule - (from.acceptedByRule ?? 0))),
    };
    return since.accepted + since.escalated + since.abstained > 0 ? [since] : [];
  });
}

/** Adds to the hour of `nowMs`, in one statement. */
export async function addDecisions(
  { db }: HubTransaction,
  store: string,
  decisions: readonly DecisionsSince[],
  nowMs: number,
): Promise<void> {
  if (decisions.length === 0) return;
  const at = { store, hour_ms: nowMs - (nowMs % hourMs) };
  // In one order, so that two agents of a store wait for each other and do not deadlock.
  const rows = decisions
    .map(({ byRule, ...counts }) => ({ ...at, ...counts, by_rule: byRule }))
    .sort((a, b) => (a.task < b.task ? -1 : 1));
  await db
    .insertInto("decision_hours")
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(["store", "task", "hour_ms"]).doUpdateSet((row) => ({
        accepted: row("decision_hours.accepted", "+", row.ref("excluded.accepted")),
        escalated: row("decision_hours.escalated", "+", row.ref("excluded.escalated")),
        abstained: row("decision_hours.abstained", "+", row.ref("excluded.abstained")),
        by_rule: row("decision_hours.by_rule", "+", row.ref("excluded.by_rule")),
      })),
    )
    .execute();
}
