/** How often a case may end the child before it is not tried again. */
const deathsMax = 2;

/**
 * Cases that ended the inference child. Bounded in number and in time: a case comes again only if somebody sends it
 * again, and an id that was quarantined yesterday need not be remembered for ever.
 */
export class Quarantine {
  readonly #idsMax: number;
  readonly #keepMs: number;
  readonly #deaths = new Map<string, { readonly count: number; readonly atMs: number }>();

  constructor(idsMax = 1024, keepMs = 24 * 3_600_000) {
    this.#idsMax = idsMax;
    this.#keepMs = keepMs;
  }

  /** Records that the child ended while it worked on this case alone. Returns whether the case is quarantined now. */
  blame(id: string, nowMs: number): boolean {
    const count = this.#count(id, nowMs) + 1;
    this.#deaths.delete(id);
    this.#deaths.set(id, { count, atMs: nowMs });
    for (const oldest of this.#deaths.keys()) {
      if (this.#deaths.size <= this.#idsMax) break;
      this.#deaths.delete(oldest);
    }
    return count >= deathsMax;
  }

  has(id: string, nowMs: number): boolean {
    return this.#deaths.size > 0 && this.#count(id, nowMs) >= deathsMax;
  }

  get size(): number {
    return this.#deaths.size;
  }

  #count(id: string, nowMs: number): number {
    const known = this.#deaths.get(id);
    return known && nowMs - known.atMs < this.#keepMs ? known.count : 0;
  }
}
