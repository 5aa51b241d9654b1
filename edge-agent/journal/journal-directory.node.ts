import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { HoldpointError } from "../../protocol/errors.ts";
import { openDatabase, sqliteError, sqliteFault, type Database } from "../../protocol/platform/sqlite.node.ts";

/** The journal's directory: whose it is, what marks it, and where damaged journals go. */

/** What stands beside the database, so that an empty or exchanged one is noticed. */
export interface InstanceFile {
  readonly v: 1;
  readonly epoch: string;
  readonly createdAtMs: number;
  readonly schema: number;
  /** Head of the chain at the last orderly close; null while an agent runs or after it died. */
  readonly closed: { readonly n: number; readonly hash: string } | null;
}

/** Damaged journals that are kept; the oldest goes first, because a crash loop must not fill the disk. */
const quarantinesMax = 5;
const journalFiles = ["journal.db", "journal.db-wal", "journal.db-shm", "instance.json", "suspect.json"] as const;

/**
 * Takes the directory for this process. The lock is an exclusive transaction on a file of its own: it dies with the
 * process, however that dies, and leaves nothing to clean up. Errors: HP_LOCKED.
 */
export async function lockDirectory(dir: string): Promise<() => void> {
  let database: Database | null = null;
  try {
    database = await openDatabase(join(dir, "lock.db"), { journalMode: "delete", busyTimeoutMs: 0 });
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (sqliteFault(error) !== "locked") throw sqliteError(error, `the lock of ${dir} cannot be taken`);
    throw new HoldpointError("HP_LOCKED", `another agent uses ${dir}`, { cause: error });
  }
  const held = database;
  return () => {
    held.close();
  };
}

export function readInstanceFile(dir: string): InstanceFile | "missing" | "damaged" {
  try {
    const value = JSON.parse(readFileSync(join(dir, "instance.json"), "utf8")) as InstanceFile;
    return typeof value.epoch === "string" && typeof value.schema === "number" ? value : "damaged";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "missing" : "damaged";
  }
}

export function writeInstanceFile(dir: string, instance: InstanceFile): void {
  writeDurably(dir, "instance.json", `${JSON.stringify(instance, null, 2)}\n`);
}

/** Says that the file was found damaged while it was used: the next start checks all of it. */
export function markSuspect(dir: string, message: string): void {
  try {
    writeDurably(dir, "suspect.json", `${JSON.stringify({ message })}\n`);
  } catch {
    // The disk that damaged the journal may refuse this as well; the fault is reported by other roads too.
  }
}

export function isSuspect(dir: string): boolean {
  return existsSync(join(dir, "suspect.json"));
}

export function clearSuspect(dir: string): void {
  rmSync(join(dir, "suspect.json"), { force: true });
}

/** Moves the journal aside, with a report, and returns the directory that has it now. */
export function quarantineJournal(dir: string, reason: string, wallMs: number): string {
  const root = join(dir, "quarantine");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const target = freeName(root, stamp(wallMs));
  mkdirSync(target, { mode: 0o700 });
  const files = journalFiles
    .filter((name) => existsSync(join(dir, name)))
    .map((name) => ({ name, bytes: statSync(join(dir, name)).size }));
  writeDurably(target, "report.json", `${JSON.stringify({ atMs: wallMs, reason, files }, null, 2)}\n`);
  for (const { name } of files) renameSync(join(dir, name), join(target, name));
  syncDirectory(target);
  syncDirectory(dir);
  const kept = readdirSync(root).sort();
  for (const name of kept.slice(0, Math.max(0, kept.length - quarantinesMax))) {
    if (join(root, name) !== target) rmSync(join(root, name), { recursive: true, force: true });
  }
  return target;
}

/** A clock may stand still or be far off; the name must be a good one and free all the same. */
function stamp(wallMs: number): string {
  const date = new Date(wallMs);
  return (Number.isNaN(date.getTime()) ? "undated" : date.toISOString()).replaceAll(":", "-");
}

function freeName(root: string, name: string): string {
  for (let count = 1; ; count += 1) {
    const path = join(root, count === 1 ? name : `${name}-${count}`);
    if (!existsSync(path)) return path;
  }
}

function writeDurably(dir: string, name: string, text: string): void {
  const temporary = join(dir, `${name}.new`);
  writeFileSync(temporary, text, { mode: 0o600 });
  const fd = openSync(temporary, "r+");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(dir, name));
  syncDirectory(dir);
}

/** A rename is durable when its directory is. Windows has no such call and needs none. */
function syncDirectory(dir: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
