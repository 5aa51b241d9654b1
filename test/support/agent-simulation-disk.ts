import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type MessagePort } from "node:worker_threads";
import { deriveSecret, readSecret } from "../../edge-agent/journal/agent-secret.node.ts";
import { verifyChain } from "../../edge-agent/journal/chain-verify.node.ts";
import { readInstanceFile, writeInstanceFile } from "../../edge-agent/journal/journal-directory.node.ts";
import { JournalQueries } from "../../edge-agent/journal/journal-queries.node.ts";
import { type startThread, type JournalThread } from "../../edge-agent/journal/journal-thread.node.ts";
import {
  type BatchMessage,
  type CloseMessage,
  type QueryMessage,
  type WorkerData,
} from "../../edge-agent/journal/journal-wire.ts";
import { JournalWriter } from "../../edge-agent/journal/journal-writer.node.ts";
import { type Random, type Timers } from "../../protocol/index.ts";
import { openDatabase, sqliteError, type Database } from "../../protocol/platform/sqlite.node.ts";
import { type SimTime } from "./agent-simulation-time.ts";

/**
 * The disk below the real journal: real SQLite files, written and read by the real writer and reader on this thread, at
 * times that the seed chooses. This is the one file of the simulation that knows how the journal is built inside.
 */

type StartThread = typeof startThread;
type OnMessage = Parameters<StartThread>[1];

/**
 * full: writes fail with SQLITE_FULL now and then. failing: commits fail with EIO. gone: so does every write, until the
 * process has ended.
 */
export type DiskWeather = "well" | "full" | "failing" | "gone";

export interface DiskOptions {
  /** Directory for this seed alone; emptied at the end. */
  readonly root: string;
  readonly time: SimTime;
  readonly random: Random;
  /** A commit begins so late after its message at most, and its answer arrives so late. */
  readonly commitMsMax: number;
  readonly readMsMax: number;
}

/** A process that uses the disk. */
export interface DiskUser {
  readonly isAlive: () => boolean;
  /** The process dies here, at a commit's edge. */
  readonly die: () => void;
}

export class SimDisk {
  weather: DiskWeather = "well";
  /** Messages are answered at once: while an agent starts, nothing else happens. */
  instant = false;
  commits = 0;
  /** The process dies around one of the next commits: before it (what was posted is gone) or behind it, unanswered. */
  deathAt: { inCommits: number; readonly edge: "before" | "behind" } | null = null;
  readonly #options: DiskOptions;
  #life = 0;
  #open: Database[] = [];

  constructor(options: DiskOptions) {
    this.#options = options;
    mkdirSync(this.dir, { recursive: true });
  }

  /** Data directory of the present life. */
  get dir(): string {
    return join(this.#options.root, String(this.#life));
  }

  /** The process is gone: what its commits made durable is what the next one finds. */
  crash(): void {
    const before = this.dir;
    this.#life += 1;
    // The lock dies with its process; here the dead one's handle may linger, so the image gets a directory of its own.
    cpSync(before, this.dir, { recursive: true, filter: (path) => !/lock\.db|-shm$/.test(path) });
    this.#forget(before);
  }

  /** After an orderly end. */
  forget(): void {
    this.#forget(null);
  }

  close(): void {
    this.#forget(null);
    for (const name of readdirSync(this.#options.root)) rmSync(join(this.#options.root, name), { recursive: true });
  }

  #forget(dir: string | null): void {
    for (const database of this.#open.splice(0)) database.close();
    if (dir !== null) rmSync(dir, { recursive: true, force: true });
  }

  threadsFor(user: DiskUser): StartThread {
    const timers = this.#options.time.timersOf(user.isAlive);
    return async (data, onMessage) => {
      const hear: OnMessage = (message) => {
        if (user.isAlive()) onMessage(structuredClone(message));
      };
      return data.role === "writer" ? this.#writer(data, timers, hear, user) : this.#reader(data, timers, hear);
    };
  }

  async #writer(data: WorkerData, timers: Timers, hear: OnMessage, user: DiskUser): Promise<JournalThread> {
    const database = await openDatabase(join(data.dir, "journal.db"), { mustExist: true });
    this.#open.push(database);
    const writer = new JournalWriter(failingWith(database, this), data);
    const waiting: BatchMessage[] = [];
    const answers: ReturnType<JournalWriter["apply"]>[number][] = [];
    let scheduled = false;
    const commit = (): void => {
      scheduled = false;
      if (!user.isAlive()) return;
      const messages = waiting.splice(0);
      if (messages.length === 0) return;
      if (this.#dies("before")) {
        user.die();
        return;
      }
      const replies = writer.apply(messages);
      this.commits += 1;
      if (this.#dies("behind")) {
        user.die();
        return;
      }
      answers.push(...replies);
      // In the order of the commits, whichever timer rings first.
      this.#later(timers, this.#options.commitMsMax, () => {
        for (const reply of answers.splice(0)) hear(reply);
      });
    };
    const post = (message: BatchMessage | CloseMessage): void => {
      if (message.kind === "close") return;
      waiting.push(structuredClone(message));
      if (scheduled && !this.instant) return;
      scheduled = true;
      this.#later(timers, this.#options.commitMsMax, commit);
    };
    return {
      port: { postMessage: post } as unknown as MessagePort,
      close: () => {
        commit();
        const closed = writer.close();
        const instance = readInstanceFile(data.dir);
        if (typeof instance === "object") writeInstanceFile(data.dir, { ...instance, closed });
        return Promise.resolve();
      },
    };
  }

