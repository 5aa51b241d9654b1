import type BetterSqlite3 from "better-sqlite3";
import { HoldpointError, type ErrorCode } from "../errors.ts";

/** The one file that knows better-sqlite3. It is an optional peer, so it is loaded when a database is opened. */

export type Database = BetterSqlite3.Database;

export interface DatabaseOptions {
  readonly readOnly?: boolean;
  /** "wal" for data; "delete" (SQLite's default) for the lock file, whose exclusive transaction must be a real one. */
  readonly journalMode?: "wal" | "delete";
  /** Upper bound of the file, pages of 4,096 bytes: at it a write fails with SQLITE_FULL and nothing is half done. */
  readonly pagesMax?: number;
  /** Pages in the write-ahead log after which a commit copies them into the database. */
  readonly walPagesMax?: number;
  /** How long a statement waits for a lock of another connection. */
  readonly busyTimeoutMs?: number;
  readonly mustExist?: boolean;
}

export const pageBytes = 4096;

let loaded: typeof BetterSqlite3 | null = null;

/** Errors: HP_RUNTIME_MISSING where the optional package is not installed. */
async function loadSqlite(): Promise<typeof BetterSqlite3> {
  if (loaded !== null) return loaded;
  try {
    loaded = (await import("better-sqlite3")).default;
    return loaded;
  } catch (cause) {
    throw new HoldpointError("HP_RUNTIME_MISSING", "the package better-sqlite3 is not installed or does not load", {
      hint: "Install it beside holdpoint: npm install better-sqlite3@13",
      cause,
    });
  }
}

/**
 * Opens a database with the settings that durability needs. WAL falls back to `synchronous=NORMAL` unless FULL is set
 * on every connection, after the journal mode; so it is set here and nowhere else. Throws SQLite's own error; see
 * `sqliteFault`.
 */
export async function openDatabase(file: string, options: DatabaseOptions = {}): Promise<Database> {
  const Sqlite = await loadSqlite();
  const readonly = options.readOnly ?? false;
  const timeout = options.busyTimeoutMs ?? 5000;
  const database = new Sqlite(file, { readonly, fileMustExist: readonly || (options.mustExist ?? false), timeout });
  try {
    database.pragma("foreign_keys = ON");
    database.pragma("trusted_schema = OFF");
    if (readonly) {
      database.pragma("query_only = ON");
      return database;
    }
    database.pragma(`journal_mode = ${options.journalMode ?? "wal"}`);
    database.pragma("synchronous = FULL");
    const walPages = options.walPagesMax ?? 1000;
    database.pragma(`wal_autocheckpoint = ${walPages}`);
    // After a burst (or a reader that held the log back) the file shrinks again, so that the disk reserve stays enough.
    database.pragma(`journal_size_limit = ${2 * walPages * pageBytes}`);
    if (options.pagesMax !== undefined) database.pragma(`max_page_count = ${options.pagesMax}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What an error of SQLite means for whoever called: the disk is full, the file is damaged, it is locked, or else. */
export type SqliteFault = "full" | "corrupt" | "locked" | "io" | "constraint" | "other";

export function sqliteCode(error: unknown): string | null {
  if (typeof error !== "object" || error === null || !("code" in error)) return null;
  return typeof error.code === "string" && error.code.startsWith("SQLITE_") ? error.code : null;
}

export function sqliteFault(error: unknown): SqliteFault {
  const code = sqliteCode(error);
  if (code === null) return "other";
  if (code.startsWith("SQLITE_FULL")) return "full";
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) return "corrupt";
  if (code.startsWith("SQLITE_IOERR_SHORT_READ") || code.startsWith("SQLITE_IOERR_DATA")) return "corrupt";
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "locked";
  if (code.startsWith("SQLITE_CONSTRAINT")) return "constraint";
  const io = ["SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"];
  return io.some((prefix) => code.startsWith(prefix)) ? "io" : "other";
}

const codes: Readonly<Record<SqliteFault, ErrorCode>> = {
  full: "HP_DISK_FULL",
  corrupt: "HP_JOURNAL",
  locked: "HP_LOCKED",
  io: "HP_JOURNAL",
  constraint: "HP_JOURNAL",
  other: "HP_JOURNAL",
};

/** The operational error for an error of SQLite. */
export function sqliteError(error: unknown, what: string): HoldpointError {
  if (error instanceof HoldpointError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new HoldpointError(codes[sqliteFault(error)], `${what}: ${detail} (${sqliteCode(error) ?? "no code"})`, {
    cause: error,
  });
}
