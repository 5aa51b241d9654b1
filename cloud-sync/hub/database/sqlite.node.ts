import { existsSync, mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Kysely, SqliteDialect, type SqliteDatabase } from "kysely";
import { HoldpointError, RecentMap } from "../../../protocol/index.ts";
import { LogGauge } from "../../../protocol/platform/log-gauge.node.ts";
import {
  openDatabase,
  pageBytes,
  sqliteCode,
  sqliteFault,
  type Database as SqliteFile,
} from "../../../protocol/platform/sqlite.node.ts";
import { type HubNews } from "./database.ts";
import { type Backend } from "./backend.ts";
import { createLogCopier, type LogCopier } from "./log-copier.node.ts";
import { type HubTables } from "./tables.ts";

/** Pages of the log after which a commit copies it into the database, where nobody has done it before. */
const walPagesMax = 4096;

/** SQLite in the hub's data directory: one process, one connection that asks and writes, nothing to install. */
export async function openSqlite(options: { readonly url: string; readonly threads?: boolean }): Promise<Backend> {
  const { url: dir, threads = availableParallelism() > 1 } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const lock = await takeLock(dir);
  try {
    const file = await openDatabase(join(dir, "hub.db"), { walPagesMax });
    file.pragma("cache_size = -65536");
    // A deleted key is overwritten: deleting it is the erasure of its picture.
    file.pragma("secure_delete = ON");
    // One processor has nobody to copy beside.
    const copier = threads ? createLogCopier(dir, new LogGauge(file, walPagesMax * pageBytes)) : null;
    return backendOf(file, lock, copier);
  } catch (cause) {
    lock.close();
    throw errorOf(cause) ?? cause;
  }
}

/** The same for reading only, beside the process that has the lock. Errors: HP_NOT_FOUND. */
export async function openSqliteReader(options: { readonly url: string }): Promise<Backend> {
  try {
    const file = await openDatabase(join(options.url, "hub.db"), { readOnly: true });
    return backendOf(file, { close: () => undefined }, null);
  } catch (cause) {
    // Where not even the directory is there, better-sqlite3 refuses by itself, with no code of SQLite's.
    if (sqliteCode(cause) !== "SQLITE_CANTOPEN" && existsSync(options.url)) throw errorOf(cause) ?? cause;
    throw new HoldpointError("HP_NOT_FOUND", `there is no hub in ${options.url}`, {
      hint: "Name its data directory, or its PostgreSQL with --database.",
      cause,
    });
  }
}

/** An exclusive transaction that stays open: the system takes it back however the process ends. Errors: HP_LOCKED. */
async function takeLock(dir: string): Promise<SqliteFile> {
  const lock = await openDatabase(join(dir, "hub.lock"), { journalMode: "delete", busyTimeoutMs: 0 }).catch(
    (cause: unknown) => {
      throw lockedError(dir, cause);
    },
  );
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw lockedError(dir, cause);
  }
}

function lockedError(dir: string, cause: unknown): unknown {
  if (sqliteFault(cause) !== "locked") return errorOf(cause) ?? cause;
  return new HoldpointError("HP_LOCKED", `another hub uses ${dir}`, {
    hint: "Stop it, choose another --data, or share a PostgreSQL with --database.",
    cause,
  });
}

function backendOf(file: SqliteFile, lock: { close(): void }, copier: LogCopier | null): Backend {
  const listeners = new Set<(news: HubNews) => void>();
  const db = new Kysely<HubTables>({ dialect: new SqliteDialect({ database: keptStatements(file) }) });
  return {
    kind: "sqlite",
    db,
    errorOf,
    mayRetry: () => false,
    publish: () => Promise.resolve(),
    published: (news) => {
      for (const item of news) for (const listener of listeners) listener(item);
      copier?.committed();
    },
    onNews: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      listeners.clear();
      // Whoever closes last takes the log away.
      await copier?.close();
      await db.destroy();
      lock.close();
    },
  };
}

/** Statements that are kept ready; the longest unused are made anew. */
const statementsMax = 256;
/** A longer text inserts many rows at once: SQLite's form of it is large, and it seldom comes twice with as many. */
const keptCharsMax = 4_000;

/**
 * Kysely prepares a statement for each call. To a hub under load that was a twelfth of its time, so those that come again
 * are kept, until the schema changes: a kept statement would still have the old columns.
 *
 * Where a statement or the commit fails for want of room, SQLite has rolled back by itself, and Kysely's own rollback
 * would fail and hide why.
 */
function keptStatements(file: SqliteFile): SqliteDatabase {
  const kept = new RecentMap<string, ReturnType<SqliteFile["prepare"]>>(statementsMax);
  return {
    prepare: (sql: string) => {
      if (/^\s*(create|alter|drop)\b/i.test(sql)) kept.clear();
      else if (sql.length <= keptCharsMax) {
        const isOver = sql === "rollback" && !file.inTransaction;
        const text = isOver ? "select 1" : sql;
        const known = kept.get(text);
        if (known) return known;
        const made = file.prepare(text);
        kept.set(text, made);
        return made;
      }
      return file.prepare(sql);
    },
    close: () => file.close(),
  };
}

function errorOf(cause: unknown): HoldpointError | null {
  if (cause instanceof HoldpointError) return cause;
  const fault = sqliteFault(cause);
  // A constraint that was broken is the caller's to know; it says what already exists.
  if (sqliteCode(cause) === null || fault === "constraint") return null;
  const message = `the hub's database failed: ${cause instanceof Error ? cause.message : String(cause)}`;
  if (fault === "full") {
    return new HoldpointError("HP_DISK_FULL", message, {
      hint: "Free space on the hub's disk.",
      retryAfterMs: 5000,
      cause,
    });
  }
  return new HoldpointError("HP_DATABASE", message, { retryAfterMs: 1000, cause });
}
