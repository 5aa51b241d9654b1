import { type Kysely, type Transaction } from "kysely";
import { type ReviewNews } from "../../../protocol/index.ts";
import { type HubTables } from "./tables.ts";

/** What the hub's rooms ask of their database. `open-database.node.ts` has the two that exist: SQLite and PostgreSQL. */
export interface HubDatabase {
  readonly kind: "sqlite" | "postgres";
  /** One or several questions, outside of a transaction. Errors: HP_DATABASE, HP_DISK_FULL. */
  read<T>(work: (db: Kysely<HubTables>) => Promise<T>): Promise<T>;
  /**
   * One transaction, durable when the promise resolves. Where the database asks for it (a deadlock, a serialization
   * failure) `work` runs again from the start: it may only change what it gets from `trx`.
   * Errors: what `work` throws; HP_DATABASE, HP_DISK_FULL.
   */
  write<T>(work: (trx: HubTransaction) => Promise<T>): Promise<T>;
  /** Called for news of every process after their commit, and with `resync` where some may have been missed. */
  onNews(listener: (news: HubNews) => void): () => void;
  close(): Promise<void>;
}

export interface HubTransaction {
  readonly db: Transaction<HubTables>;
  /** Tells every process of the hub, this one too, once the commit has returned. At most 4,000 characters. */
  readonly tell: (news: HubNews) => void;
}

/** Whoever only asks: inside of a transaction or outside. */
export interface HubReader {
  readonly db: Kysely<HubTables>;
}

/**
 * What changed, in one word and the key that listeners filter by. News may be lost where a connection breaks; `resync`
 * follows, and whoever listens reads anew. The database is the truth, and news only says when to look.
 */
export type HubNews =
  | { readonly kind: "resync" }
  /** There is something in the feed of this agent. */
  | { readonly kind: "feed"; readonly agentId: string }
  /** A case came, moved or closed. */
  | { readonly kind: "case"; readonly caseId: string }
  /** For the page of one reviewer, by the session's key. */
  | { readonly kind: "review"; readonly reviewer: string; readonly news: ReviewNews }
  /** The queue of a task is longer or shorter. */
  | { readonly kind: "queue"; readonly task: string }
  /** An agent changed. `isReport`: only what it says of itself and has sent; its key, name and rights are as before. */
  | { readonly kind: "agent"; readonly agentId: string; readonly isReport?: true }
  | { readonly kind: "config" }
  /** Labels of a task wait to be counted, its contract is another, or a certificate is. */
  | { readonly kind: "gate"; readonly task: string }
  /** Who is told by webhook has changed; there is something to tell. */
  | { readonly kind: "webhooks" | "delivery" }
  | { readonly kind: "people"; readonly personId: string };
