import Sqlite from "better-sqlite3";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { agentSecret } from "../../edge-agent/journal/agent-secret.node.ts";
import { prepareJournal } from "../../edge-agent/journal/journal-inspect.node.ts";
import { openWriter } from "../../edge-agent/journal/journal-writer.node.ts";
import { type Op } from "../../edge-agent/journal/journal-wire.ts";
import { seededDraw } from "../../models/measure/seeded-draw.ts";
import { temporaryDirectory } from "../contract/journal-sqlite.ts";
import { decisionOf, makeRequest, trace } from "../support/journal-cases.ts";

/**
 * A power cut: the write-ahead log ends anywhere, or its end is noise. Theorem: the journal opens as the exact state
 * after one of its commits, with a chain that verifies; what is lost is a tail, never a hole.
 */

const root = temporaryDirectory();
afterAll(() => rmSync(root, { recursive: true, force: true }));

const tearsMax = 200;
const seed = 0x5eed;

interface Snapshot {
  readonly headN: number;
  readonly cases: number;
  readonly revisions: number;
  readonly inputs: number;
  readonly undelivered: number;
  readonly packs: string;
}

function snapshot(file: string): Snapshot {
  const database = new Sqlite(file, { readonly: true });
  const count = (what: string) => database.prepare(`SELECT ${what}`).pluck().get() as number;
  const result = {
    headN: count("head_n FROM instance"),
    cases: count("count(*) FROM cases"),
    revisions: count("count(*) FROM revisions"),
    inputs: count("count(*) FROM inputs"),
    undelivered: count("undelivered FROM instance"),
    packs: database
      .prepare("SELECT coalesce(group_concat(hex(cases)), '') FROM delivery_packs")
      .pluck()
      .get() as string,
  };
  database.close();
  return result;
}

test(`${tearsMax} torn logs all open as exact prefixes`, async () => {
  const dir = join(root, "original");
  const prepared = await prepareJournal({ dir, wallMs: 1, newEpoch: () => "epoch" });
  agentSecret(dir, "checkpoint");
  const limits = { databaseBytesMax: 1e9, walBytesMax: 64e6, reserveBytes: 4096, caseKeepMs: 1e12 };
  const retention = { journalBytesMax: 20_000, inputKeepMs: 1e12, unansweredMaxMs: 1e12 };
  const writer = await openWriter({ dir, limits, retention, opened: "fresh", wallMs: 1 });
  const file = join(dir, "journal.db");
  const states = new Map<number, Snapshot>();
  states.set(0, { headN: 0, cases: 0, revisions: 0, inputs: 0, undelivered: 0, packs: "" });
  const note = () => {
    const state = snapshot(file);
    states.set(state.headN, state);
  };
  note();
  let acknowledged: readonly Op[] = [];
  for (let commit = 0; commit < 60; commit += 1) {
    const requests = Array.from({ length: 1 + (commit % 7) }, () => makeRequest());
    const size = 32 + 300;
    const ops = requests.flatMap(({ id }, index): Op[] => {
      const decision = JSON.stringify({ ...decisionOf(makeRequest()), id });
      const decide = ["decide", id, "final", "accept", decision, JSON.stringify(trace), false, null, null] as const;
      const [digestAt, inputAt] = [index * size, index * size + 32];
      const request = JSON.stringify({ id });
      const admit = (joint: typeof decide | null): Op =>
        ["admit", id, "cam", "t", "mqtt", "json", 1, request, digestAt, inputAt, 300, joint] as const;
      // Two thirds are admitted and decided in one step, as most are; of those, some are acknowledged a commit later.
      return (commit + index) % 3 === 0 ? [admit(null), decide] : [admit(decide)];
    });
    const told = ops.flatMap((op): Op[] =>
      op[0] === "admit" && op[11] !== null ? [["delivered", "cam", op[1], 1]] : [],
    );
    ops.push(...acknowledged);
    acknowledged = told.slice(0, commit % 3);
    const bytes = new ArrayBuffer(size * requests.length);
    writer.apply([{ kind: "batch", wallMs: commit, agentMs: commit * 10, ops, bytes }]);
    note();
  }
  const wal = readFileSync(`${file}-wal`);
  const database = readFileSync(file);
  const random = seededDraw(seed);
  const seen = new Set<number>();
  for (let tear = 0; tear < tearsMax; tear += 1) {
    const torn = join(root, `torn-${tear}`);
    mkdirSync(torn);
    const at = Math.floor(random() * wal.length);
    const image = tear % 2 === 0 ? wal.subarray(0, at) : garbled(wal, at, random);
    writeFileSync(join(torn, "journal.db"), database);
    writeFileSync(join(torn, "journal.db-wal"), image);
    for (const name of ["instance.json", "secret.key"]) copyFileSync(join(dir, name), join(torn, name));
    const what = `tear ${tear} at ${at} of seed ${seed}`;
    const { opened, unlock } = await prepareJournal({ dir: torn, wallMs: 1, newEpoch: () => "other" });
    unlock();
    expect(opened, what).toEqual({ kind: "existing" });
    const state = snapshot(join(torn, "journal.db"));
    expect(states.get(state.headN), what).toEqual(state);
    seen.add(state.headN);
    rmSync(torn, { recursive: true });
  }
  writer.close();
  prepared.unlock();
  // The tears were spread over the commits; else this test would show little.
  expect(seen.size).toBeGreaterThan(30);
});

/** Noise from `at` on, over a sector or over everything behind it. */
function garbled(wal: Uint8Array, at: number, random: () => number): Uint8Array {
  const image = Uint8Array.from(wal);
  const end = random() < 0.5 ? Math.min(image.length, at + 512) : image.length;
  for (let index = at; index < end; index += 1) image[index] = Math.floor(random() * 256);
  return image;
}
