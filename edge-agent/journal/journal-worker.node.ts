import { join } from "node:path";
import { receiveMessageOnPort, workerData, type MessagePort } from "node:worker_threads";
import { copyLog } from "../../protocol/platform/log-gauge.node.ts";
import { openDatabase, sqliteError, sqliteFault } from "../../protocol/platform/sqlite.node.ts";
import { deriveSecret, readSecret } from "./agent-secret.node.ts";
import { verifyChain } from "./chain-verify.node.ts";
import { openingError } from "./disk-reserve.node.ts";
import { writeInstanceFile, readInstanceFile } from "./journal-directory.node.ts";
import { JournalQueries } from "./journal-queries.node.ts";
import type {
  BatchMessage,
  BatchReply,
  CloseMessage,
  CopiedMessage,
  CopyMessage,
  OpFailure,
  QueryMessage,
  QueryReply,
  ReadyMessage,
  WorkerData,
} from "./journal-wire.ts";
import { spareBytesMin } from "./spare-bytes.node.ts";
import { openWriter } from "./journal-writer.node.ts";
import type { ChainReport } from "./journal.ts";
import { LogKeeper } from "./log-keeper.node.ts";

/**
 * Entry of the journal's threads: one writes, one reads, and one copies the writer's log into the database. Here and in
 * what this file imports only types come from `protocol/index.ts`, so that a thread starts without the schemas that it has
 * no use for.
 */

/** Operations in one commit. */
const commitOpsMax = 512;

const { port, ...data } = workerData as WorkerData & { readonly port: MessagePort };

function failureOf(error: unknown, what: string): OpFailure {
  const { code, message, retryAfterMs } = sqliteError(error, what);
  return { code, message, retryAfterMs: retryAfterMs ?? null };
}

async function write(): Promise<void> {
  const writer = await openWriter(data);
  const keeper = new LogKeeper(data, writer.log.pagesMax);
  const close = async (): Promise<void> => {
    await keeper.close();
    const closed = writer.close();
    const instance = readInstanceFile(data.dir);
    if (typeof instance === "object") writeInstanceFile(data.dir, { ...instance, closed });
    port.close();
  };
  port.on("message", (first: BatchMessage | CloseMessage) => {
    // Whatever arrived during the last commit shares this one: a group commit without a timer.
    const batches: BatchMessage[] = [];
    let ops = 0;
    let message: BatchMessage | CloseMessage | undefined = first;
    while (message?.kind === "batch") {
      batches.push(message);
      ops += message.ops.length;
      message = ops < commitOpsMax ? next() : undefined;
    }
    writer.apply(batches).forEach((reply, at) => answerBatch(reply, batches[at]?.bytes));
    if (message?.kind === "close") void close();
    else keeper.committed(batches, () => writer.log.pagesToCopy());
  });
}

function answerBatch(reply: BatchReply, spare: ArrayBuffer | undefined): void {
  if (spare === undefined || spare.byteLength < spareBytesMin) port.postMessage(reply);
  else port.postMessage({ ...reply, spare }, [spare]);
}

function next(): BatchMessage | CloseMessage | undefined {
  return receiveMessageOnPort(port)?.message as BatchMessage | CloseMessage | undefined;
}

async function read(): Promise<void> {
  const database = await openDatabase(join(data.dir, "journal.db"), { readOnly: true });
  const queries = new JournalQueries(database);
  const methods = queries as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
  port.on("message", (message: QueryMessage | CloseMessage) => {
    if (message.kind === "close") {
      database.close();
      port.close();
      return;
    }
    const { query, method, args } = message;
    if (method === "verify") {
      verify(query);
      return;
    }
    try {
      answer({ query, value: methods[method]?.(...args), failure: null });
    } catch (error) {
      answer({ query, value: null, failure: failureOf(error, `the journal cannot be read (${method})`) });
    }
  });

  /** Verification takes its turn with other questions, chunk by chunk. */
  function verify(query: number): void {
    const steps = verifyChain(database, { checkpointKey: checkpointKey() });
    let last: ChainReport = { records: 0, intact: true, fault: null, head: "" };
    const step = (): void => {
      try {
        const { done, value } = steps.next();
        if (done === true) {
          answer({ query, value, failure: null });
          return;
        }
        last = { ...last, records: value };
        port.postMessage({ kind: "progress", query, records: value });
        setImmediate(step);
      } catch (error) {
        const fault = { n: last.records + 1, message: failureOf(error, "the journal cannot be read").message };
        if (sqliteFault(error) === "corrupt")
          answer({ query, value: { ...last, intact: false, fault }, failure: null });
        else answer({ query, value: null, failure: failureOf(error, "the journal cannot be read") });
      }
    };
    step();
  }
}

async function keep(): Promise<void> {
  const database = await openDatabase(join(data.dir, "journal.db"), { mustExist: true });
  port.on("message", (message: CopyMessage | CloseMessage) => {
    if (message.kind === "close") {
      database.close();
      port.close();
      return;
    }
    copyLog(database);
    port.postMessage({ kind: "copied" } satisfies CopiedMessage);
  });
}

const roles = { writer: write, reader: read, keeper: keep } as const;

function checkpointKey(): Uint8Array | null {
  const root = readSecret(data.dir);
  return root && deriveSecret(root, "checkpoint");
}

function answer(reply: Omit<QueryReply, "kind">): void {
  port.postMessage({ kind: "answer", ...reply });
}

function ready(failure: OpFailure | null): void {
  port.postMessage({ kind: "ready", failure } satisfies ReadyMessage);
  if (failure !== null) port.close();
}

try {
  await roles[data.role]();
  ready(null);
} catch (error) {
  const { code, message, retryAfterMs } = openingError(error, data.dir);
  ready({ code, message, retryAfterMs: retryAfterMs ?? null });
}
