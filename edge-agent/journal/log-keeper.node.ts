import { pageBytes } from "../../protocol/platform/sqlite.node.ts";
import { startThread, type JournalThread } from "./journal-thread.node.ts";
import { type BatchMessage, type CopyMessage, type WorkerData } from "./journal-wire.ts";

/**
 * Has the write-ahead log copied into the database beside the writer. SQLite does that within the commit that finds the
 * log long, and whoever waits for this commit waits for megabytes to be written and synced; a thread of its own copies in
 * time, so that the writer finds little left to do. It is a help and no part of any promise: without it, or where it
 * cannot keep up, the writer's own bound on the log holds as ever.
 */
export class LogKeeper {
  readonly #starting: Promise<void>;
  readonly #pagesMin: number;
  #thread: JournalThread | null = null;
  #isBusy = true;
  /** Written since the log was last looked at: operations, and pages of their bytes. */
  #written = 0;

  /** `walPagesMax`: where the writer copies for itself. */
  constructor(data: WorkerData, walPagesMax: number) {
    this.#pagesMin = Math.max(1, Math.floor(walPagesMax * copyShare));
    const copied = (): void => void (this.#isBusy = false);
    const died = (): void => void (this.#thread = null);
    this.#starting = startThread({ ...data, role: "keeper" }, copied, died).then(
      (thread) => {
        this.#thread = thread;
        this.#isBusy = false;
      },
      // A disk that has no room for another connection; the writer copies for itself.
      () => undefined,
    );
  }

  /** Called behind a commit, once it is answered. `pagesToCopy`: pages of the log that are not in the database. */
  committed(messages: readonly BatchMessage[], pagesToCopy: () => number): void {
    for (const { ops, bytes } of messages) this.#written += ops.length + bytes.byteLength / pageBytes;
    if (this.#isBusy || this.#written < lookEvery || this.#thread === null) return;
    this.#written = 0;
    if (pagesToCopy() < this.#pagesMin) return;
    this.#isBusy = true;
    this.#thread.port.postMessage({ kind: "copy" } satisfies CopyMessage);
  }

  /** Resolves when the thread has closed its connection: whoever closes last takes the log away. */
  async close(): Promise<void> {
    this.#isBusy = true;
    await this.#starting;
    await this.#thread?.close();
  }
}

/** A copy begins once the log has this share of what the writer lets it have. */
const copyShare = 1 / 4;
/** A lone request need not pay for the look. */
const lookEvery = 64;
