import { type Cancel, type Clock, type Timers } from "../../protocol/index.ts";

/** Time that passes only when it is told to: timers fire in order, and whatever they start runs to its end in between. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 0;
  #order = 0;
  readonly #timers = new Map<number, { readonly atMs: number; readonly task: () => void }>();

  wallMs(): number {
    return 1_795_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, task: () => void): Cancel {
    const order = (this.#order += 1);
    this.#timers.set(order, { atMs: this.#nowMs + delayMs, task });
    return () => this.#timers.delete(order);
  }

  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const endMs = this.#nowMs + forMs;
    for (;;) {
      await settled();
      const next = this.#next();
      if (next === null || next.atMs > endMs || isDone()) break;
      this.#timers.delete(next.order);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
    }
    this.#nowMs = isDone() ? this.#nowMs : endMs;
  }

  #next(): { readonly order: number; readonly atMs: number; readonly task: () => void } | null {
    let first: { readonly order: number; readonly atMs: number; readonly task: () => void } | null = null;
    for (const [order, timer] of this.#timers) {
      if (first === null || timer.atMs < first.atMs) first = { order, ...timer };
    }
    return first;
  }
}

/** All promise reactions that are due have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
