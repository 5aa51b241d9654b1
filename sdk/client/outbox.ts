/** What a client still owes its agent. Things are put before they are first sent and removed when they are answered. */
export interface OutboxItem {
  /** Unique in the outbox: `request/<id>`, `event/<id>`, `outcome/<id>/<own id>`. */
  readonly key: string;
  readonly kind: OutboxKind;
  /** Id of the request, event, or of the request that an outcome is about. */
  readonly id: string;
  /** The message as it goes over the wire. Not to be changed by anybody. */
  readonly bytes: Uint8Array;
}

export type OutboxKind = "request" | "event" | "outcome";

/**
 * Where a client keeps what is unanswered: in memory (nothing survives the process), in a file, or wherever a structural
 * copy of this interface puts it. Every implementation passes `test/contract/client-outbox.contract.ts`.
 */
export interface Outbox {
  /** Opens it and gives what it holds, oldest first. Called once, before anything else. */
  list(): Promise<OutboxContents>;
  /** Resolves when the item will survive whatever this outbox survives. The same key again replaces the item. */
  put(item: OutboxItem): Promise<void>;
  /**
   * Forgets an item; an unknown key is no error. It may come back after a power cut: it is then sent and answered once
   * more, which is harmless, so an implementation need not wait for its disk here.
   */
  remove(key: string): Promise<void>;
  /** Resolves when everything put or removed is written. Calling it again does nothing. */
  close(): Promise<void>;
}

export interface OutboxContents {
  /** Names this outbox: the tail of the MQTT client id, so that two processes of one device do not throw each other out. */
  readonly instance: string;
  readonly items: readonly OutboxItem[];
}
