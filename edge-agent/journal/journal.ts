import { type EffectiveConfig } from "../../config/index.ts";
import {
  type Decision,
  type DecisionRequest,
  type Encoding,
  type ObservedEvent,
  type Outcome,
} from "../../protocol/index.ts";
import {
  type Admission as StoreAdmission,
  type Admitted,
  type DecisionRecord,
  type DecisionTrace,
  type Reviewed,
  type ReviewRecord,
  type Settlement,
} from "../../sdk/index.ts";

/**
 * The agent's memory (design 5): a thing exists when the promise of its call resolved, because by then its commit
 * returned. Calls made while a commit runs share the next one. Rejections are HoldpointErrors with HP_DISK_FULL,
 * HP_JOURNAL, HP_BUSY (more than the queue holds) or HP_CLOSED; nothing is half done then. Bytes and objects that are
 * passed in must stay as they are until the promise settles.
 */
export interface Journal extends JournalReader {
  /** Makes a request durable. `known` and `conflict` are told by id, device and body digest, across transports. */
  admit(admission: Admission): Promise<Admitted>;
  /**
   * Records revision 1 with what replay needs. A second call for the same id changes nothing. HP_NOT_FOUND for an id
   * that was never admitted.
   */
  decide(record: DecisionRecord): Promise<void>;
  /**
   * Records one review. The first that comes while the case is pending makes it final (revision 2); later ones are kept
   * as labels and come back as conflicts. Audit samples that a person looks at are reviewed the same way and stay as
   * they were.
   */
  review(review: ReviewRecord): Promise<Reviewed>;
  /** A pending case takes the next rung of its ladder (review expired, nobody could tell); null if it is not pending. */
  settle(settlement: Settlement): Promise<Decision | null>;
  /** At most `outcomesPerCaseMax` differing outcomes a case: HP_CONFLICT after that. */
  outcome(device: string, outcome: Outcome): Promise<"recorded" | "known" | "unknown_id">;
  observe(device: string, event: ObservedEvent): Promise<"recorded" | "known">;
  /**
   * Clears the delivery row of this revision: the device has acknowledged it, or fetched it over HTTP. Where that is the
   * final decision of a case that waited for a person, the hub is told with a row of the outbox. It goes with the next commit of anything
   * else, the tick's after a second at the latest; a crash before that sends the revision once more.
   */
  delivered(device: string, id: string, revision: number): Promise<void>;

  /**
   * Gives a changed config its revision, keeps it for replay and puts its retention in force. The digest that is in
   * force already keeps its revision; an older one that comes back is a change and gets a new one.
   */
  adoptConfig(config: EffectiveConfig): Promise<EffectiveConfig>;
  /** Deletes the input's bytes and key: the erasure. Appends a tombstone. False if there was nothing to erase. */
  erase(id: string): Promise<boolean>;
  /** The hub has everything up to `watermark` durably. Ignored for another epoch. Returns the watermark in force. */
  forwarded(epoch: string, watermark: number): Promise<number>;
  /**
   * Removes chain records and closed cases older than `beforeMs` (wall clock) and leaves a signed checkpoint. The
   * journal does this by itself after `caseKeepMs`. Returns how many cases and records went.
   */
  prune(beforeMs: number): Promise<number>;

  /** What the last commit left behind, without a question to the database: cheap enough for every request. */
  storage(): JournalStorage;
  /** Called after a change of `storage().problem` or `storage().budgetFull`. Returns the unsubscriber. */
  onStorage(listener: (storage: JournalStorage) => void): () => void;
  /** Commits what is queued, writes the stop record and gives the directory free. */
  close(): Promise<void>;
}

