import { fork } from "node:child_process";
import { mkdtemp, rm, stat, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../support/agent-process.ts";
import { answersOf } from "../support/child-answers.ts";
import { median, row, type BenchRow } from "./bench-row.ts";
import { type JournalAnswer, type JournalQuestion } from "./journal-question.ts";

const turns = 9;
/** The p99 of a turn is its twentieth worst commit: fewer would make it a matter of luck. */
const commitsPerTurn = 2000;
/** What a decided and delivered tabular case takes in the file, and room for the log. */
const bytesPerRecord = 2500;
const fillStep = 250_000;

interface OpenedJournal {
  readonly ask: (question?: JournalQuestion) => Promise<JournalAnswer>;
  close(): Promise<void>;
}

/**
 * A commit in a journal with much in it against one in an empty journal, by turns: what a case waits for (admission and
 * decision in one commit), and the memory of a process that does nothing else. 10⁷ records take minutes to write, so
 * they are part of the long form.
 */
export async function journalRows(long: boolean): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const records of long ? [1e6, 1e7] : [1e6]) {
    const folder = await mkdtemp(join(tmpdir(), "holdpoint-journal-"));
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < records * bytesPerRecord) console.error(`${name(records)} left out: the disk is too full`);
    else rows.push(...(await fullAgainstEmpty(folder, records)));
    await rm(folder, { recursive: true, force: true });
  }
  return rows;
}

/** Fills the journal in `folder` until it has so many records, and measures it. */
export async function fullAgainstEmpty(folder: string, records: number): Promise<readonly BenchRow[]> {
  const filledInMs = await fill(folder, records);
  const emptyFolder = await mkdtemp(join(tmpdir(), "holdpoint-journal-"));
  // Both in fresh processes: the one that filled has grown by its own work.
  const [full, empty] = [openBenchJournal(folder), openBenchJournal(emptyFolder)];
  const opened = { full: await full.ask(), empty: await empty.ask() };
  const times: { full: JournalAnswer; empty: JournalAnswer }[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const question = { do: "commit", cases: commitsPerTurn } as const;
    const first = turn % 2 === 0 ? await full.ask(question) : null;
    const yardstick = await empty.ask(question);
    times.push({ full: first ?? (await full.ask(question)), empty: yardstick });
  }
  await full.close();
  await empty.close();
  await rm(emptyFolder, { recursive: true, force: true });
  const of = (whose: "full" | "empty", what: "p50Ms" | "p99Ms"): number =>
    median(times.map((turn) => turn[whose][what]));
  const [last] = times.slice(-1);
  if (!last) throw new Error("a turn is needed");
  const { size } = await stat(join(folder, "journal.db"));
  const file = `${(size / 2 ** 30).toFixed(1)} GiB, written in ${(filledInMs / 1000).toFixed(0)} s, opened in ${opened.full.tookMs.toFixed(0)} ms (empty ${opened.empty.tookMs.toFixed(0)} ms)`;
  const latency = `p99 ${of("full", "p99Ms").toFixed(2)} ms against ${of("empty", "p99Ms").toFixed(2)} ms, p50 ${of("full", "p50Ms").toFixed(2)} ms against ${of("empty", "p50Ms").toFixed(2)} ms`;
  const megabytes = (answer: JournalAnswer): string => `${(answer.rssBytes / 2 ** 20).toFixed(0)} MB`;
  return [
    row(
      `journal with ${name(records)}, commit of a case, p99, against an empty one`,
      median(times.map((turn) => turn.full.p99Ms / turn.empty.p99Ms)),
      "≤ 1.5",
      `${latency}; ${file}`,
    ),
    row(
      `journal with ${name(records)}, resident memory, against an empty one`,
      last.full.rssBytes / last.empty.rssBytes,
      "≤ 1.1",
      `${megabytes(last.full)} against ${megabytes(last.empty)} after ${turns * commitsPerTurn} commits each; just opened ${megabytes(opened.full)} and ${megabytes(opened.empty)}`,
    ),
  ];
}

async function fill(folder: string, records: number): Promise<number> {
  const startMs = performance.now();
  const journal = openBenchJournal(folder);
  let { records: now } = await journal.ask();
  while (now < records) {
    ({ records: now } = await journal.ask({ do: "fill", cases: Math.min(fillStep, records - now) }));
  }
  await journal.close();
  return performance.now() - startMs;
}

function openBenchJournal(folder: string): OpenedJournal {
  const child = fork(join(root, "test/bench/bench-journal.node.ts"), ["--dir", folder]);
  const ask = answersOf(child, "the bench's journal");
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    ask,
    close: async () => {
      child.send({ do: "close" } satisfies JournalQuestion);
      await ended;
    },
  };
}

function name(records: number): string {
  return `10${records >= 1e7 ? "⁷" : "⁶"} records`;
}
