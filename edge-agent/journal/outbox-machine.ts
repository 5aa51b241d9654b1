/**
 * One row on its way to the hub. `seq` is contiguous within an epoch, so that the hub can say "97 of 98 received"; rows
 * go when the hub's watermark has passed them.
 */

export type OutboxState = "none" | "unsent" | "taken";

/** behind, passed: a watermark below the row's seq, or at or above it. expired: retention dropped it unsent. */
export type OutboxEvent = "written" | "behind" | "passed" | "expired";

export interface OutboxStep {
  readonly state: OutboxState;
  readonly effect: "insert" | "delete" | null;
}

function stay(state: OutboxState): OutboxStep {
  return { state, effect: null };
}

const outboxTransitions: Readonly<Record<OutboxState, Readonly<Record<OutboxEvent, OutboxStep>>>> = {
  none: {
    written: { state: "unsent", effect: "insert" },
    behind: stay("none"),
    passed: stay("none"),
    expired: stay("none"),
  },
  unsent: {
    written: stay("unsent"),
    behind: stay("unsent"),
    passed: { state: "taken", effect: "delete" },
    expired: { state: "taken", effect: "delete" },
  },
  taken: { written: stay("taken"), behind: stay("taken"), passed: stay("taken"), expired: stay("taken") },
};

export function outboxTransition(state: OutboxState, event: OutboxEvent): OutboxStep {
  return outboxTransitions[state][event];
}

/**
 * The watermark after a hub answered: it never goes back and never passes what was written, whatever the hub says
 * (a hub restored from an older backup says less than it once did; a confused one says more than it can have).
 */
export function outboxWatermark(taken: number, written: number, said: number): number {
  return Math.min(written, Math.max(taken, Math.trunc(said)));
}
