import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { HoldpointError } from "../../protocol/errors.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { openDatabase, sqliteCode, sqliteFault, type Database } from "../../protocol/platform/sqlite.node.ts";
import { deriveSecret, readSecret } from "./agent-secret.node.ts";
import { genesisHash } from "./chain.ts";
import { verifyChain } from "./chain-verify.node.ts";
import { DiskReserve, isOutOfSpace, openingError } from "./disk-reserve.node.ts";
import {
  clearSuspect,
  isSuspect,
  lockDirectory,
  quarantineJournal,
  readInstanceFile,
  writeInstanceFile,
  type InstanceFile,
} from "./journal-directory.node.ts";
import { journalApplicationId, journalMigration, journalSchemaVersion, journalTables } from "./journal-schema.ts";
import type { JournalOpened } from "./journal.ts";

/**
 * What happens before the journal is trusted. A damaged journal is set aside and a fresh one started, because a store
 * that decides nothing is worse than one that has lost its past and says so. A newer one is left alone.
 */

export interface PreparedJournal {
  readonly opened: JournalOpened;
  readonly instance: InstanceFile;
  readonly agentMs: number;
  readonly unlock: () => void;
}

export interface PrepareOptions {
  readonly dir: string;
  readonly wallMs: number;
  /** Epoch of a journal that is made now. */
  readonly newEpoch: () => string;
}

/** Records at the end of the chain that every start recomputes. */
const tailRecords = 512;
/** A file up to this size is checked page by page after an unclean end; larger ones only when something was wrong. */
const fullCheckBytesMax = 64 * 1024 * 1024;

/** Errors: HP_LOCKED, HP_JOURNAL (newer schema, unreadable directory), HP_DISK_FULL, HP_RUNTIME_MISSING. */
export async function prepareJournal(options: PrepareOptions): Promise<PreparedJournal> {
  const { dir } = options;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new HoldpointError("HP_JOURNAL", `the data directory ${dir} cannot be made`, { cause });
  }
  try {
    return await prepare(options);
  } catch (error) {
    if (!isOutOfSpace(error, dir)) throw openingError(error, dir);
  }
  // A full disk: the reserve is there for this too.
  new DiskReserve(dir, 0).release();
  try {
    return await prepare(options);
  } catch (error) {
    throw openingError(error, dir);
  }
}

async function prepare(options: PrepareOptions): Promise<PreparedJournal> {
  const { dir } = options;
  const unlock = await lockDirectory(dir);
  try {
    const found = await inspect(dir);
    if (found.kind === "good") {
      clearSuspect(dir);
      const instance: InstanceFile = { ...found.instance, closed: null };
      writeInstanceFile(dir, instance);
      return { opened: { kind: "existing" }, instance, agentMs: found.agentMs, unlock };
    }
    const opened = setAside(found, options);
    const instance = await create(options);
    return { opened, instance, agentMs: 0, unlock };
  } catch (error) {
    unlock();
    throw error;
  }
}

function setAside(found: Exclude<Found, { kind: "good" }>, { dir, wallMs }: PrepareOptions): JournalOpened {
  if (found.kind === "none") return { kind: "fresh" };
  return { kind: "recovered", quarantined: quarantineJournal(dir, found.reason, wallMs), reason: found.reason };
}

type Found =
  | { readonly kind: "none" }
  | { readonly kind: "good"; readonly instance: InstanceFile; readonly agentMs: number }
  | { readonly kind: "damaged"; readonly reason: string };

function damaged(reason: string): Found {
  return { kind: "damaged", reason };
}

async function inspect(dir: string): Promise<Found> {
  const file = join(dir, "journal.db");
  const beside = readInstanceFile(dir);
  const bytes = existsSync(file) ? statSync(file).size : null;
  if (bytes === null || bytes === 0) {
    if (beside !== "missing") return damaged(bytes === null ? "journal.db is missing" : "journal.db is empty");
    // A first start that was cut short before it had written anything.
    for (const name of [file, `${file}-wal`, `${file}-shm`]) rmSync(name, { force: true });
    return { kind: "none" };
  }
  let database: Database | null = null;
  try {
    database = await openDatabase(file, { mustExist: true });
    return examine(dir, database, bytes, beside);
  } catch (error) {
    // SQLITE_ERROR: a table or column that must be there is not; SyntaxError: a header that is no JSON.
    const bad =
      sqliteFault(error) === "corrupt" || sqliteCode(error) === "SQLITE_ERROR" || error instanceof SyntaxError;
    if (bad) return damaged(messageOf(error));
    throw error;
  } finally {
    database?.close();
  }
}

