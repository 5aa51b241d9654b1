import { randomFillSync } from "node:crypto";
import { type Clock, type Random, type Timers } from "../ports.ts";
import { randomPool } from "../random-pool.ts";

/** The real clock, timers and randomness of Node. */
export const systemClock: Clock = Object.freeze({
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
});

export const systemTimers: Timers = Object.freeze({
  after: (delayMs: number, task: () => void) => {
    const timer = setTimeout(task, Math.min(delayMs, 0x7fff_ffff));
    return () => clearTimeout(timer);
  },
});

export const systemRandom: Random = Object.freeze({
  uniform: () => Math.random(),
  bytes: randomPool((page) => void randomFillSync(page)),
});
