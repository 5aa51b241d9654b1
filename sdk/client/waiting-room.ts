import { type HoldpointError, isFinal, type Decision, type Timers } from "../../protocol/index.ts";

/** Callers who wait for a decision, by id. Each is answered once. */
export interface Waiting {
  readonly id: string;
  readonly until: "decided" | "final";
  /** null: as long as it takes. */
  readonly patienceMs: number | null;
  readonly signal: AbortSignal | undefined;
  /** The error for whoever waited too long. */
  readonly expired: () => HoldpointError;
}

/** One caller's place in the room. */
export interface Place {
  readonly decision: Promise<Decision>;
  readonly fail: (reason: unknown) => void;
}

interface Waiter {
  readonly until: Waiting["until"];
  readonly answer: (decision: Decision) => void;
  readonly fail: (reason: unknown) => void;
}

export class WaitingRoom {
  readonly #timers: Timers;
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  has(id: string): boolean {
    return this.#waiters.has(id);
  }

  wait({ id, until, patienceMs, signal, expired }: Waiting): Place {
    const { promise, resolve, reject } = withResolvers<Decision>();
    const abort = (): void => waiter.fail(signal?.reason);
    const cancelTimer = patienceMs === null ? null : this.#timers.after(patienceMs, () => waiter.fail(expired()));
    const leave = (): void => {
      cancelTimer?.();
      signal?.removeEventListener("abort", abort);
      this.#remove(id, waiter);
    };
    const waiter: Waiter = {
      until,
      answer: (decision) => {
        leave();
        resolve(decision);
      },
      fail: (reason) => {
        leave();
        reject(reason);
      },
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#add(id, waiter);
    if (signal?.aborted) abort();
    return { decision: promise, fail: waiter.fail };
  }

  answer(decision: Decision): void {
    for (const waiter of [...(this.#waiters.get(decision.id) ?? [])]) {
      if (waiter.until === "decided" || isFinal(decision)) waiter.answer(decision);
    }
  }

  /** True if anybody heard it. */
  fail(id: string, error: HoldpointError): boolean {
    const waiters = [...(this.#waiters.get(id) ?? [])];
    for (const waiter of waiters) waiter.fail(error);
    return waiters.length > 0;
  }

  failAll(error: HoldpointError): void {
    for (const id of [...this.#waiters.keys()]) this.fail(id, error);
  }

  #add(id: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(id);
  }
}

/** Promise.withResolvers is ECMAScript 2024; browsers of a store's tablets may be older. */
function withResolvers<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
