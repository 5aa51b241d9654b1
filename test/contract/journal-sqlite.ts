import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RetentionPolicy } from "../../config/policy.ts";
import { type JournalLimits } from "../../edge-agent/journal/journal-wire.ts";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";
import { type JournalOpened } from "../../edge-agent/journal/journal.ts";
import { silentLogger, type Cancel } from "../../protocol/index.ts";
import { systemRandom } from "../../protocol/platform/clock.node.ts";
import { HandClock } from "../support/journal-cases.ts";
import { type JournalUnderTest } from "./journal.contract.ts";

/** Opens real journals for tests, with a clock and timers that the test moves. */

export const roomyRetention: RetentionPolicy = {
  journalBytesMax: 1e9,
  inputKeepMs: 365 * 86_400_000,
  unansweredMaxMs: 14 * 86_400_000,
};

export interface OpenOptions {
  readonly dir?: string;
  readonly retention?: Partial<RetentionPolicy>;
  readonly limits?: Partial<JournalLimits>;
  readonly clock?: HandClock;
}

export interface SqliteUnderTest extends JournalUnderTest {
  readonly dir: string;
  readonly opened: JournalOpened;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "holdpoint-journal-"));
}

export async function openForTest(options: OpenOptions = {}): Promise<SqliteUnderTest> {
  const dir = options.dir ?? temporaryDirectory();
  const clock = options.clock ?? new HandClock();
  const tasks = new Set<() => void>();
  const timers = {
    after: (_delayMs: number, task: () => void): Cancel => {
      tasks.add(task);
      return () => tasks.delete(task);
    },
  };
  const { journal, opened } = await openJournal({
    dir,
    clock,
    timers,
    random: systemRandom,
    logger: silentLogger,
    retention: { ...roomyRetention, ...options.retention },
    limits: { reserveBytes: 1 << 20, ...options.limits },
  });
  // Time stands still here, and with it the tick that would take the clearing of a delivery along.
  const delivered = journal.delivered.bind(journal);
  journal.delivered = (...delivery) => {
    const cleared = delivered(...delivery);
    void journal.forwarded("", 0);
    return cleared;
  };
  return {
    dir,
    opened,
    journal,
    clock,
    pass: async (ms) => {
      clock.pass(ms);
      const due = [...tasks];
      tasks.clear();
      for (const task of due) task();
      // The tick is in the queue before this, so it has been committed when this is.
      await journal.forwarded("", 0);
    },
    reopen: async () => {
      await journal.close();
      return openForTest({ ...options, dir, clock });
    },
    dispose: async () => {
      await journal.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
