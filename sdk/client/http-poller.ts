import { type Cancel, type Timers } from "../../protocol/index.ts";

/** How a look-up ended. */
export type LookUp = "found" | "waiting" | "ended" | "failed";

export interface HttpPollerOptions {
  readonly timers: Timers;
  /** Asks for one id, held open by the agent for up to `waitMs`. Never rejects. */
  readonly lookUp: (id: string, waitMs: number) => Promise<LookUp>;
}

const pollsMax = 3;
/** One id is asked for at least this often, however many there are; alone it is one long poll after the other. */
const roundMs = 20_000;
/** A case without its first decision: soon there, so a short poll, and behind none of those that wait for people. */
const undecidedWaitMs = 500;
const pauseMs = 250;

/** Long polls for many ids over few connections, in turns. */
export class HttpPoller {
  readonly #options: HttpPollerOptions;
  /** Ids in their turn's order → the revision that is known. */
  readonly #ids = new Map<string, number>();
  readonly #polling = new Set<string>();
  #running = false;
  #pause: Cancel | null = null;

  constructor(options: HttpPollerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = true;
    this.#pump();
  }

  stop(): void {
    this.#running = false;
    this.#pause?.();
    this.#pause = null;
  }

  follow(id: string, revision: number): void {
    this.#ids.set(id, revision);
    this.#pump();
  }

  unfollow(id: string): void {
    this.#ids.delete(id);
  }

  knows(id: string, revision: number): void {
    if (this.#ids.has(id)) this.#ids.set(id, revision);
  }

  #pump(): void {
    while (this.#running && this.#pause === null && this.#polling.size < pollsMax) {
      const id = this.#next();
      if (id === null) return;
      this.#polling.add(id);
      void this.#options.lookUp(id, this.#waitMs(id)).then((result) => this.#looked(id, result));
    }
  }

  #looked(id: string, result: LookUp): void {
    this.#polling.delete(id);
    const revision = this.#ids.get(id);
    if (revision !== undefined) {
      // To the end of the line.
      this.#ids.delete(id);
      this.#ids.set(id, revision);
    }
    // An agent that answers at once although it was asked to wait must not be asked in a tight loop.
    if (this.#running && result !== "found") this.#rest();
    this.#pump();
  }

  #rest(): void {
    this.#pause ??= this.#options.timers.after(pauseMs, () => {
      this.#pause = null;
      this.#pump();
    });
  }

  /** Undecided ids first: somebody waits for them now. */
  #next(): string | null {
    let first: string | null = null;
    for (const [id, revision] of this.#ids) {
      if (this.#polling.has(id)) continue;
      if (revision === 0) return id;
      first ??= id;
    }
    return first;
  }

  #waitMs(id: string): number {
    if ((this.#ids.get(id) ?? 0) === 0) return undecidedWaitMs;
    return Math.max(pauseMs, Math.floor((roundMs * pollsMax) / Math.max(this.#ids.size, pollsMax)));
  }
}
