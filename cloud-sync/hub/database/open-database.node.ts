import { type Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import {
  errorCatalogue,
  HoldpointError,
  newId,
  silentLogger,
  type Clock,
  type Logger,
  type Random,
} from "../../../protocol/index.ts";
import { type Backend } from "./backend.ts";
import { type HubDatabase, type HubNews, type HubTransaction } from "./database.ts";
import { hubMigrations } from "./migrations.ts";
import { isPostgresUrl } from "./postgres-url.ts";
import { openPostgres } from "./postgres.node.ts";
import { openSqlite, openSqliteReader } from "./sqlite.node.ts";
import { type HubTables } from "./tables.ts";

export interface OpenDatabaseOptions {
  /** `postgres://…` for a PostgreSQL that hub processes share, or the directory of a SQLite database of one process. */
  readonly url: string;
  /** Connections of this process; PostgreSQL only. */
  readonly connectionsMax?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A transaction that loses against others so often is refused as busy. */
const attemptsMax = 8;

/**
 * Opens the hub's database and brings its schema up to date; several processes may do so at once.
 * Errors: HP_DATABASE (it cannot be reached, or its schema is newer than this hub), HP_LOCKED (another process has the
 * SQLite directory), HP_RUNTIME_MISSING (better-sqlite3 or pg is not installed), HP_DISK_FULL.
 */
export async function openHubDatabase(
  options: OpenDatabaseOptions,
): Promise<{ readonly database: HubDatabase; readonly hubId: string }> {
  const backend = await opening(isPostgresUrl(options.url) ? openPostgres(options) : openSqlite(options), options.url);
  try {
    await migrate(backend);
    const hubId = await instanceOf(backend, options);
    return { database: new Database(backend, options.logger), hubId };
  } catch (cause) {
    await backend.close();
    throw notOpened(backend.errorOf(cause) ?? cause, options.url);
  }
}

/**
 * Opens the database of a hub for reading only, beside a hub that may be running; its schema stays as it is.
 * Errors: HP_NOT_FOUND (the directory has none), HP_DATABASE (no hub's database, not reachable), HP_RUNTIME_MISSING.
 */
export async function openHubReader(url: string): Promise<Pick<HubDatabase, "read" | "close">> {
  const options = { url, logger: silentLogger, connectionsMax: 1 };
  const backend = await opening(isPostgresUrl(url) ? openPostgres(options) : openSqliteReader(options), url);
  const database = new Database(backend, silentLogger);
  try {
    await database.read((db) => db.selectFrom("hub_instance").select("hub_id").executeTakeFirstOrThrow());
    return database;
  } catch (cause) {
    await database.close();
    throw notOpened(cause, url);
  }
}

async function opening<T>(work: Promise<T>, url: string): Promise<T> {
  return work.catch((cause: unknown) => {
    throw notOpened(cause, url);
  });
}

/** A hub that runs takes up again by itself; a command that could not begin has ended, and a person must do something. */
function notOpened(cause: unknown, url: string): unknown {
  if (!(cause instanceof HoldpointError) || cause.hint !== errorCatalogue.HP_DATABASE.hint) return cause;
  const hint = isPostgresUrl(url)
    ? "Check the address, the password, and that the server runs; then start again."
    : "Put back a copy of the directory, or name another one with --data.";
  return new HoldpointError("HP_DATABASE", cause.message, { hint, cause });
}

async function migrate(backend: Backend): Promise<void> {
  const provider = { getMigrations: () => Promise.resolve({ ...hubMigrations }) };
  const { error, results = [] } = await new Migrator({ db: backend.db, provider }).migrateToLatest();
  if (error === undefined) return;
  const failed = results.find(({ status }) => status === "Error")?.migrationName ?? "its list of steps";
  throw (
    backend.errorOf(error) ??
    new HoldpointError("HP_DATABASE", `the database's schema cannot be brought up to date: ${failed}`, {
      hint: "A newer hub may have used this database: run that version.",
      cause: error,
    })
  );
}

async function instanceOf(backend: Backend, { clock, random }: OpenDatabaseOptions): Promise<string> {
  const row = { one: 1, hub_id: newId(clock, random), created_ms: Math.round(clock.wallMs()), signing_key: null };
  await backend.db
    .insertInto("hub_instance")
    .values(row)
    .onConflict((conflict) => conflict.column("one").doNothing())
    .execute();
  const { hub_id: hubId } = await backend.db.selectFrom("hub_instance").select("hub_id").executeTakeFirstOrThrow();
  return hubId;
}

class Database implements HubDatabase {
  readonly kind: HubDatabase["kind"];
  readonly #backend: Backend;
  readonly #logger: Logger;

  constructor(backend: Backend, logger: Logger) {
    this.kind = backend.kind;
    this.#backend = backend;
    this.#logger = logger;
  }

  async read<T>(work: (db: Kysely<HubTables>) => Promise<T>): Promise<T> {
    try {
      return await work(this.#backend.db);
    } catch (cause) {
      throw this.#failed(cause, 1);
    }
  }

  async write<T>(work: (trx: HubTransaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const news: HubNews[] = [];
      try {
        const result = await this.#backend.db.transaction().execute(async (db) => {
          const done = await work({ db, tell: (item) => news.push(item) });
          if (news.length > 0) await this.#backend.publish(db, news);
          return done;
        });
        this.#backend.published(news);
        return result;
      } catch (cause) {
        if (this.#backend.mayRetry(cause) && attempt < attemptsMax) continue;
        throw this.#failed(cause, attempt);
      }
    }
  }

  /** What the database itself says goes into the log here: whoever calls the hub is not told its words. */
  #failed(cause: unknown, attempt: number): unknown {
    const error = this.#backend.errorOf(cause);
    if (error && error.status >= 500) this.#logger.warn("hub_database_failed", { attempt, cause });
    return error ?? cause;
  }

  onNews(listener: (news: HubNews) => void): () => void {
    return this.#backend.onNews((news) => {
      try {
        listener(news);
      } catch (cause) {
        // What it was told of is committed: whoever wrote it, and who else listens, have nothing to do with this.
        this.#logger.error("hub_news_listener_failed", { kind: news.kind, cause });
      }
    });
  }

  close(): Promise<void> {
    return this.#backend.close();
  }
}
