/**
 * Opens the journal after each of its share of the power cuts, and says in which state it found it. A worker thread of
 * `torn-wal.ts`: opening is nearly all of the work, and cores can share it.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { prepareJournal } from "../../edge-agent/journal/journal-inspect.node.ts";
import { seededRandom } from "../support/requests.ts";
import { CutFile, readTrace } from "./disk-trace.ts";
import { type CutShare, type CutsDone } from "./torn-wal.ts";

const { trace, original, scratch, untils, seed } = workerData as CutShare;
const sayEvery = 100;

const events = readTrace(readFileSync(trace, "latin1"));
const source = seededRandom(seed);
const random = (): number => source.uniform();
const files = ["journal.db", "journal.db-wal"].map((name) => ({ name, file: new CutFile(events, name) }));
const heads = new Map(events.flatMap((event) => (event.kind === "acknowledged" ? [[event.n, event.hash]] : [])));
let [told, at] = [0, 0];
let done: CutsDone = { cuts: 0, lost: 0, wrong: 0, refused: 0, ahead: 0, seen: [], examples: [] };

for (const until of untils) {
  for (; at < until; at += 1) {
    const event = events[at];
    if (event?.kind === "acknowledged") told = event.n;
  }
  const found = await openAfter(until);
  done = judged(done, until, found);
  if (done.cuts % sayEvery === 0) say();
}
say();
rmSync(scratch, { recursive: true, force: true });

function say(): void {
  parentPort?.postMessage(done);
  done = { cuts: 0, lost: 0, wrong: 0, refused: 0, ahead: 0, seen: [], examples: [] };
}

function judged(before: CutsDone, until: number, found: Head | string): CutsDone {
  const after = { ...before, cuts: before.cuts + 1 };
  const example = (what: string): readonly string[] => [...before.examples, `cut behind call ${until}: ${what}`];
  if (typeof found === "string") return { ...after, refused: before.refused + 1, examples: example(found) };
  const seen = [...before.seen, found.n];
  // Record 0 is the journal before its first commit.
  if (found.n > 0 && heads.get(found.n) !== found.hash) {
    return { ...after, seen, wrong: before.wrong + 1, examples: example(`record ${found.n} is no commit's`) };
  }
  if (found.n < told) return { ...after, seen, lost: before.lost + 1 };
  return { ...after, seen, ahead: before.ahead + (found.n > told ? 1 : 0) };
}

interface Head {
  readonly n: number;
  readonly hash: string;
}

/** The last record of the journal as it opens after the cut, or why it was set aside. */
async function openAfter(until: number): Promise<Head | string> {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  for (const name of ["instance.json", "secret.key"]) cpSync(join(original, name), join(scratch, name));
  for (const { name, file } of files) writeFileSync(join(scratch, name), file.after(until, random));
  const { opened, unlock } = await prepareJournal({ dir: scratch, wallMs: 1, newEpoch: () => "other" });
  unlock();
  if (opened.kind !== "existing") return `${opened.kind}: ${opened.reason ?? ""}`;
  const database = await openDatabase(join(scratch, "journal.db"), { readOnly: true });
  try {
    const row = database.prepare<[], { n: number; hash: Uint8Array }>("SELECT head_n n, head_hash hash FROM instance");
    const { n, hash } = row.get() ?? { n: 0, hash: new Uint8Array() };
    return { n, hash: Buffer.from(hash).toString("hex") };
  } finally {
    database.close();
  }
}
