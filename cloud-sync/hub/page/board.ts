import type { OpenSlot } from "./api.web.ts";

/** One line of the queue board: a task in a store. */
export interface BoardLine {
  readonly store: string;
  readonly task: string;
  readonly waiting: number;
  readonly leased: number;
  /** Answered, and their undo time is not over. */
  readonly answered: number;
  readonly oldestMs: number;
  /** Cases whose time ends within `soonMs`, late ones among them; answered ones are out of danger. */
  readonly pressing: number;
  readonly nextDueMs: number | null;
}

/** A case that is due within this is pressing. */
export const soonMs = 120_000;

/** Adds up what is open, the most pressing line first. Pure. */
export function boardOf(slots: readonly OpenSlot[], nowMs: number): readonly BoardLine[] {
  const lines = new Map<string, BoardLine>();
  for (const slot of slots) {
    const key = `${slot.store}\n${slot.task}`;
    lines.set(key, added(lines.get(key) ?? emptyLine(slot), slot, nowMs));
  }
  return [...lines.values()].sort(
    (a, b) => b.pressing - a.pressing || (a.nextDueMs ?? Infinity) - (b.nextDueMs ?? Infinity) || b.waiting - a.waiting,
  );
}

function emptyLine({ store, task, heldMs }: OpenSlot): BoardLine {
  return { store, task, waiting: 0, leased: 0, answered: 0, oldestMs: heldMs, pressing: 0, nextDueMs: null };
}

function added(line: BoardLine, { state, heldMs, dueMs }: OpenSlot, nowMs: number): BoardLine {
  const isOpen = state !== "answered";
  const due = isOpen && dueMs !== null ? dueMs : null;
  return {
    ...line,
    [state]: line[state] + 1,
    oldestMs: Math.min(line.oldestMs, heldMs),
    pressing: line.pressing + (due !== null && due - nowMs < soonMs ? 1 : 0),
    nextDueMs: due === null ? line.nextDueMs : Math.min(line.nextDueMs ?? Infinity, due),
  };
}
