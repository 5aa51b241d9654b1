import {
  type AnswerTaken,
  type Cancel,
  type HeldCases,
  type QueueState,
  type Result,
  type ReviewNews,
  type Submit,
} from "../../protocol/index.ts";

/**
 * What a reviewer asks of the queue. One implementation stands over an agent's journal, another over a hub's database;
 * both pass `test/contract/review-store.contract.ts`. Refusals are values (HP_LEASE_LOST, HP_SETTLED, HP_NOT_FOUND).
 */
export interface ReviewStore {
  /** The queue as this reviewer may work on it; without one, the whole of it. */
  queue(reviewer?: Reviewer): Promise<QueueState>;
  /**
   * Cases for this reviewer, at most `count`: those that they hold already, in the order of the queue, then new ones
   * (deadline first, then oldest) that fit the filter. No two reviewers ever hold the same case.
   */
  next(reviewer: Reviewer, count: number, filter?: QueueFilter): Promise<HeldCases>;
  /** Keeps the lease alive. */
  heartbeat(reviewer: Reviewer, id: string, generation: number): Promise<Result<{ readonly expiresAtMs: number }>>;
  /** Gives the case back to the queue at once; nothing if it is not theirs. */
  release(reviewer: Reviewer, id: string, generation: number): Promise<void>;
  /** Takes an answer; it leaves for the device when the undo window ends. The same `reviewId` again changes nothing. */
  submit(reviewer: Reviewer, id: string, submit: Submit): Promise<Result<AnswerTaken>>;
  /** Takes the answer back and gives the case to the same reviewer again. */
  undo(reviewer: Reviewer, id: string, reviewId: string): Promise<Result<HeldCases>>;
  /** The picture of a case that this reviewer holds or has just answered; null where there is none any more. */
  picture(reviewer: Reviewer, id: string): Promise<Result<ReviewPicture | null>>;
  /** Every label that the task's answer may have, for the search box. HP_UNKNOWN_TASK. */
  labels(task: string, reviewer?: Reviewer): Promise<Result<readonly string[]>>;
  /** News for one reviewer: the queue's state, and what happens to their cases. */
  listen(reviewer: Reviewer, listener: (news: ReviewNews) => void): Cancel;
  close(): Promise<void>;
}

export interface Reviewer {
  /** Unique per session: two people may share a name. */
  readonly key: string;
  readonly name: string;
  /** What this person may work on. Without it everything: an agent's queue is one store's. */
  readonly scope?: ReviewerScope;
}

interface ReviewerScope {
  /** The person behind the session: two windows of one person never get two answers of one case. */
  readonly person: string;
  /** Null: every one. */
  readonly stores: readonly string[] | null;
  readonly tasks: readonly string[] | null;
  readonly skills: readonly string[];
  /** Adjudicates. */
  readonly isLead: boolean;
}

/** A part of the queue that a reviewer has chosen to work on. */
export interface QueueFilter {
  readonly store?: string | undefined;
  readonly task?: string | undefined;
  readonly skill?: string | undefined;
}

export interface ReviewPicture {
  readonly contentType: "image/jpeg" | "image/png" | "image/webp";
  readonly bytes: Uint8Array;
}
