/**
 * The life of a task in the journal (design 2.5). Only the journal makes a decision final; whatever comes after that is
 * a label. Pure: the writer asks it what to do and does exactly the effects.
 */

/** "none": the id has never been admitted here. */
export type TaskState = "none" | "received" | "pending" | "final";

export type TaskEvent = "admit" | "decide_pending" | "decide_final" | "review" | "settle" | "outcome" | "erase";

/**
 * insert_case: the request becomes durable. insert_revision: this body is the id's next revision, for ever.
 * start_patience: `review_within` begins. answered: retention begins, the input may be evicted.
 * keep_review: the review is kept (as the deciding one or as a label). keep_outcome, drop_input: as they say.
 */
type TaskEffect =
  "insert_case" | "insert_revision" | "start_patience" | "answered" | "keep_review" | "keep_outcome" | "drop_input";

export interface TaskStep {
  readonly state: TaskState;
  /** How the caller is answered. "known": nothing changed because it had happened before. */
  readonly reply: "applied" | "known" | "label" | "unknown";
  readonly effects: readonly TaskEffect[];
}

const unknown: TaskStep = { state: "none", reply: "unknown", effects: [] };

function known(state: TaskState): TaskStep {
  return { state, reply: "known", effects: [] };
}

function applied(state: TaskState, ...effects: readonly TaskEffect[]): TaskStep {
  return { state, reply: "applied", effects };
}

const taskTransitions: Readonly<Record<TaskState, Readonly<Record<TaskEvent, TaskStep>>>> = {
  none: {
    admit: applied("received", "insert_case"),
    decide_pending: unknown,
    decide_final: unknown,
    review: unknown,
    settle: unknown,
    outcome: unknown,
    erase: unknown,
  },
  received: {
    admit: known("received"),
    decide_pending: applied("pending", "insert_revision", "start_patience"),
    decide_final: applied("final", "insert_revision", "answered"),
    // Nothing has been shown to anybody yet, so there is nothing to review or to settle.
    review: { state: "received", reply: "unknown", effects: [] },
    settle: known("received"),
    outcome: applied("received", "keep_outcome"),
    erase: applied("received", "drop_input"),
  },
  pending: {
    admit: known("pending"),
    decide_pending: known("pending"),
    decide_final: known("pending"),
    review: applied("final", "insert_revision", "keep_review", "answered"),
    settle: applied("final", "insert_revision", "answered"),
    outcome: applied("pending", "keep_outcome"),
    erase: applied("pending", "drop_input"),
  },
  final: {
    admit: known("final"),
    decide_pending: known("final"),
    decide_final: known("final"),
    review: { state: "final", reply: "label", effects: ["keep_review"] },
    settle: known("final"),
    outcome: applied("final", "keep_outcome"),
    erase: applied("final", "drop_input"),
  },
};

export function taskTransition(state: TaskState, event: TaskEvent): TaskStep {
  return taskTransitions[state][event];
}
