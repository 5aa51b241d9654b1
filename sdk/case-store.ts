import { type EffectiveConfig } from "../config/index.ts";
import { type Decision, type DecisionRequest, type ReviewAnswer, type Sample } from "../protocol/index.ts";
import { type DecisionTrace } from "./trace.ts";

/**
 * What the engine asks of whoever remembers cases: the agent's journal, or memory. A promise that resolved means that
 * the step is as durable as the store ever makes it. `Origin` is whatever the caller keeps with a case (its device …).
 */
export interface CaseStore<Origin> {
  admit(admission: Admission & Origin): Promise<Admitted>;
  /** Records revision 1. A second call for the same id changes nothing. */
  decide(record: DecisionRecord): Promise<void>;
  /** The first review of a pending case makes it final; later ones are labels. */
  review(review: ReviewRecord): Promise<Reviewed>;
  /** A pending case takes its fallback; null if it was final already. */
  settle(settlement: Settlement): Promise<Decision | null>;
  find(id: string): Promise<StoredCase | null>;
}

/** A case store that outlives the process: what the embedded decider takes up again when it starts. */
export interface DecisionJournal extends CaseStore<object> {
  /** Requests that were admitted and not decided, with their inputs. */
  undecided(): Promise<readonly DecisionRequest[]>;
  /** Cases that wait for a person, with their inputs, and the patience that is left, milliseconds. */
  pending(): Promise<readonly PendingCase[]>;
  /** The config of a digest, for the fallback of a decision that an earlier life made. */
  config(digest: string): Promise<EffectiveConfig | null>;
  /** Numbers a changed config and keeps it. */
  adoptConfig(config: EffectiveConfig): Promise<EffectiveConfig>;
  close(): Promise<void>;
}

export interface PendingCase {
  readonly decision: Decision;
  readonly request: DecisionRequest;
  readonly leftMs: number;
}

export interface Admission {
  readonly request: DecisionRequest;
  /** SHA-256, 32 bytes (protocol `bodyDigest`). */
  readonly bodyDigest: Uint8Array;
  readonly receivedAtMs: number;
  /** False when the byte budget is full of unanswered escalations: the case is recorded without its input bytes. */
  readonly keepInput: boolean;
  /**
   * Asked once, at the moment at which the admission leaves for its commit: a decision that is known by then shares the
   * commit, and null goes without. A store need not ask. The decision counts only where the answer says `decided`.
   */
  readonly decision?: () => DecisionRecord | null;
  /**
   * Resolves when `decision` has an answer. There only if that is expected within milliseconds: the store may then hold
   * the admission back for a few of them, so that one commit does for both. Never rejects.
   */
  readonly decidedSoon?: Promise<unknown>;
}

export type Admitted =
  | { readonly kind: "admitted"; readonly decided?: true }
  /** The same id and body came before: the latest decision, or null while it is being made. */
  | { readonly kind: "known"; readonly decision: Decision | null }
  | { readonly kind: "conflict" };

export interface DecisionRecord {
  readonly decision: Decision;
  readonly trace: DecisionTrace;
  /** Accepted, and a person looks all the same. */
  readonly audit: boolean;
  /** How it came to be looked at by people, for the hub; absent or null where they do not look. */
  readonly sample?: Sample | null;
  /** Patience with people, milliseconds; null unless pending. */
  readonly reviewWithinMs: number | null;
}

export interface ReviewRecord {
  readonly id: string;
  /** Makes a repeat harmless. */
  readonly reviewId: string;
  readonly reviewer: string;
  readonly answer: ReviewAnswer;
  readonly source: "store" | "hub";
  readonly atMs: number;
  /** From showing the case to the answer, milliseconds. */
  readonly tookMs: number | null;
  /** What the case becomes if this review is the first. */
  readonly revision: Decision;
}

export type Reviewed =
  | { readonly kind: "final"; readonly decision: Decision }
  | { readonly kind: "label"; readonly decision: Decision; readonly conflict: boolean }
  | { readonly kind: "unknown" };

export interface Settlement {
  readonly revision: Decision;
}

/** The part of a stored case that the engine reads. */
export interface StoredCase {
  readonly id: string;
  readonly request: DecisionRequest;
  readonly receivedAtMs: number;
  readonly decision: Decision | null;
  readonly trace: DecisionTrace | null;
}
