import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createLogCopier } from "../../cloud-sync/hub/database/log-copier.node.ts";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";
import { openHubDatabase } from "../../cloud-sync/hub/database/open-database.node.ts";
import { forgetFreedPages } from "../../cloud-sync/hub/privacy/case-erasure.ts";
import { silentLogger, type Timers } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { LogGauge } from "../../protocol/platform/log-gauge.node.ts";
import { openDatabase, pageBytes } from "../../protocol/platform/sqlite.node.ts";

const root = mkdtempSync(join(tmpdir(), "holdpoint-log-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("a thread copies the log before a commit has to, and takes its part in closing", async () => {
  const dir = mkdtempSync(join(root, "copied-"));
  const pagesMax = 400;
  // No commit copies by itself: what is copied, the thread has copied.
  const database = await openDatabase(join(dir, "hub.db"), { walPagesMax: 1_000_000 });
  database.exec("create table rows (n integer primary key, bytes blob)");
  const log = new LogGauge(database, pagesMax * pageBytes);
  const copier = createLogCopier(dir, log);
  const insert = database.prepare("insert into rows (bytes) values (zeroblob(20000))");
  for (let n = 0; n < 60; n += 1) insert.run();
  expect(log.pagesToCopy()).toBeGreaterThan(pagesMax / 4);
  await expect
    .poll(
      () => {
        copier.committed();
        return log.pagesToCopy();
      },
      { timeout: 10_000 },
    )
    .toBeLessThan(pagesMax / 4);
  expect(database.prepare("select count(*) as n from rows").get()).toEqual({ n: 60 });
  await copier.close();
  database.close();
  expect(existsSync(join(dir, "hub.db-wal"))).toBe(false);
});

test.each([
  [
    "no thread can be started",
    () => {
      throw new Error("the package is not whole");
    },
  ],
  ["its thread fails", () => new URL("data:text/javascript,throw new Error('no room')")],
])("a commit is none the worse where %s", async (_, entry: () => URL) => {
  const dir = mkdtempSync(join(root, "alone-"));
  const database = await openDatabase(join(dir, "hub.db"), { walPagesMax: 1_000_000 });
  database.exec("create table rows (bytes blob)");
  let starts = 0;
  const copier = createLogCopier(dir, new LogGauge(database, 8 * pageBytes), () => ((starts += 1), entry()));
  for (let n = 0; n < 5; n += 1) {
    database.prepare("insert into rows (bytes) values (zeroblob(20000))").run();
    copier.committed();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(starts).toBe(1);
  await copier.close();
  database.close();
});

test("an erasure cuts the log once nobody copies it any more", async () => {
  const dir = mkdtempSync(join(root, "cut-"));
  const { database } = await openHubDatabase({
    ...{ clock: systemClock, random: systemRandom, logger: silentLogger, url: dir },
  });
  const answers: number[] = [];
  const timers: Timers = { after: (_, work) => (queueMicrotask(work), () => undefined) };
  const busyTwice: HubDatabase = {
    ...{ kind: "sqlite", write: (work) => database.write(work), onNews: () => () => undefined },
    close: () => database.close(),
    read: async (work) => {
      const done = (await database.read(work)) as { readonly rows: readonly { readonly busy: number }[] };
      answers.push(done.rows[0]?.busy ?? -1);
      return (answers.length < 3 ? { rows: [{ busy: 1 }] } : done) as Awaited<ReturnType<typeof work>>;
    },
  };
  await forgetFreedPages({ database: busyTwice, timers });
  expect(answers).toEqual([0, 0, 0]);
  await database.close();
});
