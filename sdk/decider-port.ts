import { type Context, type Decision, type Input } from "../protocol/index.ts";

/**
 * The one interface of everything that decides: `createDecider` in this process, `connect` to an agent. Software that
 * asks is written against it and cannot tell whether a model or a person answered.
 */
export interface Decider {
  /**
   * Asks for a decision and resolves with revision 1, or with a later one if that is already known. It never rejects
   * for a decision that went badly (no model, a NaN, a timeout of the model: those are verdicts with a reason). It
   * rejects with a HoldpointError for a request that is no request: HP_SCHEMA, HP_NOT_FINITE, HP_TOO_LARGE,
   * HP_UNKNOWN_TASK, HP_CONFLICT (same id, other body), HP_CLOSED; a client also with HP_OUTBOX_FULL and HP_TIMEOUT.
   */
  decide(task: string, input: Input, options?: DecideOptions): Promise<Decision>;
  /**
   * Resolves when the decision is final. Rejects with HP_NOT_FOUND for an id that is not known, with HP_TIMEOUT after
   * `waitMs` (without it there is no end), with the signal's reason when that fires, and with HP_CLOSED.
   */
  final(id: string, options?: FinalOptions): Promise<Decision>;
  /**
   * Calls the listener once for each revision of each decision. What it throws or rejects with is logged and disturbs
   * nobody. Returns the unsubscriber.
   */
  on(event: "revision", listener: (decision: Decision) => void): () => void;
  /** Stops. What still waits rejects with HP_CLOSED; what is durable stays durable. Calling it again does nothing. */
  close(): Promise<void>;
}

export interface DecideOptions {
  /**
   * UUID of the request (version 7, lower case). Give your own to ask again after a crash: the same id with the same
   * body gets the same answer. Without it one is made.
   */
  readonly id?: string;
  /** Where the case came from: basket, camera, shelf … Rules may read it; it belongs to the request's identity. */
  readonly context?: Context;
  /** The patience for the decision, milliseconds, 1 to a day; after it the case is escalated with reason `timeout`. */
  readonly deadlineMs?: number;
  /** When the case happened, wall-clock milliseconds; now, where it is absent. */
  readonly at?: number;
  /** Ends the waiting, not the request: what was asked stays asked, and `final(id)` still answers. */
  readonly signal?: AbortSignal;
}

export interface FinalOptions {
  /** How long to wait, milliseconds. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}
