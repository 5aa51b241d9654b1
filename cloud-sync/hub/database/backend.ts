import { type Kysely } from "kysely";
import { type HoldpointError } from "../../../protocol/index.ts";
import { type HubDatabase, type HubNews, type HubTransaction } from "./database.ts";
import { type HubTables } from "./tables.ts";

/** What one kind of database brings: how to reach it, what its errors mean, and how news travel. */
export interface Backend {
  readonly kind: HubDatabase["kind"];
  readonly db: Kysely<HubTables>;
  /** What an error means for the caller; null where it is no error of the database. */
  errorOf(cause: unknown): HoldpointError | null;
  /** Whether the same transaction may succeed if it is run again from the start. */
  mayRetry(cause: unknown): boolean;
  /** Runs in the transaction: what `news` must reach the others with. */
  publish(trx: HubTransaction["db"], news: readonly HubNews[]): Promise<void>;
  /** Runs after the commit. */
  published(news: readonly HubNews[]): void;
  onNews(listener: (news: HubNews) => void): () => void;
  close(): Promise<void>;
}
