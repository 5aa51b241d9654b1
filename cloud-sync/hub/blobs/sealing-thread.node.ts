import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { HoldpointError } from "../../../protocol/index.ts";
import { threadEntry } from "../../../protocol/platform/thread-entry.node.ts";
import { type TakenPicture } from "./picture-vault.ts";
import { sealPictures, type SealedPictures, type SealingAnswer, type SealingQuestion } from "./sealing.node.ts";

/**
 * Seals pictures, many of them in a thread of its own: hashing and encrypting what a fleet sends is a fifth of what the
 * hub does with it, and the next call is read meanwhile.
 */
export interface Sealer {
  /** The memory of the pictures may be gone afterwards. Errors: HP_BUSY (the thread died; the next call starts another). */
  seal(pictures: readonly TakenPicture[]): Promise<SealedPictures>;
  close(): Promise<void>;
}

/** Fewer bytes are sealed before a message to the thread would have come back. */
const threadBytesMin = 256 * 1024;
/** Memory that Node may share between messages of a connection is not larger: it must not move. */
const sharedBytesMax = 64 * 1024;

interface Waiting {
  readonly resolve: (sealed: SealedPictures) => void;
  readonly reject: (cause: unknown) => void;
}

/** `threads`: false where there is one processor, which a second thread would only wait for. */
export function createSealer(threads = availableParallelism() > 1): Sealer {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let jobs = 0;

  const end = (dead: Worker, cause: unknown): void => {
    if (worker !== dead) return;
    worker = null;
    const error = new HoldpointError("HP_BUSY", "the thread that seals pictures ended", { retryAfterMs: 1000, cause });
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };

  const started = (): Worker => {
    if (worker) return worker;
    // Flags of the parent (a test runner's loader, a profiler) are not the thread's.
    const made = new Worker(threadEntry(import.meta.url, "cloud-sync/hub/blobs", "sealing-worker"), {
      name: "sealing",
      execArgv: [],
    });
    worker = made;
    made.on("message", (answer: SealingAnswer) => {
      const one = waiting.get(answer.job);
      waiting.delete(answer.job);
      if ("fault" in answer) one?.reject(new Error(`pictures could not be sealed: ${answer.fault}`));
      else one?.resolve(answer);
    });
    made.on("error", (cause) => end(made, cause));
    made.on("exit", () => end(made, null));
    return made;
  };

  return {
    seal: (pictures) => {
      const memory = threads ? movableMemory(pictures) : null;
      if (memory === null) return Promise.resolve(sealPictures(pictures));
      return new Promise((resolve, reject) => {
        const question: SealingQuestion = {
          ...{ job: (jobs += 1), memory },
          pictures: pictures.map(({ caseId, bytes, sha256 }) => {
            return { caseId, offset: bytes.byteOffset, length: bytes.byteLength, sha256 };
          }),
        };
        started().postMessage(question, [memory]);
        waiting.set(question.job, { resolve, reject });
      });
    },
    close: async () => {
      const left = worker;
      if (left === null) return;
      end(left, null);
      await left.terminate();
    },
  };
}

/** The one piece of memory in which all of them lie, where it can move to another thread and is worth the way. */
function movableMemory(pictures: readonly TakenPicture[]): ArrayBuffer | null {
  const memory = pictures[0]?.bytes.buffer;
  if (!(memory instanceof ArrayBuffer) || memory.byteLength <= sharedBytesMax) return null;
  if (pictures.some(({ bytes }) => bytes.buffer !== memory)) return null;
  return pictures.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) < threadBytesMin ? null : memory;
}
