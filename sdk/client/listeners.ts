import { type Decision, type Logger, type Timers } from "../../protocol/index.ts";

/** Listeners that are called in the order they came, and a way to know when all of them have what they were told. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => unknown>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(listener: (value: T) => unknown): () => void {
    // Wrapped, so that the same function added twice is two listeners.
    const entry = (value: T): unknown => listener(value);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Calls every listener; a listener's failure is its own and is logged. Gives the promises of those that gave one. */
  tell(value: T): readonly Promise<unknown>[] {
    const promises: Promise<unknown>[] = [];
    for (const listener of this.#listeners) {
      try {
        const result = listener(value);
        if (result instanceof Promise) promises.push(result.catch((cause: unknown) => this.#failed(cause)));
      } catch (cause) {
        this.#failed(cause);
      }
    }
    return promises;
  }

  #failed(cause: unknown): void {
    this.#logger.error("listener_failed", { cause });
  }
}

/** Resolves when all are settled, or after `handOverMsMax`: one stuck listener must not stop every decision. */
export async function handedOver(
  promises: readonly Promise<unknown>[],
  decision: Decision,
  {
    timers,
    logger,
    handOverMsMax,
  }: { readonly timers: Timers; readonly logger: Logger; readonly handOverMsMax: number },
): Promise<void> {
  if (promises.length === 0) return;
  await new Promise<void>((resolve) => {
    const cancel = timers.after(handOverMsMax, () => {
      logger.error("listener_too_slow", { id: decision.id, revision: decision.revision, handOverMsMax });
      resolve();
    });
    void Promise.all(promises).then(() => {
      cancel();
      resolve();
    });
  });
}