function examine(dir: string, database: Database, bytes: number, beside: ReturnType<typeof readInstanceFile>): Found {
  const version = database.pragma("user_version", { simple: true }) as number;
  if (database.pragma("application_id", { simple: true }) !== journalApplicationId) {
    return damaged("journal.db is not a journal of Holdpoint");
  }
  if (version > journalSchemaVersion) {
    throw new HoldpointError(
      "HP_JOURNAL",
      `the journal has schema ${version}; this agent knows ${journalSchemaVersion}`,
      {
        hint: "Start the newer agent that wrote it, or choose another data directory; nothing was changed.",
      },
    );
  }
  if (version < journalSchemaVersion && !migrate(database, version))
    return damaged(`the journal has schema ${version}`);
  const row = database
    .prepare<[], { epoch: string; created_ms: number; agent_ms: number; head_n: number; head_hash: Uint8Array }>(
      "SELECT epoch, created_ms, agent_ms, head_n, head_hash FROM instance",
    )
    .get();
  if (row === undefined) return damaged("the journal has no instance row");
  const instance = {
    v: 1,
    epoch: row.epoch,
    createdAtMs: row.created_ms,
    schema: journalSchemaVersion,
    closed: null,
  } as const;
  if (typeof beside === "object" && beside.epoch !== row.epoch) {
    return damaged(`the journal is of epoch ${row.epoch}, instance.json of ${beside.epoch}`);
  }
  const closed = typeof beside === "object" ? beside.closed : null;
  const head = Buffer.from(row.head_hash).toString("hex");
  if (closed !== null && (closed.n !== row.head_n || closed.hash !== head)) {
    return damaged(`the journal was closed at record ${closed.n} and now ends at ${row.head_n}`);
  }
  const reason = fault(database, dir, isSuspect(dir), closed === null && bytes <= fullCheckBytesMax);
  return reason === null ? { kind: "good", instance, agentMs: row.agent_ms } : damaged(reason);
}

/** Brings an older journal up to this schema: all of it or nothing, and nothing that is there is written anew. */
function migrate(database: Database, from: number): boolean {
  const steps = journalMigration(from);
  if (steps === null) return false;
  database.transaction(() => {
    database.exec(steps);
    database.pragma(`user_version = ${journalSchemaVersion}`);
  })();
  return true;
}

function fault(database: Database, dir: string, suspect: boolean, checkPages: boolean): string | null {
  if (suspect || checkPages) {
    const [first] = database.pragma("quick_check(1)") as readonly { readonly quick_check: string }[];
    if (first !== undefined && first.quick_check !== "ok") return first.quick_check;
  }
  const missing = missingTable(database);
  if (missing !== null) return missing;
  const secret = readSecretIfAny(dir);
  const steps = verifyChain(database, {
    checkpointKey: secret && deriveSecret(secret, "checkpoint"),
    ...(suspect ? {} : { tailMax: tailRecords }),
  });
  for (;;) {
    const step = steps.next();
    if (step.done !== true) continue;
    return step.value.fault === null ? null : `record ${step.value.fault.n}: ${step.value.fault.message}`;
  }
}

function readSecretIfAny(dir: string): Uint8Array | null {
  try {
    return readSecret(dir);
  } catch {
    return null; // The journal is not damaged because the secret is; whoever needs the secret says so.
  }
}

function missingTable(database: Database): string | null {
  const have = new Set(database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all());
  const wanted = [...journalTables.matchAll(/CREATE TABLE (\w+)/g)].map((match) => match[1]);
  const missing = wanted.find((name) => !have.has(name));
  return missing === undefined ? null : `the table ${missing} is missing`;
}

async function create({ dir, wallMs, newEpoch }: PrepareOptions): Promise<InstanceFile> {
  const epoch = newEpoch();
  const createdAtMs = Math.round(wallMs);
  const database = await openDatabase(join(dir, "journal.db"));
  try {
    database.pragma(`application_id = ${journalApplicationId}`);
    database.exec("BEGIN IMMEDIATE");
    database.exec(journalTables);
    database.pragma(`user_version = ${journalSchemaVersion}`);
    database
      .prepare("INSERT INTO instance VALUES (1, ?, ?, 0, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)")
      .run(epoch, createdAtMs, genesisHash(nodeHasher, epoch));
    database.exec("COMMIT");
  } finally {
    database.close();
  }
  const instance: InstanceFile = { v: 1, epoch, createdAtMs, schema: journalSchemaVersion, closed: null };
  // After the database: beside a missing database this file means that data was lost.
  writeInstanceFile(dir, instance);
  return instance;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
