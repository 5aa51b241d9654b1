import Sqlite from "better-sqlite3";
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { agentSecret } from "../../edge-agent/journal/agent-secret.node.ts";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { markSuspect } from "../../edge-agent/journal/journal-directory.node.ts";
import { prepareJournal } from "../../edge-agent/journal/journal-inspect.node.ts";
import { openForTest, temporaryDirectory } from "../contract/journal-sqlite.ts";
import { admissionOf, decisionOf, makeRequest, recordOf } from "../support/journal-cases.ts";

/** A journal of 40 decided cases, a quarter of them in one step, closed in order; each test damages its own copy. */

const original = temporaryDirectory();
const copies: string[] = [];
const first = makeRequest();

beforeAll(async () => {
  const { journal } = await openForTest({ dir: original });
  for (let index = 0; index < 40; index += 1) {
    const request = index === 0 ? first : makeRequest();
    const record = recordOf(decisionOf(request));
    if (index >= 30) {
      await journal.admit(admissionOf(request, { decision: () => record }));
      continue;
    }
    await journal.admit(admissionOf(request));
    await journal.decide(record);
  }
  await journal.close();
});

afterEach(() => {
  for (const dir of copies.splice(0)) rmSync(dir, { recursive: true, force: true });
});
afterAll(() => rmSync(original, { recursive: true, force: true }));

function copy(): string {
  const dir = temporaryDirectory();
  copies.push(dir);
  cpSync(original, dir, { recursive: true });
  return dir;
}

/** Opens as an agent's start does, without the threads. */
async function prepare(dir: string) {
  const prepared = await prepareJournal({ dir, wallMs: Date.UTC(2027, 0, 1), newEpoch: () => "a-new-epoch" });
  prepared.unlock();
  return prepared;
}

function sql(dir: string, statement: string): void {
  const database = new Sqlite(join(dir, "journal.db"));
  database.exec(statement);
  database.close();
}

