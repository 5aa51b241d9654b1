import { type Cancel, type Timers } from "../../protocol/index.ts";

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
  readonly timers: Timers;
  /** When an idle batcher starts: behind the microtasks of this turn unless told otherwise. */
  readonly nextTurn?: (start: () => void) => void;
  /** Answers in the order of the rows. Never rejects. */
  readonly run: (rows: readonly In[]) => Promise<readonly Out[]>;
  readonly overload: () => Out;
}

/** Bytes that may wait, beside which a single row always may. */
const queueBytesMax = 256 * 1024 * 1024;
/** Bytes of one batch, beside which a single row always may run. */
const batchBytesMax = 32 * 1024 * 1024;

interface Waiting<In, Out> {
  readonly row: In;
  readonly bytes: number;
  readonly answer: (out: Out) => void;
}

/**
 * Gathers rows into batches without making anybody wait on purpose: while a batch runs, whatever arrives is the next
 * one. Rows leave in the order they came.
 */
export class Batcher<In, Out> {
  readonly #options: BatcherOptions<In, Out>;
  #queue: Waiting<In, Out>[] = [];
  #queueBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  #cancelWait: Cancel | null = null;
  #idle: (() => void)[] = [];

  constructor(options: BatcherOptions<In, Out>) {
    this.#options = options;
  }

  /** Rows that wait for a batch. */
  get waiting(): number {
    return this.#queue.length;
  }

  submit(row: In): Promise<Out> {
    const { queueRowsMax, bytesOf, overload } = this.#options;
    const bytes = bytesOf?.(row) ?? 0;
    const isFull = this.#queue.length > 0 && this.#queueBytes + bytes > queueBytesMax;
    if (isFull || this.#queue.length >= queueRowsMax) return Promise.resolve(overload());
    return new Promise((answer) => {
      this.#queue.push({ row, bytes, answer });
      this.#queueBytes += bytes;
      this.#schedule();
    });
  }

  /** Resolves when nothing waits and nothing runs. */
  drained(): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((done) => void this.#idle.push(done));
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
      this.#inFlight += 1;
      void this.#runBatch(this.#takeBatch());
    }
  }

  #takeBatch(): readonly Waiting<In, Out>[] {
    let rows = 0;
    let bytes = 0;
    for (const { bytes: more } of this.#queue) {
      if (rows >= this.#options.batchMax || (rows > 0 && bytes + more > batchBytesMax)) break;
      rows += 1;
      bytes += more;
    }
    this.#queueBytes -= bytes;
    return this.#queue.splice(0, rows);
  }

  async #runBatch(batch: readonly Waiting<In, Out>[]): Promise<void> {
    const answers = await this.#options.run(batch.map(({ row }) => row));
    this.#inFlight -= 1;
    batch.forEach(({ answer }, i) => {
      const out = answers[i];
      if (out === undefined) throw new RangeError("a batch is answered row by row");
      answer(out);
    });
    if (this.#queue.length > 0) this.#start();
    else if (this.#inFlight === 0) for (const done of this.#idle.splice(0)) done();
  }
}
