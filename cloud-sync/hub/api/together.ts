import { HoldpointError } from "../../../protocol/index.ts";

/**
 * Work that many callers ask for at once, done in common: what comes while a batch runs is the next batch. Nobody waits
 * for company, so one caller alone is as fast as before, and under load a commit is shared by all who wait for it.
 */
export interface TogetherOptions<T, R> {
  /** Items of one batch, or what they weigh together where `weightOf` says; one alone may weigh more. */
  readonly itemsMax: number;
  readonly weightOf?: (item: T) => number;
  /** Batches that run at a time; 1 unless given. */
  readonly batchesMax?: number;
  /** Two items of one key never run at a time, and run in the order in which they came. */
  readonly keyOf: (item: T) => string;
  /** One result for each item, in their order. Where it throws, each item is run again by itself … */
  readonly run: (items: readonly T[]) => Promise<readonly R[]>;
  /** … but for what would fail for every one of them: a database that is gone. */
  readonly isEverybodys: (cause: unknown) => boolean;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (cause: unknown) => void;
}

export function together<T, R>(options: TogetherOptions<T, R>): (item: T) => Promise<R> {
  const { itemsMax, keyOf, weightOf = () => 1, batchesMax = 1 } = options;
  let waiting: Waiting<T, R>[] = [];
  const running = new Set<string>();
  let batches = 0;

  /** Takes the next batch out of the line; what has to wait stays in its order. */
  function next(): readonly Waiting<T, R>[] {
    const batch: Waiting<T, R>[] = [];
    const later: Waiting<T, R>[] = [];
    const keys = new Set(running);
    let weight = 0;
    for (const one of waiting) {
      const key = keyOf(one.item);
      const more = weight + weightOf(one.item);
      // Once it is full nobody overtakes: a small item behind a large one of its key would run first.
      const isFull = batch.length > 0 && more > itemsMax;
      if (isFull) weight = itemsMax;
      if (isFull || keys.has(key)) {
        keys.add(key);
        later.push(one);
        continue;
      }
      weight = more;
      keys.add(key);
      batch.push(one);
    }
    waiting = later;
    return batch;
  }

  async function runAll(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await options.run(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as R);
    } catch (cause) {
      if (batch.length === 1 || options.isEverybodys(cause)) {
        for (const { reject } of batch) reject(cause);
        return;
      }
      // One of them is at fault, and the others have nothing to do with it.
      for (const one of batch) await runAll([one]);
    }
  }

  async function lane(): Promise<void> {
    for (let batch = next(); batch.length > 0; batch = next()) {
      const keys = batch.map(({ item }) => keyOf(item));
      for (const key of keys) running.add(key);
      await runAll(batch);
      for (const key of keys) running.delete(key);
    }
    batches -= 1;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (batches >= batchesMax) return;
      batches += 1;
      void lane();
    });
}

/** A fault that every item of a batch would meet again. */
export function isDatabaseGone(cause: unknown): boolean {
  return cause instanceof HoldpointError && (cause.code === "HP_DATABASE" || cause.code === "HP_DISK_FULL");
}

/**
 * For `in (…)`: the last one repeated up to a power of two, because a statement for each number of items would be too
 * many to keep prepared. `items` is not empty.
 */
export function filledUp(items: readonly string[]): readonly string[] {
  const size = 2 ** Math.ceil(Math.log2(items.length));
  return [...items, ...Array.from({ length: size - items.length }, () => items.at(-1) ?? "")];
}