describe("a journal that cannot be trusted is set aside and a fresh one begins", () => {
  const damages: Readonly<Record<string, readonly [RegExp, (dir: string) => void]>> = {
    "zero-length": [/is empty/, (dir) => truncateSync(join(dir, "journal.db"), 0)],
    missing: [/is missing/, (dir) => rmSync(join(dir, "journal.db"))],
    "cut in half": [
      /malformed|not a database|pages/i,
      (dir) => truncateSync(join(dir, "journal.db"), Math.floor(statSync(join(dir, "journal.db")).size / 2)),
    ],
    "not a database": [/not a database/, (dir) => writeFileSync(join(dir, "journal.db"), Buffer.alloc(50_000, "x"))],
    "another program's database": [
      /not a journal of Holdpoint/,
      (dir) => {
        rmSync(join(dir, "journal.db"));
        sql(dir, "CREATE TABLE t (a)");
      },
    ],
    "without its instance row": [/no instance row/, (dir) => sql(dir, "DELETE FROM instance")],
    "without a table": [/table outbox is missing/, (dir) => sql(dir, "DROP TABLE outbox")],
    "of another epoch": [/of epoch/, (dir) => sql(dir, "UPDATE instance SET epoch = 'other'")],
    "rolled back": [
      /was closed at record/,
      (dir) => {
        sql(dir, "DELETE FROM records WHERE n = (SELECT max(n) FROM records)");
        sql(dir, "UPDATE instance SET (head_n, head_hash) = (SELECT n, hash FROM records ORDER BY n DESC LIMIT 1)");
      },
    ],
    "with a changed record": [/record 9: the hash/, (dir) => sql(dir, "UPDATE records SET header = '{}' WHERE n = 9")],
    "with a missing record": [/record 9: the record is missing/, (dir) => sql(dir, "DELETE FROM records WHERE n = 9")],
    "with a changed decision": [
      /revision 1 of case .* is another one/,
      (dir) => sql(dir, "UPDATE revisions SET body = replace(body, 'Oatly', 'Arla') WHERE key % 16 = 1"),
    ],
    "with a changed decision of a case that was decided in one step": [
      /record 70: the hash/,
      (dir) => sql(dir, "UPDATE records SET header = replace(header, 'Oatly', 'Arla') WHERE n = 70"),
    ],
    "with a second decision of such a case": [
      /revision 1 of case .* stands twice/,
      (dir) => sql(dir, "INSERT INTO revisions (key, body) SELECT 16 * n + 1, '{}' FROM cases WHERE header = ''"),
    ],
    "with another request of such a case": [
      /the request of case .* is another one/,
      (dir) => sql(dir, "UPDATE cases SET header = '{}' WHERE header = ''"),
    ],
    "with a changed picture": [
      /the input of case .* is another one/,
      (dir) => sql(dir, "UPDATE inputs SET bytes = x'00'"),
    ],
    "with a picture gone": [/gone without a tombstone/, (dir) => sql(dir, "DELETE FROM inputs WHERE n = 2")],
  };

  test.each(Object.entries(damages))("%s", async (_name, [reason, damage]) => {
    const dir = copy();
    damage(dir);
    const { opened, instance } = await prepare(dir);
    expect(opened.kind).toBe("recovered");
    expect(opened.reason).toMatch(reason);
    expect(instance.epoch).toBe("a-new-epoch");
    const report = JSON.parse(readFileSync(join(opened.quarantined ?? "", "report.json"), "utf8")) as object;
    expect(report).toMatchObject({ reason: opened.reason, atMs: Date.UTC(2027, 0, 1) });
    // The next start finds a good journal: no crash loop.
    expect((await prepare(dir)).opened.kind).toBe("existing");
  });

  test("a bit flip that a running agent met is looked for in the whole file at the next start", async () => {
    const dir = copy();
    const { size } = statSync(join(dir, "journal.db"));
    const fd = openSync(join(dir, "journal.db"), "r+");
    // A page in the middle becomes noise.
    writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, Math.floor(size / 8192) * 4096);
    closeSync(fd);
    markSuspect(dir, "database disk image is malformed");
    expect((await prepare(dir)).opened.kind).toBe("recovered");
  });

  test("only so many damaged journals are kept", async () => {
    const dir = copy();
    for (let count = 0; count < 8; count += 1) {
      truncateSync(join(dir, "journal.db"), 0);
      await prepare(dir);
    }
    expect(readdirSync(join(dir, "quarantine"))).toHaveLength(5);
  });
});

describe("a journal that is good stays", () => {
  test("as it was closed", async () => {
    expect((await prepare(copy())).opened).toEqual({ kind: "existing" });
  });

  test("without instance.json, which is written again", async () => {
    const dir = copy();
    rmSync(join(dir, "instance.json"));
    expect((await prepare(dir)).opened).toEqual({ kind: "existing" });
    expect(existsSync(join(dir, "instance.json"))).toBe(true);
  });

  test("a first start that was cut short leaves nothing to recover", async () => {
    const dir = temporaryDirectory();
    copies.push(dir);
    writeFileSync(join(dir, "journal.db"), "");
    expect((await prepare(dir)).opened).toEqual({ kind: "fresh" });
  });
});

test("a checkpoint that the agent has not signed is found", async () => {
  const dir = copy();
  const under = await openForTest({ dir });
  under.clock.pass(100_000);
  expect(await under.journal.prune(under.clock.wall - 50_000)).toBeGreaterThan(40);
  expect(await under.journal.verify()).toMatchObject({ intact: true });
  await under.journal.close();
  sql(dir, "UPDATE checkpoint SET mac = zeroblob(32)");
  const reader = await openJournalReadOnly(dir);
  expect(await reader.verify()).toMatchObject({ intact: false, fault: { message: /not signed by this agent/ } });
  await reader.close();
});

