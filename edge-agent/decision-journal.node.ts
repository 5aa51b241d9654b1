import { type RetentionPolicy } from "../config/index.ts";
import { silentLogger, type DecisionRequest, type Logger } from "../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../protocol/platform/clock.node.ts";
import { type DecisionJournal } from "../sdk/index.ts";
import { type CaseOrigin, type Journal, type JournalCase } from "./journal/journal.ts";
import { openJournal } from "./journal/journal.node.ts";

export interface DecisionJournalOptions {
  /** Directory of the journal. Only one process may use it at a time. */
  readonly dir: string;
  /** In force until a config says otherwise. */
  readonly retention?: RetentionPolicy;
  readonly logger?: Logger;
}

/** Cases that are taken up at a start; the rest waits in the journal for the next one. */
const resumedMax = 10_000;

const origin: CaseOrigin = { device: "embedded", transport: "embedded", encoding: "json" };

const defaultRetention: RetentionPolicy = {
  journalBytesMax: 2_000_000_000,
  inputKeepMs: 72 * 3_600_000,
  unansweredMaxMs: 14 * 86_400_000,
};

/**
 * The agent's journal for the embedded decider: its cases then outlive the process. Better-sqlite3 is needed.
 * Errors: HP_LOCKED, HP_JOURNAL, HP_RUNTIME_MISSING.
 *
 * @example
 * const decider = await createDecider({ config, models, escalateTo, journal: await openDecisionJournal({ dir: "journal" }) });
 */
export async function openDecisionJournal(options: DecisionJournalOptions): Promise<DecisionJournal> {
  const { journal } = await openJournal({
    dir: options.dir,
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger: options.logger ?? silentLogger,
    retention: options.retention ?? defaultRetention,
  });
  return {
    admit: (admission) => journal.admit({ ...admission, ...origin }),
    decide: (record) => journal.decide(record),
    review: (review) => journal.review(review),
    settle: (settlement) => journal.settle(settlement),
    find: (id) => journal.find(id),
    config: (digest) => journal.config(digest),
    adoptConfig: (config) => journal.adoptConfig(config),
    undecided: async () => {
      const cases = await journal.undecided(resumedMax);
      return Promise.all(cases.map((one) => wholeRequest(journal, one)));
    },
    pending: async () => {
      const cases = await journal.pending(resumedMax);
      return Promise.all(
        cases.flatMap((one) => {
          const { decision, reviewLeftMs } = one;
          if (!decision) return [];
          return [wholeRequest(journal, one).then((request) => ({ decision, request, leftMs: reviewLeftMs ?? 0 }))];
        }),
      );
    },
    close: () => journal.close(),
  };
}

/** The request with its input bytes; without them if they were evicted, and then the model refuses it. */
async function wholeRequest(journal: Journal, { id, request }: JournalCase): Promise<DecisionRequest> {
  return { ...request, input: (await journal.input(id)) ?? request.input };
}
