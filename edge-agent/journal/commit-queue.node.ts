import { type MessagePort } from "node:worker_threads";
import { HoldpointError, type Cancel, type Timers } from "../../protocol/index.ts";
import {
  isFailure,
  type AdmitOp,
  type BatchMessage,
  type BatchReply,
  type DecideOp,
  type Op,
  type OpFailure,
  type OpResult,
} from "./journal-wire.ts";
import { SpareBytes } from "./spare-bytes.node.ts";

/**
 * The way to the writer. Operations of one turn of the event loop go as one message; while the writer is behind they
 * gather here. Everything is bounded: beyond the queue's limits a call is refused with HP_BUSY at once.
 */

/** Operations and bytes in one message. */
const messageOpsMax = 512;
const messageBytesMax = 4 * 1024 * 1024;
/**
 * Posted and not answered: enough that the writer never waits, little enough that commits are shared well, and that a
 * decision often comes in time for the commit of its request.
 */
const postedOpsMax = 1024;
const postedMessagesMax = 2;
/** How long an admission is held back for a decision that is about to come. */
const holdMsMax = 5;
const queuedOpsMax = 16_384;
const queuedBytesMax = 64 * 1024 * 1024;
const busyRetryMs = 200;

/**
 * What no device waits for, and whose loss costs a duplicate at most. These go with the next commit of anything else,
 * the journal's tick at the latest: a device takes its decision and asks for the next one at once, and a commit for the
 * first alone would be a second fsync, and stand in the way of the request's.
 */
const patientOps: ReadonlySet<Op[0]> = new Set(["delivered"]);
/** As many as one message takes do not wait for company. */
const patientOpsMax = messageOpsMax;

/** What an admission brings beside its texts and numbers. */
export interface AdmissionParts {
  readonly digest: Uint8Array;
  /** The input's bytes, if it has any that are to be kept. */
  readonly data: Uint8Array | null;
  /** The decision, if it is known when the admission leaves. */
  readonly decision: () => DecideOp | null;
  /** Resolves when the decision is known; null where that is not worth waiting for. */
  readonly decidedSoon: Promise<unknown> | null;
}

interface Waiting {
  readonly op: Op;
  readonly parts: AdmissionParts | null;
  /** Held back for its decision: whether that has come, and since when it is waited for. */
  due: boolean;
  heldSinceMs: number | null;
  readonly resolve: (result: Exclude<OpResult, OpFailure>) => void;
  readonly reject: (error: HoldpointError) => void;
}

export interface CommitTime {
  readonly wallMs: number;
  readonly agentMs: number;
}

export class CommitQueue {
  readonly #port: MessagePort;
  readonly #timers: Timers;
  readonly #time: () => CommitTime;
  readonly #onCommit: (reply: BatchReply) => void;
  readonly #spares = new SpareBytes();
  #waiting: Waiting[] = [];
  #held: Waiting[] = [];
  /** How many of those that wait do not wait for company. */
  #urgent = 0;
  #holdTimer: Cancel | null = null;
  #waitingBytes = 0;
  readonly #posted: (readonly Waiting[])[] = [];
  #postedOps = 0;
  #scheduled = false;
  #refuse: HoldpointError | null = null;

  constructor(port: MessagePort, timers: Timers, time: () => CommitTime, onCommit: (reply: BatchReply) => void) {
    this.#port = port;
    this.#timers = timers;
    this.#time = time;
    this.#onCommit = onCommit;
  }

  /** Resolves with the operation's result after its commit; `read` turns it into what the caller sees. */
  push<T>(op: Op, read: (result: Exclude<OpResult, OpFailure>) => T, parts: AdmissionParts | null = null): Promise<T> {
    if (this.#refuse !== null) return Promise.reject(this.#refuse);
    const bytes = parts?.data?.byteLength ?? 0;
    const queued = this.#waiting.length + this.#held.length;
    const full = queued >= queuedOpsMax || this.#waitingBytes + bytes > queuedBytesMax;
    if (full && queued > 0) {
      const error = new HoldpointError("HP_BUSY", `${queued} operations wait for the journal`, {
        retryAfterMs: busyRetryMs,
      });
      return Promise.reject(error);
    }
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      const settle = (result: Exclude<OpResult, OpFailure>): void => {
        resolve(read(result));
      };
      const item: Waiting = { op, parts, due: false, heldSinceMs: null, resolve: settle, reject };
      const soon = parts?.decidedSoon ?? null;
      if (soon !== null) this.#hold(item, soon);
      else {
        this.#waiting.push(item);
        if (!isPatient(item)) this.#urgent += 1;
      }
      if (this.#held.length > 0 || this.#isDue()) this.#schedule();
    });
  }

