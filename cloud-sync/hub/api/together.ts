import { HoldpointError } from "../../../protocol/index.ts";

/**
 * Work that many callers ask for at once, done in common: what comes while a batch runs is the next batch. Nobody waits
 * for company, so one caller alone is as fast as before, and under load a commit is shared by all who wait for it.
 */
export interface TogetherOptions<T, R> {
  /** Items of one batch. */
  readonly itemsMax: number;
  /** Two items of one key are never in one batch, and run in the order in which they came. */
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
  let waiting: Waiting<T, R>[] = [];
  let isRunning = false;

  /** Takes the next batch out of the line; what has to wait stays in its order. */
  function next(): readonly Waiting<T, R>[] {
    const keys = new Set<string>();
    const batch: Waiting<T, R>[] = [];
    const later: Waiting<T, R>[] = [];
    for (const one of waiting) {
      const key = options.keyOf(one.item);
      if (batch.length >= options.itemsMax || keys.has(key)) {
        later.push(one);
        continue;
      }
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

  async function drain(): Promise<void> {
    while (waiting.length > 0) await runAll(next());
    isRunning = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (isRunning) return;
      isRunning = true;
      void drain();
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