describe("a journal of version 1", () => {
  /** Version 1 knew no cases decided in one step, and no packs of deliveries; else it is the same. */
  async function old(): Promise<{ readonly dir: string; readonly ids: readonly string[] }> {
    const dir = temporaryDirectory();
    copies.push(dir);
    const { journal } = await openForTest({ dir });
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      const request = makeRequest();
      ids.push(request.id);
      await journal.admit(admissionOf(request));
      if (index > 0) await journal.decide(recordOf(decisionOf(request, index === 1 ? "accept" : "escalate")));
    }
    await journal.close();
    sql(dir, "DROP TABLE delivery_packs; PRAGMA user_version = 1");
    return { dir, ids };
  }

  test("is taken up as it is, and goes on as one of this version", async () => {
    const { dir, ids } = await old();
    const under = await openForTest({ dir });
    expect(under.opened).toEqual({ kind: "existing" });
    const { journal } = under;
    expect((await journal.undecided(10)).map(({ id }) => id)).toEqual([ids[0]]);
    const request = makeRequest();
    const record = recordOf(decisionOf(request));
    expect(await journal.admit(admissionOf(request, { decision: () => record }))).toMatchObject({ decided: true });
    const told = await journal.undelivered("camera-1", 10);
    expect(told.map(({ decision: { id } }) => id)).toEqual([ids[1], ids[2], request.id]);
    for (const { decision } of told) await journal.delivered("camera-1", decision.id, 1);
    expect(await journal.undelivered("camera-1", 10)).toEqual([]);
    expect(await journal.verify()).toMatchObject({ intact: true });
    await journal.close();
    expect((await prepare(dir)).opened).toEqual({ kind: "existing" });
  });

  test("can be read beside the agent that wrote it, and is not changed by that", async () => {
    const { dir, ids } = await old();
    const reader = await openJournalReadOnly(dir);
    expect((await reader.undelivered("camera-1", 10)).map(({ decision: { id } }) => id)).toEqual([ids[1], ids[2]]);
    expect((await reader.find(ids[1] ?? ""))?.state).toBe("final");
    expect(await reader.verify()).toMatchObject({ intact: true });
    await reader.close();
    const database = new Sqlite(join(dir, "journal.db"), { readonly: true });
    expect(database.pragma("user_version", { simple: true })).toBe(1);
    database.close();
  });
});

test("a newer journal is refused and left alone", async () => {
  const dir = copy();
  sql(dir, "PRAGMA user_version = 99");
  await expect(prepare(dir)).rejects.toMatchObject({ code: "HP_JOURNAL", message: /schema 99/ });
  expect(existsSync(join(dir, "quarantine"))).toBe(false);
  await expect(openJournalReadOnly(dir)).rejects.toMatchObject({ code: "HP_JOURNAL" });
});

test("two agents cannot have one directory, and the second leaves the first alone", async () => {
  const dir = copy();
  const under = await openForTest({ dir });
  await expect(openForTest({ dir })).rejects.toMatchObject({ code: "HP_LOCKED" });
  expect(await under.journal.admit(admissionOf(makeRequest()))).toEqual({ kind: "admitted" });
  await under.journal.close();
  expect((await prepare(dir)).opened.kind).toBe("existing");
});

test("the journal can be read while an agent runs, and without one", async () => {
  const dir = copy();
  const under = await openForTest({ dir });
  const request = makeRequest();
  await under.journal.admit(admissionOf(request));
  const reader = await openJournalReadOnly(dir);
  expect((await reader.find(request.id))?.state).toBe("received");
  await under.journal.decide(recordOf(decisionOf(request)));
  expect((await reader.find(request.id))?.state).toBe("final");
  expect(await reader.verify()).toMatchObject({ intact: true });
  expect((await reader.counts()).received).toBe(41);
  await reader.close();
  await under.journal.close();
  const alone = await openJournalReadOnly(dir);
  expect((await alone.find(first.id))?.decision).toEqual(decisionOf(first));
  await alone.close();
  await expect(openJournalReadOnly(join(dir, "nothing"))).rejects.toMatchObject({ code: "HP_NOT_FOUND" });
});

test("the agent's secret is made once, for its owner only, and each purpose has its own", () => {
  const dir = temporaryDirectory();
  copies.push(dir);
  const secret = agentSecret(dir, "audit");
  expect(secret).toHaveLength(32);
  expect(agentSecret(dir, "audit")).toEqual(secret);
  expect(agentSecret(dir, "checkpoint")).not.toEqual(secret);
  expect(statSync(join(dir, "secret.key")).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(["secret.key"]);
  writeFileSync(join(dir, "secret.key"), "short");
  expect(() => agentSecret(dir, "audit")).toThrow(/damaged/);
});
