/** Rounds that fill the table to at most a half, so that a search ends soon. */
const fillMax = 0.5;

/**
 * Numbers texts in the order in which they first come: 0, 1, 2 … It keeps 64 bits of each text instead of the text, so
 * that a million ids take 24 MB; two of a million different texts are taken for one with a chance of about 3e-8.
 */
export class KeyTable {
  #slots = new Int32Array(1024).fill(-1);
  #high = new Uint32Array(512);
  #low = new Uint32Array(512);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The number of `text`; `isNew` if nobody asked for it before. */
  take(text: string): { readonly at: number; readonly isNew: boolean } {
    const [high, low] = hash64(text);
    const mask = this.#slots.length - 1;
    let slot = low & mask;
    for (;;) {
      const at = this.#slots[slot] ?? -1;
      if (at < 0) break;
      if (this.#low[at] === low && this.#high[at] === high) return { at, isNew: false };
      slot = (slot + 1) & mask;
    }
    const at = this.#size;
    this.#slots[slot] = at;
    this.#high[at] = high;
    this.#low[at] = low;
    this.#size += 1;
    if (this.#size >= fillMax * this.#slots.length) this.#grow();
    return { at, isNew: true };
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let at = 0; at < this.#size; at += 1) {
      let slot = (this.#low[at] ?? 0) & (slots.length - 1);
      while ((slots[slot] ?? -1) >= 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = at;
    }
    this.#slots = slots;
    this.#high = grown(this.#high, slots.length * fillMax);
    this.#low = grown(this.#low, slots.length * fillMax);
  }
}

function grown(from: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(length);
  longer.set(from);
  return longer;
}

/** Two multiplicative hashes with different seeds over the UTF-16 code units, mixed at the end (after cyrb53). */
function hash64(text: string): readonly [number, number] {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return [high >>> 0, low >>> 0];
}
