import { isFinal, type Cancel, type Decision, type Timers } from "../protocol/index.ts";

type WaitUntil = "decided" | "final";

export interface WaitOptions {
  readonly until: WaitUntil;
  /** null: no end. */
  readonly waitMs: number | null;
  readonly signal?: AbortSignal | undefined;
}

interface Waiter {
  readonly until: WaitUntil;
  readonly settle: (decision: Decision | null) => void;
}

/** Who waits for which decision. Bounded: above `waitersMax` a wait ends at once with null. */
export class Waiters {
  readonly #timers: Timers;
  readonly #waitersMax: number;
  readonly #byId = new Map<string, Set<Waiter>>();
  #count = 0;

  constructor(timers: Timers, waitersMax: number) {
    this.#timers = timers;
    this.#waitersMax = waitersMax;
  }

  /**
   * Waits for a decision that `tell` brings or that `lookUp` already knows. The waiter is registered before the look-up,
   * so a decision that comes between the two is not missed. Resolves null after `waitMs`; rejects with the signal's
   * reason, or as `lookUp` does.
   */
  wait(id: string, options: WaitOptions, lookUp: () => Promise<Decision | null>): Promise<Decision | null> {
    options.signal?.throwIfAborted();
    if (this.#count >= this.#waitersMax) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      let cancelTimer: Cancel = () => undefined;
      const leave = (): void => {
        cancelTimer();
        options.signal?.removeEventListener("abort", abort);
        this.#remove(id, waiter);
      };
      const waiter: Waiter = {
        until: options.until,
        settle: (decision) => {
          leave();
          resolve(decision);
        },
      };
      const abort = (): void => {
        leave();
        reject(abortReason(options.signal));
      };
      this.#add(id, waiter);
      if (options.waitMs !== null) cancelTimer = this.#timers.after(options.waitMs, () => waiter.settle(null));
      options.signal?.addEventListener("abort", abort, { once: true });
      lookUp().then(
        (decision) => {
          if (decision && answers(decision, options.until)) waiter.settle(decision);
        },
        (cause: unknown) => {
          leave();
          reject(cause instanceof Error ? cause : new Error(String(cause)));
        },
      );
    });
  }

  tell(decision: Decision): void {
    const waiters = this.#byId.get(decision.id);
    if (waiters === undefined) return;
    for (const waiter of [...waiters]) {
      if (answers(decision, waiter.until)) waiter.settle(decision);
    }
  }

  /** Ends every wait with null. */
  close(): void {
    for (const waiters of [...this.#byId.values()]) for (const waiter of [...waiters]) waiter.settle(null);
  }

  #add(id: string, waiter: Waiter): void {
    const waiters = this.#byId.get(id) ?? new Set();
    this.#byId.set(id, waiters.add(waiter));
    this.#count += 1;
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#byId.get(id);
    if (!waiters?.delete(waiter)) return;
    this.#count -= 1;
    if (waiters.size === 0) this.#byId.delete(id);
  }
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}

function answers(decision: Decision, until: WaitUntil): boolean {
  return until === "decided" || isFinal(decision);
}
