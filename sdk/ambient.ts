// The entry `holdpoint` runs in Node, in browsers and in workers, and must work without being handed a clock: this is
// the one file of the sdk that reads the runtime's own. Everything else takes these as options.
/* eslint-disable no-restricted-properties, no-restricted-globals */
import { randomPool, type Clock, type Random, type Timers } from "../protocol/index.ts";

/** The clock of whichever runtime this is. */
export const ambientClock: Clock = Object.freeze({
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
});

/** Longest delay of a timer: above 2^31 − 1 ms the runtimes fire at once. */
const delayMsMax = 0x7fff_ffff;

export const ambientTimers: Timers = Object.freeze({
  after: (delayMs: number, task: () => void) => {
    const timer = setTimeout(task, Math.min(delayMs, delayMsMax));
    return () => clearTimeout(timer);
  },
});

export const ambientRandom: Random = Object.freeze({
  uniform: () => Math.random(),
  bytes: randomPool((page) => void crypto.getRandomValues(page)),
});
