import { HoldpointError, type Decision } from "../../protocol/index.ts";
import { type AgentService } from "../service.ts";

export interface Wait {
  readonly device: string;
  readonly id: string;
  readonly until: "decided" | "final";
  readonly waitMs: number;
  /** Aborted when whoever waits is gone. */
  readonly gone: AbortSignal;
}

/** Long polls, bounded. */
export class Waits {
  readonly #service: AgentService;
  readonly #waitersMax: number;
  #waiting = 0;

  constructor(service: AgentService, waitersMax: number) {
    this.#service = service;
    this.#waitersMax = waitersMax;
  }

  get full(): boolean {
    return this.#waiting >= this.#waitersMax;
  }

  /** The decision, or null if it did not come in time, the id is unknown, or nobody waits any more. Errors: HP_BUSY. */
  async for({ device, id, until, waitMs, gone }: Wait): Promise<Decision | null> {
    if (this.full) throw new HoldpointError("HP_BUSY", "too many callers wait already", { retryAfterMs: 1000 });
    this.#waiting += 1;
    try {
      return await this.#service.wait(device, id, until, waitMs, gone);
    } finally {
      this.#waiting -= 1;
    }
  }
}
