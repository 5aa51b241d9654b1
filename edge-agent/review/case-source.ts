import { type Cancel, type Decision, type Input, type ReviewAnswer } from "../../protocol/index.ts";
import { type JournalCase, type Reviewed } from "../journal/journal.ts";

/** What the review room asks of the agent: the journal holds the truth, this is the narrow view of it. */
export interface CaseSource {
  /** Name of the store. */
  readonly store: string;
  /** Cases that wait for a person, the one due first at the front; audit samples behind them. */
  pending(limit: number): Promise<readonly HeldCase[]>;
  find(id: string): Promise<HeldCase | null>;
  /** The input as the device sent it, or null after eviction or erasure. */
  input(id: string): Promise<Input | null>;
  /** What a reviewer is asked and may answer; null for a task that is not configured. */
  task(name: string): ReviewedTask | null;
  /** Commits a review; the journal decides whether it is the first. Rejects with HP_DISK_FULL, HP_BUSY … */
  submitReview(review: SourceReview): Promise<Reviewed>;
  /** Every revision after its commit: of pending cases, of audit samples, and of cases settled elsewhere. */
  onRevision(listener: (decision: Decision) => void): Cancel;
  /** A device has acknowledged a revision. */
  onDelivered(listener: (id: string, revision: number) => void): Cancel;
}

/** The part of a journal's case that a reviewer sees; a JournalCase is one. */
export type HeldCase = Pick<
  JournalCase,
  | "id"
  | "device"
  | "task"
  | "state"
  | "request"
  | "receivedAtMs"
  | "decision"
  | "trace"
  | "audit"
  | "inputState"
  | "reviewLeftMs"
> & { readonly reviews: readonly unknown[] };

export interface ReviewedTask {
  readonly question: string;
  readonly labels: readonly string[];
  /** Groups of these labels, where the model has them: `of[i]` is the place in `coarse.labels` of label i's. */
  readonly coarse?: { readonly labels: readonly string[]; readonly of: readonly number[] } | null;
}

export interface SourceReview {
  readonly id: string;
  readonly reviewId: string;
  /** The reviewer's name. */
  readonly reviewer: string;
  readonly answer: ReviewAnswer;
  readonly tookMs: number | null;
}