/** The half that `holdpoint replay`, `why`, `export` and `audit verify` use while an agent runs. */
export interface JournalReader {
  /** A new journal starts a new epoch; `seq` of the outbox counts within it. */
  readonly epoch: string;
  find(id: string): Promise<JournalCase | null>;
  /** Newest first. A page may be short or empty while its cursor is not null: one call looks at a bounded number of cases. */
  list(query: CaseQuery): Promise<CasePage>;
  /** Revisions that the device has not acknowledged, oldest case first. None whose `delivered` was called before. */
  undelivered(device: string, limit: number): Promise<readonly Delivery[]>;
  /** Cases admitted and not decided, oldest first: what a restart takes up again. `afterId` continues a listing. */
  undecided(limit: number, afterId?: string): Promise<readonly JournalCase[]>;
  /** Cases that wait for a person, most urgent first; `reviewLeftMs` of unanswered ones that are due is 0 or less. */
  pending(limit: number): Promise<readonly JournalCase[]>;
  /** Audit samples that no person has looked at yet, oldest first. */
  audits(limit: number): Promise<readonly JournalCase[]>;
  /** The input as the device sent it, or null after eviction or erasure. */
  input(id: string): Promise<DecisionRequest["input"] | null>;
  /** The effective config of a digest, for replay. */
  config(digest: string): Promise<EffectiveConfig | null>;
  /** The last `limit` (10,000 unless told) events of an entity, oldest first, for the windows over events. */
  events(entity: string, sinceMs: number, limit?: number): Promise<readonly ObservedEvent[]>;
  /** Outbox rows after `afterSeq` that no hub has taken, in order of `seq`. */
  outbox(afterSeq: number, limit: number): Promise<readonly OutboxRow[]>;
  counts(): Promise<JournalCounts>;
  /** Recomputes the whole chain, and holds every body, header and kept input against its record. */
  verify(progress?: (records: number) => void): Promise<ChainReport>;
  close(): Promise<void>;
}

/** Differing outcomes that one case keeps. */
export const outcomesPerCaseMax = 32;
/** Reviews that one case keeps; later ones are refused with HP_CONFLICT. */
export const reviewsPerCaseMax = 64;

export interface JournalStorage {
  /** Null while all is well. HP_DISK_FULL mends itself; HP_JOURNAL needs a restart, which quarantines what is damaged. */
  readonly problem: { readonly code: "HP_DISK_FULL" | "HP_JOURNAL"; readonly message: string } | null;
  /** Nothing but unanswered escalations is left to evict: admit with `keepInput: false` and take the safe action. */
  readonly budgetFull: boolean;
  readonly inputBytes: number;
  readonly undecided: number;
  readonly pending: number;
  readonly unsent: number;
  readonly undelivered: number;
  /** Number of the newest outbox row that was written. */
  readonly outboxSeq: number;
}

/** What `openJournal` found in the directory. */
export interface JournalOpened {
  readonly kind: "fresh" | "existing" | "recovered";
  /** Directory with the damaged journal and a report, if there was one. */
  readonly quarantined?: string;
  readonly reason?: string;
}

/** Something for the hub. `seq` is contiguous within the epoch; `body` is JSON, the same bytes however often it is read. */
export interface OutboxRow {
  readonly seq: number;
  readonly kind: "escalation" | "audit" | "review" | "revision" | "outcome" | "delivered";
  readonly id: string;
  readonly createdAtMs: number;
  readonly body: string;
}

/** What the journal keeps with a case beside its request. */
export interface CaseOrigin {
  readonly device: string;
  readonly transport: "mqtt" | "http" | "embedded";
  /** Encoding of the request, in which the decision goes back. */
  readonly encoding: Encoding;
}

export type Admission = StoreAdmission & CaseOrigin;
export { type Admitted, type DecisionRecord, type Reviewed, type ReviewRecord } from "../../sdk/index.ts";

/** State of a task in the journal (task-machine.ts). */
export type CaseState = "received" | "pending" | "final";

export interface JournalCase {
  readonly id: string;
  readonly device: string;
  readonly task: string;
  readonly state: CaseState;
  /** The request without its input bytes (`input.data` is empty); `Journal.input` has them. */
  readonly request: DecisionRequest;
  readonly transport: CaseOrigin["transport"];
  readonly encoding: Encoding;
  readonly receivedAtMs: number;
  readonly decision: Decision | null;
  /** Every revision, oldest first. */
  readonly revisions: readonly Decision[];
  readonly trace: DecisionTrace | null;
  readonly audit: boolean;
  readonly reviews: readonly ReviewRecord[];
  readonly outcomes: readonly Outcome[];
  /** none: the input was not kept from the start. An evicted audit sample counts as wrong. */
  readonly inputState: "kept" | "evicted" | "erased" | "none";
  /** evicted: the sample's picture went before a person looked. */
  readonly auditState: "none" | "open" | "reviewed" | "evicted";
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

interface Delivery {
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
