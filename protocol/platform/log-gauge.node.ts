import { pageBytes, type Database } from "./sqlite.node.ts";

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
