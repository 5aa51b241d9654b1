import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { HoldpointError } from "../../protocol/index.ts";
import { openDatabase, sqliteError } from "../../protocol/platform/sqlite.node.ts";
import { deriveSecret, readSecret } from "./agent-secret.node.ts";
import { verifyChain } from "./chain-verify.node.ts";
import { JournalQueries } from "./journal-queries.node.ts";
import { journalReads, type Ask } from "./journal-reads.ts";
import { journalApplicationId, journalSchemaVersion } from "./journal-schema.ts";
import { type JournalReader } from "./journal.ts";

/**
 * Reads a journal beside a running agent, or without one; takes no lock and changes nothing. Errors: HP_NOT_FOUND where
 * there is no journal, HP_JOURNAL where it cannot be read or is newer than this version.
 */
export async function openJournalReadOnly(dir: string): Promise<JournalReader> {
  const file = join(resolve(dir), "journal.db");
  if (!existsSync(file)) {
    throw new HoldpointError("HP_NOT_FOUND", `there is no journal at ${file}`, {
      hint: "Name the agent's data directory with --data.",
    });
  }
  const database = await openDatabase(file, { readOnly: true }).catch((error: unknown) => {
    throw sqliteError(error, `the journal ${file} cannot be read`);
  });
  try {
    const version = database.pragma("user_version", { simple: true }) as number;
    const ours = database.pragma("application_id", { simple: true }) === journalApplicationId;
    if (!ours || version > journalSchemaVersion) {
      throw new HoldpointError("HP_JOURNAL", `${file} is not a journal that this version reads`);
    }
    return readOnly(dir, new JournalQueries(database), database);
  } catch (error) {
    database.close();
    throw sqliteError(error, `the journal ${file} cannot be read`);
  }
}

function readOnly(
  dir: string,
  queries: JournalQueries,
  database: Awaited<ReturnType<typeof openDatabase>>,
): JournalReader {
  const methods = queries as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  const ask: Ask = async (method, args, progress) => {
    try {
      if (method !== "verify") return methods[method]?.(...args);
      const root = readSecret(dir);
      const steps = verifyChain(database, { checkpointKey: root && deriveSecret(root, "checkpoint") });
      for (;;) {
        const { done, value } = steps.next();
        if (done === true) return value;
        progress?.(value);
        await new Promise((next) => setImmediate(next));
      }
    } catch (error) {
      throw sqliteError(error, "the journal cannot be read");
    }
  };
  return {
    ...journalReads(queries.epoch(), ask, () => null),
    counts: () => {
      const row = queries.counts();
      const count = (name: string): number => row[name] ?? 0;
      return Promise.resolve({
        received: count("received"),
        undecided: count("undecided"),
        pending: count("pending"),
        undelivered: count("undelivered"),
        unsent: count("unsent"),
        inputBytes: count("input_bytes"),
        evicted: count("evicted"),
        budgetFull: false,
      });
    },
    close: () => {
      database.close();
      return Promise.resolve();
    },
  };
}
