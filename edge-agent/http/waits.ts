import { HoldpointError, type Clock, type Decision } from "../../protocol/index.ts";
import { type AgentService } from "../service.ts";

export interface Wait {
  readonly device: string;
  readonly id: string;
  readonly until: "decided" | "final";
  readonly waitMs: number;
  /** Aborted when whoever waits is gone. */
  readonly gone: AbortSignal;
}

/**
 * Long polls, bounded. The service's own wait cannot be called off, so a long one is made of short ones: a caller that
 * is gone leaves nothing behind for longer than a slice.
 */
export class Waits {
  readonly #service: AgentService;
  readonly #clock: Clock;
  readonly #waitersMax: number;
  #waiting = 0;

  constructor(service: AgentService, clock: Clock, waitersMax: number) {
    this.#service = service;
    this.#clock = clock;
    this.#waitersMax = waitersMax;
  }

  get full(): boolean {
    return this.#waiting >= this.#waitersMax;
  }

  /** The decision, or null if it did not come in time, the id is unknown, or nobody waits any more. Errors: HP_BUSY. */
  async for(wait: Wait): Promise<Decision | null> {
    if (this.full) throw new HoldpointError("HP_BUSY", "too many callers wait already", { retryAfterMs: 1000 });
    this.#waiting += 1;
    try {
      const startMs = this.#clock.monotonicMs();
      for (;;) {
        const leftMs = wait.waitMs - (this.#clock.monotonicMs() - startMs);
        if (leftMs <= 0 || wait.gone.aborted) return null;
        const sliceMs = Math.min(leftMs, sliceMsMax);
        const beganMs = this.#clock.monotonicMs();
        const decision = await this.#service.wait(wait.device, wait.id, wait.until, sliceMs);
        if (decision !== null) return decision;
        // A null that comes early is not the end of the slice: the id is not known.
        if (this.#clock.monotonicMs() - beganMs < sliceMs / 2) return null;
      }
    } finally {
      this.#waiting -= 1;
    }
  }
}

const sliceMsMax = 2_000;
