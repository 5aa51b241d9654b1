/**
 * Remembers the latest entries: at least `sizeMax` of them, at most twice as many. Two maps take turns, and the older
 * one goes as a whole: deleting the oldest key of one map one by one leaves holes at its front, and every look for the
 * oldest then walks over them, which costs more than what is remembered saves.
 */
export class RecentMap<Key, Value> {
  readonly #sizeMax: number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get(key: Key): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: Key, value: Value): void {
    this.#young.set(key, value);
    if (this.#young.size < this.#sizeMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  delete(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
