import { HoldpointError } from "../../../protocol/index.ts";

export interface FewAtOnceOptions {
  readonly atOnceMax: number;
  /** Work that waits its turn, in the order in which it came; above it HP_BUSY. */
  readonly waitingMax: number;
  /** For the message: "too many passwords wait to be checked". */
  readonly tooMany: string;
  readonly retryAfterMs: number;
}

/** Runs work a few at a time, so that one kind of it leaves room for the others. Errors: HP_BUSY. */
export function fewAtOnce(options: FewAtOnceOptions): <T>(work: () => Promise<T>) => Promise<T> {
  const { atOnceMax, waitingMax, tooMany, retryAfterMs } = options;
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= atOnceMax) {
      if (waiting.length >= waitingMax) throw new HoldpointError("HP_BUSY", tooMany, { retryAfterMs });
      await new Promise<void>((resolve) => void waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
