import { type Cancel } from "../../../protocol/index.ts";
import { type ReviewTaskEvent } from "../../review/review-machine.ts";
import { type HubTransaction } from "../database/database.ts";
import { expireCase, isSpent, keepLate, takeVote } from "./case-votes.ts";
import { nowOf, type ReviewParts } from "./review-parts.ts";
import { changeSlot } from "./slot-changes.ts";
import { lockCase, lockSlots, type Slot } from "./slots.ts";

/**
 * What happens by itself: leases and undo windows end, answers leave, deadlines pass. Each is a row with a time, so any
 * process does it for all of them, and one that was killed leaves nothing undone. A timer only makes it punctual.
 */
export interface Sweeper {
  /** Does everything that is due now. Returns the number of cases that were looked at. */
  sweep(): Promise<number>;
  /** Something will be due then, wall-clock milliseconds: the next sweep comes no later. */
  wakeAt(atMs: number): void;
  start(): void;
  /** Resolves when no sweep is running any more. */
  stop(): Promise<void>;
}

/** How late a sweep may be where its process did not know of what is due: another one was told. */
const sweepEveryMs = 1_000;
/** Least time between two sweeps: what falls due within it goes together. */
const sweepApartMs = 20;
const casesAtOnce = 64;
/** What could not be done now is tried again after this; a row that fails does not hold up the others. */
const againMs = 1_000;

export function createSweeper(parts: ReviewParts): Sweeper {
  const { clock, timers, logger } = parts;
  let running: Promise<number> | null = null;
  let ticking: Promise<void> = Promise.resolve();
  let isStarted = false;
  let cancel: Cancel = () => undefined;
  let nextMs = Infinity;

  const sweep = (): Promise<number> => (running ??= sweepAll(parts).finally(() => (running = null)));
  const plan = (atMs: number): void => {
    if (!isStarted || atMs >= nextMs) return;
    cancel();
    nextMs = atMs;
    cancel = timers.after(Math.max(0, Math.ceil(atMs - clock.wallMs())), tick);
  };
  const tick = (): void => {
    nextMs = Infinity;
    ticking = sweepAndLook()
      .catch((cause: unknown) => {
        logger.warn("review_sweep_failed", { cause });
        return Infinity;
      })
      .then((dueMs) => {
        const nowMs = clock.wallMs();
        plan(Math.min(nowMs + sweepEveryMs, Math.max(nowMs + sweepApartMs, dueMs)));
      });
  };
  /** The database knows what is due next, whichever process was told: an answer leaves when its undo window ends. */
  const sweepAndLook = async (): Promise<number> => {
    await sweep();
    return isStarted ? nextDueMs(parts) : Infinity;
  };
  return {
    sweep,
    wakeAt: plan,
    start: () => {
      isStarted = true;
      plan(clock.wallMs());
    },
    stop: async () => {
      isStarted = false;
      cancel();
      await running?.catch(() => undefined);
      await ticking;
    },
  };
}

/** When something falls due by itself, wall-clock milliseconds; Infinity where nothing does. */
async function nextDueMs({ database }: ReviewParts): Promise<number> {
  const row = await database.read((db) =>
    db
      .selectFrom("review_slots")
      .select("wake_ms")
      .where("wake_ms", "is not", null)
      .orderBy("wake_ms")
      .limit(1)
      .executeTakeFirst(),
  );
  return row?.wake_ms ?? Infinity;
}

async function sweepAll(parts: ReviewParts): Promise<number> {
  let swept = 0;
  for (;;) {
    const due = await dueCases(parts);
    for (const caseId of due) {
      try {
        await parts.database.write((trx) => sweepCase(parts, trx, caseId));
      } catch (cause) {
        parts.logger.warn("review_case_not_swept", { caseId, cause });
        await postpone(parts, caseId);
      }
    }
    swept += due.length;
    if (due.length < casesAtOnce) return swept;
  }
}

async function dueCases({ database, ...parts }: ReviewParts): Promise<readonly string[]> {
  const rows = await database.read((db) =>
    db
      .selectFrom("review_slots")
      .select("case_id")
      .where("wake_ms", "is not", null)
      .where("wake_ms", "<=", nowOf(parts))
      .orderBy("wake_ms")
      .limit(casesAtOnce)
      .execute(),
  );
  return [...new Set(rows.map((row) => row.case_id))];
}

/** Everything that is due of one case, in one transaction. Another process that has the case does the same. */
async function sweepCase(parts: ReviewParts, trx: HubTransaction, caseId: string): Promise<void> {
  let held = await lockCase(parts.database, trx, caseId, true);
  if (!held) return;
  const nowMs = nowOf(parts);
  const isDue = ({ row }: Slot): boolean => row.wake_ms !== null && row.wake_ms <= nowMs;
  const due = (await lockSlots(parts.database, trx, caseId)).filter(isDue);
  // Answers first: one that was given in time counts, and may close what else is due.
  const ordered = [...due].sort((a, b) => Number(b.state.kind === "answered") - Number(a.state.kind === "answered"));
  for (const { row } of ordered) {
    const slot = (await lockSlots(parts.database, trx, caseId)).find((one) => one.row.slot_id === row.slot_id);
    if (!slot || !isDue(slot)) continue;
    const change = await changeSlot(parts, trx, slot, eventOf(slot, nowMs));
    if (change.commit) held = await takeVote(parts, trx, held, change);
    if (change.label) await keepLate(parts, trx, held, change.slot.row, change.label);
  }
  if (held.is_open === 1 && isSpent(await lockSlots(parts.database, trx, caseId))) {
    await expireCase(parts, trx, held);
  }
}

function eventOf({ row, state }: Slot, nowMs: number): ReviewTaskEvent {
  if (row.due_ms !== null && row.due_ms <= nowMs) return { kind: "deadline" };
  return { kind: state.kind === "answered" ? "undoWindowEnded" : "leaseExpired" };
}

async function postpone(parts: ReviewParts, caseId: string): Promise<void> {
  const nowMs = nowOf(parts);
  await parts.database.write(async ({ db }) => {
    await db
      .updateTable("review_slots")
      .set({ wake_ms: nowMs + againMs })
      .where("case_id", "=", caseId)
      .where("wake_ms", "<=", nowMs)
      .execute();
  });
}
