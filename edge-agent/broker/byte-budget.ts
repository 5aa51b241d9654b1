/**
 * Bytes that may be in memory at once, shared by many: whoever finds it used up waits in turn. A claim larger than the
 * whole budget is granted when nothing else is held, so that it cannot wait for ever.
 */
export class ByteBudget {
  readonly #bytesMax: number;
  readonly #waiting = new Set<Claim>();
  #held = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#held;
  }

  /** Calls `granted` now or later, in the order of asking. `release` gives the bytes back, or leaves the queue. */
  claim(bytes: number, granted: () => void): { release(): void } {
    const claim: Claim = { bytes, granted, held: false };
    this.#waiting.add(claim);
    this.#grant();
    return {
      release: () => {
        this.#waiting.delete(claim);
        if (claim.held) this.#held -= bytes;
        claim.held = false;
        this.#grant();
      },
    };
  }

  #grant(): void {
    for (const claim of this.#waiting) {
      if (this.#held > 0 && this.#held + claim.bytes > this.#bytesMax) return;
      this.#waiting.delete(claim);
      claim.held = true;
      this.#held += claim.bytes;
      claim.granted();
    }
  }
}

interface Claim {
  readonly bytes: number;
  readonly granted: () => void;
  held: boolean;
}
