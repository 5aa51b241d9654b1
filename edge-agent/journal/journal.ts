import { type EffectiveConfig } from "../../config/index.ts";
import {
  type Decision,
  type DecisionRequest,
  type Encoding,
  type ObservedEvent,
  type Outcome,
  type ReviewAnswer,
} from "../../protocol/index.ts";
import { type DecisionTrace } from "../../sdk/index.ts";

/**
 * The agent's memory (design 5): a thing exists when the promise of its call resolved, because by then its commit
 * returned. Calls made while a commit runs share the next one. Rejections are HoldpointErrors with HP_DISK_FULL,
 * HP_JOURNAL or HP_BUSY; nothing is half done then.
 */
export interface Journal {
  /** Makes a request durable. `known` and `conflict` are told by id and body digest, across transports. */
  admit(admission: Admission): Promise<Admitted>;
  /** Records revision 1 with what replay needs. A second call for the same id changes nothing. */
  decide(record: DecisionRecord): Promise<void>;
  /**
   * Records one review. The first that comes while the case is pending makes it final (revision 2); later ones are kept
   * as labels and come back as conflicts. Audit samples that a person looks at are reviewed the same way and stay as
   * they were.
   */
  review(review: ReviewRecord): Promise<Reviewed>;
  /** A pending case takes the next rung of its ladder (review expired, nobody could tell); nothing if it is final. */
  settle(settlement: Settlement): Promise<Decision | null>;
  outcome(device: string, outcome: Outcome): Promise<"recorded" | "known" | "unknown_id">;
  observe(device: string, event: ObservedEvent): Promise<"recorded" | "known">;
  /** Clears the delivery row of this revision: the device has acknowledged it. */
  delivered(device: string, id: string, revision: number): Promise<void>;

  /** Gives a changed config its revision and keeps it for replay; the same digest keeps its revision. */
  adoptConfig(config: EffectiveConfig): Promise<EffectiveConfig>;

  find(id: string): Promise<JournalCase | null>;
  list(query: CaseQuery): Promise<CasePage>;
  /** Revisions that the device has not acknowledged, oldest first. */
  undelivered(device: string, limit: number): Promise<readonly Delivery[]>;
  /** Cases admitted and not decided: what a restart takes up again. */
  undecided(limit: number): Promise<readonly JournalCase[]>;
  /** Cases that wait for a person, and unanswered ones that are due. Elapsed time is journalled across restarts. */
  pending(limit: number): Promise<readonly JournalCase[]>;
  /** The input as the device sent it, or null after eviction or erasure. */
  input(id: string): Promise<DecisionRequest["input"] | null>;
  /** The effective config of a digest, for replay. */
  config(digest: string): Promise<EffectiveConfig | null>;
  /** Events of an entity, oldest first, for the windows over events. */
  events(entity: string, sinceMs: number): Promise<readonly ObservedEvent[]>;
  /** Deletes the input's key: the erasure. Appends a tombstone. */
  erase(id: string): Promise<boolean>;
  counts(): Promise<JournalCounts>;
  /** Recomputes the whole chain. */
  verify(): Promise<ChainReport>;
  close(): Promise<void>;
}

export interface Admission {
  readonly request: DecisionRequest;
  /** SHA-256, 32 bytes (protocol `bodyDigest`). */
  readonly bodyDigest: Uint8Array;
  readonly device: string;
  readonly transport: "mqtt" | "http" | "embedded";
  /** Encoding of the request, in which the decision goes back. */
  readonly encoding: Encoding;
  readonly receivedAtMs: number;
  /** False when the byte budget is full of unanswered escalations: the case is recorded without its input bytes. */
  readonly keepInput: boolean;
}

export type Admitted =
  | { readonly kind: "admitted" }
  /** The same id and body came before: the latest decision, or null while it is being made. */
  | { readonly kind: "known"; readonly decision: Decision | null }
  | { readonly kind: "conflict" };

export interface DecisionRecord {
  readonly decision: Decision;
  /** Recorded inputs of `decide()`: scores, budget, coin, thresholds. */
  readonly trace: DecisionTrace;
  /** The case is an audit sample: accepted, and a person looks all the same. */
  readonly audit: boolean;
  /** Monotonic-clock patience left with people, milliseconds; null unless pending. */
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
  /** Seconds of attention are data: milliseconds from showing the case to the answer. */
  readonly tookMs: number | null;
  /** What the case becomes if this review is the first: made by `sdk/revision.ts`, so that the rules stay in one place. */
  readonly revision: Decision;
}

export type Reviewed =
  | { readonly kind: "final"; readonly decision: Decision }
  | { readonly kind: "label"; readonly decision: Decision; readonly conflict: boolean }
  | { readonly kind: "unknown" };

export interface Settlement {
  readonly revision: Decision;
}

/** State of a task in the journal (task-machine.ts). */
export type CaseState = "received" | "pending" | "final";

export interface JournalCase {
  readonly id: string;
  readonly device: string;
  readonly task: string;
  readonly state: CaseState;
  /** The request without its input bytes (`input.data` is empty); `Journal.input` has them. */
  readonly request: DecisionRequest;
  readonly transport: Admission["transport"];
  readonly encoding: Encoding;
  readonly receivedAtMs: number;
  readonly decision: Decision | null;
  /** Every revision, oldest first. */
  readonly revisions: readonly Decision[];
  readonly trace: DecisionTrace | null;
  readonly audit: boolean;
  readonly reviews: readonly ReviewRecord[];
  readonly outcomes: readonly Outcome[];
  readonly inputState: "kept" | "evicted" | "erased" | "none";
  /** Patience with people that is left, milliseconds, as journalled; null unless pending. */
  readonly reviewLeftMs: number | null;
}

export interface CaseQuery {
  readonly task?: string;
  readonly verdict?: Decision["verdict"];
  readonly device?: string;
  readonly sinceMs?: number;
  readonly limit: number;
  readonly cursor?: string;
}

export interface CasePage {
  readonly decisions: readonly Decision[];
  readonly cursor: string | null;
}

export interface Delivery {
  readonly device: string;
  readonly decision: Decision;
  readonly encoding: Encoding;
}

export interface JournalCounts {
  readonly received: number;
  readonly undecided: number;
  readonly pending: number;
  readonly undelivered: number;
  /** Outbox rows written and not yet taken by a hub. */
  readonly unsent: number;
  readonly inputBytes: number;
  readonly evicted: number;
  /** True when nothing but unanswered escalations is left to evict. */
  readonly budgetFull: boolean;
}

export interface ChainReport {
  readonly records: number;
  readonly intact: boolean;
  /** Number of the first record whose hash does not follow, and why. */
  readonly fault: { readonly n: number; readonly message: string } | null;
  readonly head: string;
}
