import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { prepareJournal } from "../../edge-agent/journal/journal-inspect.node.ts";
import { root } from "../support/agent-process.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { fileAfterCut, readTrace, straceArguments, type DiskEvent } from "./disk-trace.ts";

/**
 * The theorem: a power cut between any two calls that the journal makes to its disk, where whatever was not synced may
 * be there, or not, or in part, leaves a journal that opens as the exact state behind one of its commits, and that
 * commit is not older than the last acknowledgement. The calls are the real ones, from strace.
 */
export interface TornOptions extends ChaosOptions {
  readonly synchronous: "FULL" | "NORMAL";
}

const commits = 120;

export async function tornWal(options: TornOptions): Promise<ChaosReport> {
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

async function cutAll(dir: string, events: readonly DiskEvent[], options: TornOptions): Promise<ChaosReport> {
  const { random, rounds, say } = options;
  const heads = new Map(events.flatMap((event) => (event.kind === "acknowledged" ? [[event.n, event.hash]] : [])));
  const first = events.findIndex(({ kind }) => kind === "acknowledged");
  const counted = { lost: 0, wrong: 0, refused: 0, ahead: 0 };
  const seen = new Set<number>();
  const examples: string[] = [];
  for (let cut = 0; cut < rounds; cut += 1) {
    const until = first + 1 + Math.floor(random() * (events.length - first));
    const told = events.slice(0, until).findLast((event) => event.kind === "acknowledged");
    const found = await openCut(dir, events, until, random);
    const toldN = told?.kind === "acknowledged" ? told.n : 0;
    if (typeof found === "string") {
      counted.refused += 1;
      examples.push(`cut ${cut} behind call ${until}: ${found}`);
    } else if (heads.get(found.n) !== found.hash) {
      counted.wrong += 1;
      examples.push(`cut ${cut} behind call ${until}: record ${found.n} is no commit's`);
    } else if (found.n < toldN) counted.lost += 1;
    else if (found.n > toldN) counted.ahead += 1;
    if (typeof found !== "string") seen.add(found.n);
    if ((cut + 1) % 1000 === 0) say(`${cut + 1} cuts`);
  }
  const intact = counted.refused + counted.wrong === 0;
  const chain = { intact, records: Math.max(...heads.keys()), fault: examples[0] ?? null };
  return reportOf(
    { acknowledged: commits, lost: counted.lost, doubled: 0, chain },
    { cuts: rounds, diskCalls: events.length, aheadOfTheAcknowledgement: counted.ahead, differentStates: seen.size },
    examples.slice(0, 5),
  );
}

/** The last record of the journal as it opens after the cut, or why it was set aside. */
async function openCut(
  dir: string,
  events: readonly DiskEvent[],
  until: number,
  random: () => number,
): Promise<{ readonly n: number; readonly hash: string } | string> {
  const torn = join(dir, "torn");
  rmSync(torn, { recursive: true, force: true });
  mkdirSync(torn);
  for (const name of ["instance.json", "secret.key"]) cpSync(join(dir, "original", name), join(torn, name));
  for (const name of ["journal.db", "journal.db-wal"]) {
    writeFileSync(join(torn, name), fileAfterCut(events, until, name, random));
  }
  const { opened, unlock } = await prepareJournal({ dir: torn, wallMs: 1, newEpoch: () => "other" });
  unlock();
  if (opened.kind !== "existing") return `${opened.kind}: ${opened.reason ?? ""}`;
  const database = await openDatabase(join(torn, "journal.db"), { readOnly: true });
  try {
    const row = database.prepare<[], { n: number; hash: Uint8Array }>("SELECT head_n n, head_hash hash FROM instance");
    const { n, hash } = row.get() ?? { n: 0, hash: new Uint8Array() };
    return { n, hash: Buffer.from(hash).toString("hex") };
  } finally {
    database.close();
  }
}
