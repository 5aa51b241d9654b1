import { type Cancel, type Clock, type Timers } from "../protocol/index.ts";

/** How often due cases are looked for: fine enough for a patience of seconds, and free for one of days. */
const tickMs = 250;

/**
 * `review_within` of every case that waits for a person. Monotonic time, so a jump of the wall clock expires nothing;
 * what was left before a restart comes from the journal.
 */
export class ReviewClocks {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #expire: (id: string) => Promise<unknown>;
  readonly #dueAtMs = new Map<string, number>();
  #cancel: Cancel = () => undefined;
  #closed = false;

  constructor(clock: Clock, timers: Timers, expire: (id: string) => Promise<unknown>) {
    this.#clock = clock;
    this.#timers = timers;
    this.#expire = expire;
    this.#schedule();
  }

  start(id: string, leftMs: number): void {
    this.#dueAtMs.set(id, this.#clock.monotonicMs() + leftMs);
  }

  stop(id: string): void {
    this.#dueAtMs.delete(id);
  }

  /** Cases that wait for a person. */
  get size(): number {
    return this.#dueAtMs.size;
  }

  /** Ends it, also in the middle of a look: a timer that came after would keep the process alive for ever. */
  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#dueAtMs.clear();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel = this.#timers.after(tickMs, () => {
      void this.#tick().finally(() => this.#schedule());
    });
  }

  async #tick(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, dueAtMs] of this.#dueAtMs) {
      if (this.#closed) return;
      if (dueAtMs > nowMs) continue;
      this.#dueAtMs.delete(id);
      // The expiry failed (a full disk, say): the case stays with people and is tried again after a while.
      await this.#expire(id).catch(() => this.start(id, 5000));
    }
  }
}
