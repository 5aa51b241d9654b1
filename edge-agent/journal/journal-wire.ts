import type { ErrorCode } from "../../protocol/index.ts";
import type { AuditState } from "./eviction-plan.ts";
import type { JournalStorage, OutboxRow } from "./journal.ts";

/**
 * What the journal's main side and its worker threads say to each other. Operations are flat arrays of text and
 * numbers, because they are structured-cloned by the ten thousand; bytes of all operations of a message travel in one
 * transferred buffer.
 */

export type Op =
  | AdmitOp
  | DecideOp
  | ReviewOp
  | SettleOp
  | OutcomeOp
  | ObserveOp
  | DeliveredOp
  | ConfigOp
  | EraseOp
  | ForwardedOp
  | PruneOp
  | ClockOp
  | StopOp
  | TickOp;

export type AdmitOp = readonly [
  op: "admit",
  id: string,
  device: string,
  task: string,
  transport: string,
  encoding: string,
  receivedAtMs: number,
  /** JSON of the request without its input's bytes or values. */
  header: string,
  /** Where the 32 bytes of the body digest start in the message's bytes. */
  digestAt: number,
  /** Text of an input without bytes; or where its bytes start; or null where the input is not to be kept. */
  input: string | number | null,
  inputBytes: number,
  /** The decision, where it was known before the admission left: both are one step then. */
  decision: DecideOp | null,
];
export type DecideOp = readonly [
  op: "decide",
  id: string,
  status: "pending" | "final",
  verdict: "accept" | "escalate" | "abstain",
  body: string,
  trace: string,
  audit: boolean,
  reviewWithinMs: number | null,
  /** JSON of how the case was sampled, for the hub. */
  sample: string | null,
];
export type ReviewOp = readonly [
  op: "review",
  id: string,
  reviewId: string,
  /** JSON of the review record without the revision. */
  review: string,
  /** The label that the reviewer chose, or null for "cannot tell" and "bad picture". */
  label: string | null,
  revision: number,
  body: string,
];
export type SettleOp = readonly [op: "settle", id: string, revision: number, reason: string, body: string];
export type OutcomeOp = readonly [op: "outcome", device: string, id: string, body: string];
export type ObserveOp = readonly [
  op: "observe",
  device: string,
  id: string,
  entity: string,
  atMs: number,
  body: string,
];
export type DeliveredOp = readonly [op: "delivered", device: string, id: string, revision: number];
/** `body` is the config's JSON without its revision. */
export type ConfigOp = readonly [op: "config", digest: string, body: string, retention: RetentionLimits];
export type EraseOp = readonly [op: "erase", id: string];
export type ForwardedOp = readonly [op: "forwarded", epoch: string, watermark: number];
type PruneOp = readonly [op: "prune", beforeAgentMs: number];
type ClockOp = readonly [op: "clock", jumpMs: number];
type StopOp = readonly [op: "stop"];
/** Lets time pass: retention, eviction, recovery from a full disk, the journalled agent time. */
type TickOp = readonly [op: "tick"];

/** What an operation left: 0 for the usual, quick answer; else data, or an OpFailure. */
export type OpResult = string | number | boolean | null | readonly unknown[] | OpFailure;

export interface OpFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | null;
}

export function isFailure(result: OpResult): result is OpFailure {
  return typeof result === "object" && result !== null && "code" in result;
}

export interface BatchMessage {
  readonly kind: "batch";
  readonly wallMs: number;
  /** Agent time, whole milliseconds. */
  readonly agentMs: number;
  readonly ops: readonly Op[];
  readonly bytes: ArrayBuffer;
}

/** Answers come in the order of the batches. */
export interface BatchReply {
  readonly kind: "committed";
  readonly results: readonly OpResult[];
  /** The bytes of the message come back where they are many, to carry the next ones. */
  readonly spare?: ArrayBuffer;
  readonly storage: JournalStorage;
  readonly received: number;
  readonly evicted: number;
}

export interface RetentionLimits {
  readonly journalBytesMax: number;
  readonly inputKeepMs: number;
  readonly unansweredMaxMs: number;
}

/** Bounds of the files; docs/durability.md says what happens at each. */
export interface JournalLimits {
  /** The database file. At nine tenths of it the oldest closed cases go early; at it writes are refused. */
  readonly databaseBytesMax: number;
  readonly walBytesMax: number;
  /** Space that is kept aside for finishing work on a full disk. */
  readonly reserveBytes: number;
  /** Closed cases and chain records are kept this long after their answer. */
  readonly caseKeepMs: number;
}

export interface WorkerData {
  /** The keeper is the writer's own (`log-keeper.node.ts`). */
  readonly role: "writer" | "reader" | "keeper";
  readonly dir: string;
  readonly limits: JournalLimits;
  readonly retention: RetentionLimits;
  readonly wallMs: number;
  readonly opened: string;
}

/** A question to the reader; `method` is a name in `JournalQueries`. */
export interface QueryMessage {
  readonly kind: "query";
  readonly query: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface QueryReply {
  readonly kind: "answer";
  readonly query: number;
  readonly value: unknown;
  readonly failure: OpFailure | null;
}

export interface ProgressMessage {
  readonly kind: "progress";
  readonly query: number;
  readonly records: number;
}

/** First message of a worker: it serves, or why it cannot. */
export interface ReadyMessage {
  readonly kind: "ready";
  readonly failure: OpFailure | null;
}

/** To the keeper: copy the log into the database. */
export interface CopyMessage {
  readonly kind: "copy";
}

export interface CopiedMessage {
  readonly kind: "copied";
}

export interface CloseMessage {
  readonly kind: "close";
}

/** A case as the database has it; `case-rows.ts` makes a JournalCase of it. */
export interface CaseRow {
  readonly n: number;
  readonly id: string;
  readonly device: string;
  readonly task: string;
  readonly transport: string;
  readonly encoding: string;
  readonly received_ms: number;
  readonly header: string;
  readonly state: string;
  readonly audit: AuditState;
  readonly input_state: string;
  readonly patience_agent_ms: number | null;
  /** Agent time of the reading. */
  readonly agent_ms: number;
  /** The text of an input without bytes, while it is kept. */
  readonly input: string | null;
  readonly revisions: readonly { readonly body: string; readonly trace: string | null }[];
  readonly reviews: readonly string[];
  readonly outcomes: readonly string[];
}

export interface OutboxRecord extends Omit<OutboxRow, "createdAtMs"> {
  readonly created_ms: number;
}
