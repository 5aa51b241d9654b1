import { type Cancel, type Clock, type Timers } from "../../protocol/index.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  task: (() => void) | null;
}

/**
 * Time of a simulated store: it passes only when it is told to, timers fire in order, and whatever they start runs to its
 * end in between. The wall clock may jump; the monotonic one never does.
 */
export class SimTime implements Clock, Timers {
  #nowMs = 0;
  #wallOffsetMs = 1_795_000_000_000;
  #order = 0;
  /** A binary heap, earliest first. */
  readonly #timers: Timer[] = [];

  wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  after(delayMs: number, task: () => void): Cancel {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: (this.#order += 1), task };
    this.#push(timer);
    return () => (timer.task = null);
  }

  /** Timers of a process: they die with it. */
  timersOf(isAlive: () => boolean): Timers {
    return { after: (delayMs, task) => this.after(delayMs, () => (isAlive() ? task() : undefined)) };
  }

  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const endMs = this.#nowMs + forMs;
    for (;;) {
      await settled();
      if (isDone()) return;
      const next = this.#timers[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#pop();
      if (next.task === null) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
    }
    this.#nowMs = endMs;
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!isBefore(timer, heap[up] as Timer)) break;
      heap[at] = heap[up] as Timer;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1] as Timer, heap[down] as Timer)) down += 1;
      if (!isBefore(heap[down] as Timer, last)) break;
      heap[at] = heap[down] as Timer;
      at = down;
    }
    heap[at] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/**
 * All promise reactions that are due have run. What they put off to the next turns of the event loop (the journal gathers
 * a turn's operations, and its answers may bring new ones) has run as well.
 */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const turnsMax = 3;
