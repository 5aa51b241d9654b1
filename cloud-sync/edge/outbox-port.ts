import { type CaseBrief, type Cancel, type IngestItem } from "../../protocol/index.ts";

/** The agent's outbox, as the forwarder needs it: a journal is one. */
export interface OutboxSource {
  /** Of the journal: `seq` counts within it. */
  readonly epoch: string;
  /** Rows after `afterSeq` in order; numbers that are missing were pruned and never come back. */
  rows(afterSeq: number, limit: number): Promise<readonly OutboxItem[]>;
  /** Number of the newest row that was written. */
  lastSeq(): number;
  /** The hub has everything up to `watermark`, pictures included. */
  forwarded(watermark: number): Promise<void>;
  /** Called when rows may have been written. */
  onWritten(listener: () => void): Cancel;
}

export type OutboxItem = Omit<IngestItem, "brief">;

/** What the agent makes for people when a row is sent. */
export interface CaseBriefs {
  /** Null where the journal has not the case any more. The same picture has the same bytes at every call. */
  prepare(id: string): Promise<PreparedCase | null>;
}

export interface PreparedCase {
  readonly brief: CaseBrief;
  /** As it may leave the store: after redaction. Null: there is none, or it may not leave. */
  readonly picture: PreparedPicture | null;
}

export interface PreparedPicture {
  readonly sha256: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}
