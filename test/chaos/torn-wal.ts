import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { root } from "../support/agent-process.ts";
import { reportOf, type ChaosOptions, type ChaosReport, type Skipped } from "./chaos-report.ts";
import { readTrace, straceArguments, type DiskEvent } from "./disk-trace.ts";

/**
 * The theorem: a power cut between any two calls that the journal makes to its disk, where whatever was not synced may
 * be there, or not, or in part, leaves a journal that opens as the exact state behind one of its commits, and that
 * commit is not older than the last acknowledgement. The calls are the real ones, from strace.
 */
export interface TornOptions extends ChaosOptions {
  readonly synchronous: "FULL" | "NORMAL";
}

const commits = 120;

export async function tornWal(options: TornOptions): Promise<ChaosReport | Skipped> {
  if (spawnSync("strace", ["-V"]).error) return { skipped: "it needs strace" };
  // In memory where that is to be had: the cuts are between calls, no disk is needed to make them.
  const dir = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "holdpoint-torn-"));
  try {
    const events = record(dir, options);
    return await cutAll(dir, events, options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function record(dir: string, { synchronous, seed }: TornOptions): readonly DiskEvent[] {
  const output = join(dir, "trace");
  const writer = [process.execPath, join(root, "test/chaos/torn-writer.node.ts"), join(dir, "original")];
  const traced = [...straceArguments(output), ...writer, String(commits), synchronous, String(seed)];
  const ran = spawnSync("strace", traced, { encoding: "utf8" });
  if (ran.error) throw new Error("this fault needs strace", { cause: ran.error });
  const events = readTrace(readFileSync(output, "latin1"));
  const told = events.filter(({ kind }) => kind === "acknowledged").length;
  if (told !== commits + 1) throw new Error(`${told} of ${commits + 1} acknowledgements in the trace: ${ran.stderr}`);
  return events;
}

/** What one thread has to do: cuts in rising order, in a folder of its own. */
export interface CutShare {
  readonly trace: string;
  readonly original: string;
  readonly scratch: string;
  readonly untils: readonly number[];
  readonly seed: number;
}

/** What a thread has found since it last said something. */
export interface CutsDone {
  readonly cuts: number;
  readonly lost: number;
  readonly wrong: number;
  readonly refused: number;
  readonly ahead: number;
  /** Records that the journals ended at. */
  readonly seen: readonly number[];
  readonly examples: readonly string[];
}

async function cutAll(dir: string, events: readonly DiskEvent[], options: TornOptions): Promise<ChaosReport> {
  const { random, rounds, parallel = 1, say } = options;
  const first = events.findIndex(({ kind }) => kind === "acknowledged");
  const untils = Array.from({ length: rounds }, () => first + 1 + Math.floor(random() * (events.length - first)));
  untils.sort((a, b) => a - b);
  const counted = { cuts: 0, lost: 0, wrong: 0, refused: 0, ahead: 0 };
  const seen = new Set<number>();
  const examples: string[] = [];
  const each = Math.ceil(rounds / parallel);
  const shares = Array.from({ length: parallel }, (_, index) => {
    const seed = Math.floor(random() * 2 ** 31);
    const scratch = join(dir, `torn-${index}`);
    return { trace: join(dir, "trace"), original: join(dir, "original"), scratch, seed, index };
  });
  await Promise.all(
    shares.map(({ index, ...share }) =>
      runShare({ ...share, untils: untils.slice(index * each, (index + 1) * each) }, (done) => {
        const before = Math.floor(counted.cuts / 1000);
        for (const key of ["cuts", "lost", "wrong", "refused", "ahead"] as const) counted[key] += done[key];
        for (const n of done.seen) seen.add(n);
        examples.push(...done.examples);
        if (Math.floor(counted.cuts / 1000) > before) say(`${counted.cuts} cuts, ${counted.lost} lost`);
      }),
    ),
  );
  if (counted.cuts !== rounds) examples.push(`${counted.cuts} of ${rounds} cuts were made`);
  const intact = counted.refused + counted.wrong === 0;
  const records = Math.max(...events.flatMap((event) => (event.kind === "acknowledged" ? [event.n] : [])));
  const chain = { intact, records, fault: examples[0] ?? null };
  return reportOf(
    { acknowledged: commits, lost: counted.lost, doubled: 0, chain },
    {
      cuts: counted.cuts,
      diskCalls: events.length,
      aheadOfTheAcknowledgement: counted.ahead,
      differentStates: seen.size,
    },
    examples.slice(0, 5),
  );
}

function runShare(share: CutShare, heard: (done: CutsDone) => void): Promise<void> {
  const worker = new Worker(new URL("./torn-cuts.node.ts", import.meta.url), { workerData: share, execArgv: [] });
  worker.on("message", heard);
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
}
