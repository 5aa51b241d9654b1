import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Journal } from "../../edge-agent/journal/journal.ts";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";
import { startThread } from "../../edge-agent/journal/journal-thread.node.ts";
import { silentLogger, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom, systemTimers } from "../../protocol/platform/clock.node.ts";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { roomyRetention, temporaryDirectory } from "../contract/journal-sqlite.ts";
import { admissionOf, decisionOf, makeRequest, recordOf } from "../support/journal-cases.ts";
import { until } from "../support/door-mqtt.ts";

/** How many commits the journal makes, on its real threads and in real time. */

const dirs: string[] = [];
let journal: Journal;
/** Answers of the writer, each of a commit of its own while one request at a time is made. */
let commits = 0;

async function open(dir: string): Promise<void> {
  ({ journal } = await openJournal({
    ...{ dir, clock: systemClock, timers: systemTimers, random: systemRandom, logger: silentLogger },
    retention: roomyRetention,
    limits: { reserveBytes: 1 << 20 },
    startThread: (data, onMessage, onDeath) =>
      startThread(
        data,
        (message) => {
          if (message.kind === "committed") commits += 1;
          onMessage(message);
        },
        onDeath,
      ),
  }));
  commits = 0;
}

function newDirectory(): string {
  const dir = temporaryDirectory();
  dirs.push(dir);
  return dir;
}

afterEach(async () => {
  await journal.close();
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A request whose decision is known at once. */
async function decided(): Promise<DecisionRequest> {
  const request = makeRequest();
  const record = recordOf(decisionOf(request));
  expect(await journal.admit(admissionOf(request, { decision: () => record }))).toMatchObject({ decided: true });
  return request;
}

test("a lone request is one commit: the acknowledgement of its decision goes with the next", async () => {
  await open(newDirectory());
  const cleared: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let n = 0; n < 50; n += 1) {
    const { id } = await decided();
    cleared.push(journal.delivered("camera-1", id, 1));
    // The device thinks for a moment.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const ticks = Math.ceil((performance.now() - startedMs) / 1000);
  expect(commits).toBeGreaterThanOrEqual(50);
  expect(commits).toBeLessThanOrEqual(50 + ticks);
  await Promise.all(cleared);
  expect((await journal.counts()).undelivered).toBe(0);
});

test("an acknowledgement that nothing follows is committed by the tick", async () => {
  await open(newDirectory());
  const { id } = await decided();
  const startedMs = performance.now();
  await journal.delivered("camera-1", id, 1);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  expect((await journal.counts()).undelivered).toBe(0);
});

test("a device that connects anew is not sent what it has just acknowledged", async () => {
  await open(newDirectory());
  const [first, second] = [await decided(), await decided()];
  void journal.delivered("camera-1", first.id, 1);
  const waiting = await journal.undelivered("camera-1", 10);
  expect(waiting.map(({ decision }) => decision.id)).toEqual([second.id]);
});

test("closing commits what waits for company", async () => {
  const dir = newDirectory();
  await open(dir);
  const { id } = await decided();
  const cleared = journal.delivered("camera-1", id, 1);
  await journal.close();
  await cleared;
  await open(dir);
  expect(await journal.undelivered("camera-1", 10)).toEqual([]);
});

test("as many acknowledgements as one message takes do not wait for the tick", async () => {
  await open(newDirectory());
  const { id } = await decided();
  const before = commits;
  void journal.delivered("camera-1", id, 1);
  for (let n = 1; n < 512; n += 1) void journal.delivered("camera-1", makeRequest().id, 1);
  await until(() => commits > before, 900);
});

test("the log is copied into the database beside the writer, long before a commit has to", async () => {
  const dir = newDirectory();
  await open(dir);
  // 4 MB, where a commit copies from 8 on.
  const data = new Uint8Array(64 * 64 * 3).fill(7);
  const input = { kind: "pixels", width: 64, height: 64, channels: 3, data } as const;
  const admitted = Array.from({ length: 320 }, () => journal.admit(admissionOf(makeRequest(input))));
  await Promise.all(admitted);
  const database = await openDatabase(join(dir, "journal.db"), { readOnly: true });
  const log = database.prepare<[], { log: number; checkpointed: number }>("PRAGMA wal_checkpoint(NOOP)");
  await until(() => (log.get()?.checkpointed ?? 0) > 512, 5_000);
  expect(log.get()?.log).toBeLessThan(2048);
  database.close();
  expect(await journal.verify()).toMatchObject({ intact: true });
});
