/**
 * Commits to a journal as its writer thread does, and says after each commit, on stdout, up to which record it is done:
 * the acknowledgement. Run under strace by `torn-wal.ts`. argv: directory, commits, "FULL" or "NORMAL", seed.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { agentSecret } from "../../edge-agent/journal/agent-secret.node.ts";
import { prepareJournal } from "../../edge-agent/journal/journal-inspect.node.ts";
import { type Op } from "../../edge-agent/journal/journal-wire.ts";
import { JournalWriter } from "../../edge-agent/journal/journal-writer.node.ts";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { decisionOf, makeRequest, trace } from "../support/journal-cases.ts";
import { seededRandom } from "../support/requests.ts";

const [dir = "", commits = "0", synchronous = "FULL", seed = "1"] = process.argv.slice(2);
const random = seededRandom(Number(seed));
await prepareJournal({ dir, wallMs: 1, newEpoch: () => "epoch" });
agentSecret(dir, "checkpoint");
// A log of 64 pages is copied into the database again and again: those writes can be torn as well.
const database = await openDatabase(join(dir, "journal.db"), { mustExist: true, walPagesMax: 64 });
if (synchronous === "NORMAL") database.pragma("synchronous = NORMAL");
// As the journal's keeper does beside the writer: another connection copies what the log has by then.
const keeper = await openDatabase(join(dir, "journal.db"), { mustExist: true });
if (synchronous === "NORMAL") keeper.pragma("synchronous = NORMAL");
const limits = { databaseBytesMax: 1e9, walBytesMax: 256 * 1024, reserveBytes: 4096, caseKeepMs: 1e12 };
const retention = { journalBytesMax: 20_000, inputKeepMs: 1e12, unansweredMaxMs: 1e12 };
const writer = new JournalWriter(database, { dir, limits, retention, opened: "fresh", wallMs: 1 });
writeSync(1, `acknowledged ${writer.head.n} ${writer.head.hash}\n`);
for (let commit = 0; commit < Number(commits); commit += 1) {
  const inputBytes = 100 + Math.floor(random.uniform() * 2000);
  const size = 32 + inputBytes;
  const requests = Array.from({ length: 1 + Math.floor(random.uniform() * 4) }, () => makeRequest());
  const ops = requests.flatMap((request, index): Op[] => {
    const decision = JSON.stringify(decisionOf(request));
    const { id } = request;
    return [
      ["admit", id, "cam", "t", "mqtt", "json", 1, "{}", index * size, index * size + 32, inputBytes, null],
      ["decide", id, "final", "accept", decision, JSON.stringify(trace), false, null, null],
    ];
  });
  const bytes = new ArrayBuffer(size * requests.length);
  writer.apply([{ kind: "batch", wallMs: commit, agentMs: commit * 10, ops, bytes }]);
  if (random.uniform() < 0.2) keeper.pragma("wal_checkpoint(PASSIVE)");
  writeSync(1, `acknowledged ${writer.head.n} ${writer.head.hash}\n`);
}
process.kill(process.pid, "SIGKILL");
