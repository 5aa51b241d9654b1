import { type Clock, type Timers } from "../protocol/index.ts";

/** A clock and timers that a test moves by hand. */
export interface FakeClock extends Clock, Timers {
  /** Lets time pass on both clocks and runs what falls due, in order. */
  advance(ms: number): void;
  /** Moves the wall clock alone, as a broken battery or a time server does. */
  jump(ms: number): void;
  /** Timers that wait. */
  readonly waiting: number;
}

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly task: () => void;
}

/**
 * @example
 * const clock = fakeClock();
 * const decider = await createDecider({ config, models: () => stubModels({ timers: clock }), clock, timers: clock });
 * clock.advance(15 * 60_000); // the patience with people has ended
 */
export function fakeClock(startMs = 1_795_000_000_000): FakeClock {
  let wallMs = startMs;
  let monotonicMs = 0;
  let order = 0;
  const timers = new Set<Timer>();
  const nextDue = (untilMs: number): Timer | null => {
    const due = [...timers].filter((timer) => timer.dueMs <= untilMs);
    return due.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0] ?? null;
  };
  const passTo = (ms: number): void => {
    wallMs += ms - monotonicMs;
    monotonicMs = ms;
  };
  return {
    wallMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    after: (delayMs, task) => {
      const timer = { dueMs: monotonicMs + Math.max(0, delayMs), order: (order += 1), task };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => {
      const endMs = monotonicMs + ms;
      for (let timer = nextDue(endMs); timer; timer = nextDue(endMs)) {
        timers.delete(timer);
        passTo(Math.max(monotonicMs, timer.dueMs));
        timer.task();
      }
      passTo(endMs);
    },
    jump: (ms) => {
      wallMs += ms;
    },
    get waiting() {
      return timers.size;
    },
  };
}
