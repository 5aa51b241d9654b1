import { type ReviewTaskState, firstReviewState } from "../../cloud-sync/review/review-machine.ts";
import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { type Cancel, type Clock, type Logger, type QueueState } from "../../protocol/index.ts";
import { type CaseSource, type HeldCase } from "./case-source.ts";

/**
 * The window of the journal's waiting cases that is in memory, at most `casesMax`, and the last closed ones, so that a
 * repeated submit is still known. The order of work: what is due first, then what waits longest.
 */
export interface CaseQueue {
  find(id: string): QueuedCase | undefined;
  all(): readonly QueuedCase[];
  /** The case that the next free reviewer gets. */
  first(): QueuedCase | null;
  heldBy(reviewer: string): QueuedCase[];
  state(): QueueState;
  /** A case came into being: take it in if there is room. */
  noticed(id: string): void;
  /** Reads the journal again where the window has run low and the journal has more. */
  refill(): Promise<void>;
  closed(entry: QueuedCase): void;
  /** A case that is not here was settled: it must not come in by a reading that began earlier. */
  settled(id: string): void;
  onOffered(listener: (entry: QueuedCase) => void): void;
  close(): void;
}

export interface QueuedCase {
  readonly held: HeldCase;
  /** Monotonic; Infinity for audit samples. */
  readonly dueAtMs: number;
  state: ReviewTaskState;
  /** Who holds or held it last. */
  reviewer: Reviewer | null;
  cancelTimer: Cancel;
  cancelDeadline: Cancel;
}

export interface CaseQueueOptions {
  readonly source: CaseSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly casesMax: number;
  /** Told to the pages. */
  readonly undoWindowMs: number;
}

const closedMax = 1_000;

export function createCaseQueue(options: CaseQueueOptions): CaseQueue {
  const { source, clock, logger, casesMax } = options;
  const open = new Map<string, QueuedCase>();
  /** null: settled before it was here. */
  const closed = new Map<string, QueuedCase | null>();
  let offered: (entry: QueuedCase) => void = () => undefined;
  let hasMore = true;
  let isEnded = false;
  let reading: Promise<void> | null = null;

  function offer(held: HeldCase): void {
    const isKnown = open.has(held.id) || closed.has(held.id);
    if (isEnded || isKnown || !isOpen(held)) return;
    if (open.size >= casesMax) {
      hasMore = true;
    } else {
      const entry = queuedCase(held, clock.monotonicMs());
      open.set(held.id, entry);
      offered(entry);
    }
  }
  async function read(): Promise<void> {
    try {
      const cases = await source.pending(casesMax);
      hasMore = cases.length >= casesMax;
      for (const held of cases) offer(held);
    } catch (cause) {
      logger.warn("review_queue_unread", { cause });
    } finally {
      reading = null;
    }
  }
  async function find(id: string): Promise<void> {
    try {
      // Where there is no room, `refill` finds it later.
      const held = open.size < casesMax ? await source.find(id) : null;
      if (held) offer(held);
      else hasMore = true;
    } catch (cause) {
      logger.warn("review_case_unread", { id, cause });
    }
  }
  const entries = (): QueuedCase[] => [...open.values()];

  return {
    find: (id) => open.get(id) ?? closed.get(id) ?? undefined,
    all: entries,
    first: () => firstWaiting(open.values()),
    heldBy: (reviewer) =>
      entries()
        .filter(({ state }) => state.kind === "leased" && state.reviewer === reviewer)
        .sort(byUrgency),
    state: () => queueState(options, entries(), hasMore && open.size >= casesMax),
    noticed: (id) => void find(id),
    refill: () => {
      if (isEnded || !hasMore || open.size > casesMax / 2) return reading ?? Promise.resolve();
      return (reading ??= read());
    },
    closed: (entry) => {
      entry.cancelDeadline();
      open.delete(entry.held.id);
      dropOldest(closed.set(entry.held.id, entry));
    },
    settled: (id) => dropOldest(closed.set(id, null)),
    onOffered: (listener) => {
      offered = listener;
    },
    close: () => {
      isEnded = true;
      open.clear();
      closed.clear();
    },
  };
}

/** Maps and sets keep the order of insertion: the first key is the oldest. */
function dropOldest(kept: { readonly size: number; keys(): Iterable<string>; delete(key: string): boolean }): void {
  for (const key of kept.keys()) {
    if (kept.size <= closedMax) return;
    kept.delete(key);
  }
}

function queuedCase(held: HeldCase, nowMs: number): QueuedCase {
  return {
    held,
    dueAtMs: held.audit || held.reviewLeftMs === null ? Infinity : nowMs + held.reviewLeftMs,
    state: firstReviewState(),
    reviewer: null,
    cancelTimer: () => undefined,
    cancelDeadline: () => undefined,
  };
}

/** Nobody has looked yet, and there is still time. */
function isOpen(held: HeldCase): boolean {
  if (held.audit) return held.reviews.length === 0;
  return held.state === "pending" && (held.reviewLeftMs === null || held.reviewLeftMs > 0);
}

function firstWaiting(entries: Iterable<QueuedCase>): QueuedCase | null {
  let best: QueuedCase | null = null;
  for (const entry of entries) {
    if (entry.state.kind === "waiting" && (best === null || byUrgency(entry, best) < 0)) best = entry;
  }
  return best;
}

function byUrgency(a: QueuedCase, b: QueuedCase): number {
  if (a.dueAtMs !== b.dueAtMs) return a.dueAtMs < b.dueAtMs ? -1 : 1;
  return a.held.receivedAtMs - b.held.receivedAtMs || (a.held.id < b.held.id ? -1 : 1);
}

function queueState(
  options: { readonly source: CaseSource; readonly undoWindowMs: number },
  entries: readonly QueuedCase[],
  more: boolean,
): QueueState {
  const waiting = entries.filter(({ state }) => state.kind === "waiting");
  const tasks = new Map<string, number>();
  for (const { held } of waiting) tasks.set(held.task, (tasks.get(held.task) ?? 0) + 1);
  const oldest = waiting.reduce((first, { held }) => Math.min(first, held.receivedAtMs), Infinity);
  return {
    store: options.source.store,
    waiting: waiting.length,
    leased: entries.filter(({ state }) => state.kind === "leased").length,
    more,
    oldestHeldAtMs: oldest === Infinity ? null : oldest,
    undoWindowMs: options.undoWindowMs,
    tasks: [...tasks].map(([task, count]) => ({ task, waiting: count })),
  };
}