  /** Resolves when the operations that wait for company are committed; they do not wait any longer. */
  async settle(): Promise<void> {
    if (this.#waiting.length > this.#urgent) await this.push(["tick"], () => undefined);
  }

  #isDue(): boolean {
    return this.#urgent > 0 || this.#waiting.length >= patientOpsMax;
  }

  #hold(item: Waiting, soon: Promise<unknown>): void {
    this.#held.push(item);
    void soon.then(() => {
      item.due = true;
      this.#schedule();
    });
  }

  /**
   * Lets go of the admissions whose decision has come, and of those that have waited long enough. Their time counts from
   * the first turn of the event loop that could have sent them: in a long turn the answers of the model lie unread, and
   * they are read before the next one ends.
   */
  #release(): void {
    if (this.#held.length === 0) return;
    const nowMs = this.#time().agentMs;
    const held: Waiting[] = [];
    for (const item of this.#held) {
      item.heldSinceMs ??= nowMs;
      const waits = !item.due && this.#refuse === null && nowMs - item.heldSinceMs < holdMsMax;
      (waits ? held : this.#waiting).push(item);
    }
    this.#urgent += this.#held.length - held.length;
    this.#held = held;
    if (held.length === 0) return;
    this.#holdTimer ??= this.#timers.after(holdMsMax, () => {
      this.#holdTimer = null;
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || !this.#mayPost()) return;
    this.#scheduled = true;
    // The check phase comes right after the sockets were read, so one message takes what all of them brought.
    setImmediate(() => {
      this.#scheduled = false;
      this.#release();
      while (this.#isDue() && this.#mayPost()) this.#post();
    });
  }

  #mayPost(): boolean {
    return this.#postedOps < postedOpsMax && this.#posted.length < postedMessagesMax;
  }

  #post(): void {
    let count = 0;
    let bytes = 0;
    for (const item of this.#waiting) {
      const more = (item.parts?.data?.byteLength ?? 0) + (item.parts?.digest.byteLength ?? 0);
      if (count === messageOpsMax || (count > 0 && bytes + more > messageBytesMax)) break;
      bytes += more;
      count += 1;
    }
    const items = this.#waiting.splice(0, count);
    for (const item of items) if (!isPatient(item)) this.#urgent -= 1;
    this.#waitingBytes -= items.reduce((sum, item) => sum + (item.parts?.data?.byteLength ?? 0), 0);
    const pack = new Uint8Array(this.#spares.take(bytes));
    let at = 0;
    const ops = items.map(({ op, parts }) => {
      if (parts === null) return op;
      const { digest, data } = parts;
      const digestAt = at;
      pack.set(digest, at);
      at += digest.byteLength;
      if (data === null) return placed(op, digestAt, null, parts.decision());
      pack.set(data, at);
      at += data.byteLength;
      return placed(op, digestAt, at - data.byteLength, parts.decision());
    });
    this.#posted.push(items);
    this.#postedOps += items.length;
    const message: BatchMessage = { kind: "batch", ...this.#time(), ops, bytes: pack.buffer };
    this.#port.postMessage(message, [pack.buffer]);
  }

  /** The writer has answered the oldest message. */
  committed(reply: BatchReply): void {
    const items = this.#posted.shift() ?? [];
    this.#postedOps -= items.length;
    if (reply.spare) this.#spares.give(reply.spare);
    this.#onCommit(reply);
    for (const [index, item] of items.entries()) {
      const result = reply.results[index] ?? null;
      if (isFailure(result)) item.reject(errorOf(result));
      else item.resolve(result);
    }
    if (this.#held.length > 0 || this.#isDue()) this.#schedule();
  }

  /** Rejects whatever comes; with `now` also what waits. */
  stop(error: HoldpointError, now: boolean): void {
    this.#refuse = error;
    if (!now) {
      // What is held back goes ahead of the order to stop.
      this.#urgent += this.#held.length;
      this.#waiting.unshift(...this.#held.splice(0));
      return;
    }
    const items = [...this.#posted.flat(), ...this.#waiting, ...this.#held.splice(0)];
    this.#holdTimer?.();
    this.#posted.length = 0;
    this.#waiting = [];
    this.#urgent = 0;
    this.#waitingBytes = 0;
    for (const item of items) item.reject(error);
  }
}

function isPatient({ op }: Waiting): boolean {
  return patientOps.has(op[0]);
}

function placed(op: Op, digestAt: number, inputAt: number | null, decision: DecideOp | null): Op {
  if (op[0] !== "admit") return op;
  const admit: { -readonly [K in keyof AdmitOp]: AdmitOp[K] } = [...op];
  admit[8] = digestAt;
  if (inputAt !== null) admit[9] = inputAt;
  admit[11] = decision;
  return admit;
}

export function errorOf(failure: OpFailure): HoldpointError {
  const { code, message, retryAfterMs } = failure;
  return new HoldpointError(code, message, retryAfterMs === null ? {} : { retryAfterMs });
}
