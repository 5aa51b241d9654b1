import { type Cancel, type Clock, type Timers } from "../../protocol/index.ts";

export interface BatcherOptions<In, Out> {
  /** Rows in one run. */
  readonly batchMax: number;
  /** Batches under way at once; 2 keeps a child busy while its last answer travels. */
  readonly inFlightMax: number;
  /** How long an idle batcher waits for more rows; 0 runs what one turn of the event loop brought. */
  readonly waitMs: number;
  /** Rows that may wait. Beyond it a row is answered by `overload` at once. */
  readonly queueRowsMax: number;
  /** Bytes of a row: two thousand large pictures are not two thousand small ones. Absent: rows weigh nothing. */
  readonly bytesOf?: (row: In) => number;
  readonly clock: Clock;
  readonly timers: Timers;
  /** When an idle batcher starts: behind the microtasks of this turn unless told otherwise. */
  readonly nextTurn?: (start: () => void) => void;
  /** Answers in the order of the rows. Never rejects. */
  readonly run: (rows: readonly In[]) => Promise<readonly Out[]>;
  /** The answer to a row that is not run, because it would come too late or there is no room. */
  readonly overload: () => Out;
  /** The answer to a row that waited until nobody waits for it any more. */
  readonly timeout: () => Out;
}

/** Bytes that may wait, beside which a single row always may. */
const queueBytesMax = 256 * 1024 * 1024;
/** Bytes of one batch, beside which a single row always may run. */
const batchBytesMax = 32 * 1024 * 1024;
/** An expected time is trusted with this much on top: what is run must be in time, or the run was for nothing. */
const haste = 1.25;
/** Weight of the newest batch in the time that one takes: a rise of the load is learned within some tens of batches. */
const newestShare = 1 / 16;

interface Waiting<In, Out> {
  readonly row: In;
  readonly bytes: number;
  /** Monotonic time from which on nobody waits. */
  readonly neededByMs: number;
  readonly answer: (out: Out) => void;
}

/**
 * Gathers rows into batches without making anybody wait on purpose: while a batch runs, whatever arrives is the next
 * one. Rows leave in the order they came.
 *
 * Under overload it runs only what can still be in time. A row that stands behind more than can be run within its
 * patience is refused at once, and one that has waited too long is passed over when its turn comes; so whoever cannot be
 * served learns it early, and every run is for somebody who waits.
 */
export class Batcher<In, Out> {
  readonly #options: BatcherOptions<In, Out>;
  #queue: Waiting<In, Out>[] = [];
  #queueBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  #cancelWait: Cancel | null = null;
  #idle: (() => void)[] = [];
  /** From one batch's answer to the next one's while there is work: a moving average. */
  #batchMs: number | null = null;
  #answeredAtMs = -Infinity;

  constructor(options: BatcherOptions<In, Out>) {
    this.#options = options;
  }

  /** Rows that wait for a batch. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** `withinMs`: how long anybody waits for the answer. */
  submit(row: In, withinMs = Infinity): Promise<Out> {
    const { queueRowsMax, batchMax, bytesOf, overload, clock } = this.#options;
    const bytes = bytesOf?.(row) ?? 0;
    const rowsAhead = this.#queue.length;
    const isFull = rowsAhead > 0 && this.#queueBytes + bytes > queueBytesMax;
    if (isFull || rowsAhead >= queueRowsMax) return Promise.resolve(overload());
    // Where nothing is under way a row is always taken: an expectation that is wrong must not confirm itself.
    const isBusy = rowsAhead > 0 || this.#inFlight > 0;
    if (isBusy && this.#expectedMs(Math.floor(rowsAhead / batchMax)) > withinMs) return Promise.resolve(overload());
    const neededByMs = clock.monotonicMs() + withinMs;
    return new Promise((answer) => {
      this.#queue.push({ row, bytes, neededByMs, answer });
      this.#queueBytes += bytes;
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing runs. */
  drained(): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((done) => void this.#idle.push(done));
  }

  /** When a batch is answered that leaves behind those under way and so many that wait. */
  #expectedMs(batchesAhead: number): number {
    return (this.#inFlight + batchesAhead + 1) * (this.#batchMs ?? 0) * haste;
  }

  #schedule(): void {
    if (this.#inFlight >= this.#options.inFlightMax) return;
    const { batchMax, waitMs, timers } = this.#options;
    if (waitMs > 0 && this.#inFlight === 0 && this.#queue.length < batchMax) {
      this.#cancelWait ??= timers.after(waitMs, () => this.#start());
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    const { nextTurn } = this.#options;
    if (nextTurn) nextTurn(() => this.#start());
    // Rows that one packet brought run together.
    else void Promise.resolve().then(() => this.#start());
  }

  #start(): void {
    this.#scheduled = false;
    this.#cancelWait?.();
    this.#cancelWait = null;
    while (this.#queue.length > 0 && this.#inFlight < this.#options.inFlightMax) {
      const batch = this.#takeBatch();
      if (batch.length === 0) break;
      this.#inFlight += 1;
      void this.#runBatch(batch);
    }
    if (this.#queue.length === 0 && this.#inFlight === 0) for (const done of this.#idle.splice(0)) done();
  }

  /** The oldest rows that can be in time. Those before them that cannot are answered, and leave the queue as well. */
  #takeBatch(): readonly Waiting<In, Out>[] {
    const { batchMax, clock, overload, timeout } = this.#options;
    const nowMs = clock.monotonicMs();
    const inTimeMs = nowMs + this.#expectedMs(0);
    const taken: Waiting<In, Out>[] = [];
    const late: Waiting<In, Out>[] = [];
    let bytes = 0;
    let seen = 0;
    for (const item of this.#queue) {
      if (item.neededByMs <= nowMs || item.neededByMs < inTimeMs) late.push(item);
      else if (taken.length >= batchMax || (taken.length > 0 && bytes + item.bytes > batchBytesMax)) break;
      else {
        taken.push(item);
        bytes += item.bytes;
      }
      seen += 1;
    }
    for (const { bytes: left } of this.#queue.splice(0, seen)) this.#queueBytes -= left;
    // Where nothing is under way one row is tried all the same: only so an expectation that is wrong is put right.
    const tried = taken.length > 0 || this.#inFlight > 0 ? undefined : late.find((item) => item.neededByMs > nowMs);
    for (const item of late) if (item !== tried) item.answer(item.neededByMs <= nowMs ? timeout() : overload());
    return tried ? [tried] : taken;
  }

  async #runBatch(batch: readonly Waiting<In, Out>[]): Promise<void> {
    const { clock, run } = this.#options;
    const startedMs = clock.monotonicMs();
    const answers = await run(batch.map(({ row }) => row));
    this.#inFlight -= 1;
    this.#learn(clock.monotonicMs(), startedMs);
    batch.forEach(({ answer }, i) => {
      const out = answers[i];
      if (out === undefined) throw new RangeError("a batch is answered row by row");
      answer(out);
    });
    this.#start();
  }

  #learn(nowMs: number, startedMs: number): void {
    const tookMs = nowMs - Math.max(startedMs, this.#answeredAtMs);
    this.#answeredAtMs = nowMs;
    this.#batchMs = this.#batchMs === null ? tookMs : this.#batchMs + (tookMs - this.#batchMs) * newestShare;
  }
}
