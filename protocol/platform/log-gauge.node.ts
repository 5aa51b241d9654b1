import { pageBytes, type Database } from "./sqlite.node.ts";

interface Copied {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

/** Each round copies what came during the one before: soon nothing comes during one. */
const copyRoundsMax = 4;

/**
 * Copies the write-ahead log into the database, from a connection beside the writer's: until all of it is there, or until
 * the writer is ahead for good. A disk that does not take it tells the writer so, with the next commit that it does not take.
 */
export function copyLog(database: Database): void {
  try {
    for (let round = 0; round < copyRoundsMax; round += 1) {
      const [row] = database.pragma("wal_checkpoint(PASSIVE)") as readonly Copied[];
      // Only a copy that ends at the end of the log syncs the database.
      if (row === undefined || row.busy !== 0 || row.checkpointed >= row.log) return;
    }
  } catch {
    return;
  }
}

const nothingLogged = { log: 0, checkpointed: 0 };

/** How much of the write-ahead log waits to be copied into the database, as the writer's connection sees it. */
export class LogGauge {
  /** Where a commit copies the log itself, pages. */
  readonly pagesMax: number;
  readonly #state;

  constructor(database: Database, walBytesMax: number) {
    this.pagesMax = Math.floor(walBytesMax / pageBytes);
    this.#state = database.prepare<[], typeof nothingLogged>("PRAGMA wal_checkpoint(NOOP)");
  }

  /** Pages of the log that are not in the database yet; 0 where that cannot be asked. */
  pagesToCopy(): number {
    try {
      const { log, checkpointed } = this.#state.get() ?? nothingLogged;
      return log - checkpointed;
    } catch {
      return 0;
    }
  }
}