  async #reader(data: WorkerData, timers: Timers, hear: OnMessage): Promise<JournalThread> {
    const database = await openDatabase(join(data.dir, "journal.db"), { readOnly: true });
    this.#open.push(database);
    const queries = new JournalQueries(database) as unknown as Readonly<
      Record<string, (...args: readonly unknown[]) => unknown>
    >;
    const answer = (method: string, args: readonly unknown[]): unknown => {
      if (method !== "verify") return queries[method]?.(...args);
      const root = readSecret(data.dir);
      const steps = verifyChain(database, { checkpointKey: root && deriveSecret(root, "checkpoint") });
      for (;;) {
        const step = steps.next();
        if (step.done === true) return step.value;
      }
    };
    const asked: QueryMessage[] = [];
    const read = (): void => {
      const query = asked.shift();
      if (query === undefined) return;
      // Before what is asked at once comes what was asked earlier and would have been read later.
      if (this.instant && asked.length > 0) setImmediate(read);
      const reply = { kind: "answer", query: query.query } as const;
      try {
        hear({ ...reply, value: answer(query.method, query.args), failure: null });
      } catch (error) {
        const { code, message } = sqliteError(error, "the journal cannot be read");
        hear({ ...reply, value: null, failure: { code, message, retryAfterMs: null } });
      }
    };
    return {
      port: {
        postMessage: (message: QueryMessage | CloseMessage) => {
          if (message.kind === "close") return;
          asked.push(structuredClone(message));
          this.#later(timers, this.#options.readMsMax, read);
        },
      } as unknown as MessagePort,
      close: () => {
        database.close();
        return Promise.resolve();
      },
    };
  }

  #later(timers: Timers, delayMsMax: number, task: () => void): void {
    if (this.instant) setImmediate(task);
    else timers.after(this.#options.random.uniform() * delayMsMax, task);
  }

  #dies(edge: "before" | "behind"): boolean {
    if (this.deathAt?.edge !== edge) return false;
    this.deathAt.inCommits -= 1;
    if (this.deathAt.inCommits > 0) return false;
    this.deathAt = null;
    return true;
  }

  /** Throws what SQLite would, where the weather says so. Called before a statement runs. */
  meet(kind: "write" | "commit", database: Database, commit: () => void): void {
    const { random } = this.#options;
    const share = kind === "commit" ? 0.4 : 0.02;
    if (this.weather === "full" && random.uniform() < share) {
      // SQLite may have rolled the transaction back by itself.
      if (random.uniform() < 0.5 && database.inTransaction) database.exec("ROLLBACK");
      throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
    }
    if (this.weather === "gone") throw ioError();
    if (this.weather !== "failing" || kind !== "commit") return;
    // An fsync that failed says nothing of what is on the disk: it may be all of it. Then nothing may follow it here,
    // because SQLite would write over it, and that this one would not.
    if (random.uniform() < 0.4) {
      commit();
      this.weather = "gone";
    }
    throw ioError();
  }
}

function ioError(): Error {
  return Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
}

function failingWith(database: Database, disk: SimDisk): Database {
  const prepare = database.prepare.bind(database);
  const met = (sql: string): ReturnType<typeof prepare> => {
    const statement = prepare(sql);
    const kind = /^\s*COMMIT/i.test(sql) ? "commit" : /^\s*(INSERT|UPDATE|DELETE|REPLACE)/i.test(sql) ? "write" : null;
    if (kind === null) return statement;
    const run = statement.run.bind(statement);
    statement.run = (...args: unknown[]) => {
      disk.meet(kind, database, () => void run(...args));
      return run(...args);
    };
    return statement;
  };
  return Object.assign(database, { prepare: met });
}
