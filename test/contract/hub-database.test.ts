import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openHubDatabase, openHubReader } from "../../cloud-sync/hub/database/open-database.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { newsHeard } from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { hubDatabaseContract } from "./hub-database.contract.ts";

const shared = { clock: systemClock, random: systemRandom, logger: silentLogger };
type Opened = Awaited<ReturnType<typeof openHubDatabase>>;

describe("SQLite", () => {
  const dir = mkdtempSync(join(tmpdir(), "holdpoint-hub-"));
  let opened: Opened | null = null;
  afterAll(async () => {
    await opened?.database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  hubDatabaseContract(async () => (opened ??= await openHubDatabase({ ...shared, url: dir })));

  test("a second process is told that the directory is taken", async () => {
    opened ??= await openHubDatabase({ ...shared, url: dir });
    await expect(openHubDatabase({ ...shared, url: dir })).rejects.toMatchObject({ code: "HP_LOCKED" });
  });

  test("a hub or a command that cannot begin on a damaged file says what to do, for it does not take up again", async () => {
    const place = mkdtempSync(join(tmpdir(), "holdpoint-hub-"));
    writeFileSync(join(place, "hub.db"), Buffer.alloc(9000, 7));
    const refusal = { code: "HP_DATABASE", hint: expect.stringContaining("Put back a copy") as string };
    await expect(openHubDatabase({ ...shared, url: place })).rejects.toMatchObject(refusal);
    await expect(openHubReader(place)).rejects.toMatchObject(refusal);
    rmSync(place, { recursive: true });
  });
});

describe("PostgreSQL", () => {
  let server: TestPostgres;
  let url = "";
  const opened: Opened[] = [];
  const open = async (): Promise<Opened> => {
    const one = await openHubDatabase({ ...shared, url });
    opened.push(one);
    return one;
  };
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
  });
  afterAll(async () => {
    for (const one of opened) await one.database.close();
    await server.close();
  });
  hubDatabaseContract(open);

  test("processes that start at once on an empty database bring its schema up together", async () => {
    const empty = await server.createDatabase();
    const both = await Promise.all([1, 2, 3].map(() => openHubDatabase({ ...shared, url: empty })));
    opened.push(...both);
    expect(new Set(both.map(({ hubId }) => hubId)).size).toBe(1);
  });

  test("news of one process reach another", async () => {
    const [one, two] = [await open(), await open()];
    const heard: string[] = [];
    two.database.onNews((news) => {
      if (news.kind === "agent") heard.push(news.agentId);
    });
    await expect
      .poll(async () => {
        await one.database.write(async ({ tell }) => {
          tell({ kind: "agent", agentId: "far" });
          await Promise.resolve();
        });
        return heard.includes("far");
      })
      .toBe(true);
  });

  test("what somebody else says on the channel of news is heard as something new", async () => {
    const { database } = await open();
    const heard: string[] = [];
    await newsHeard(database);
    database.onNews(({ kind }) => heard.push(kind));
    for (const text of ["no JSON", "null", "{}"]) {
      await database.read((db) => sql`select pg_notify('holdpoint', ${text})`.execute(db));
    }
    await expect.poll(() => heard).toEqual(["resync", "resync", "resync"]);
  });

  test("a database that goes away is HP_DATABASE while it is gone, and the same hub works when it is back", async () => {
    const { database } = await open();
    const ask = () => database.read((db) => db.selectFrom("agents").select("agent_id").execute());
    const resyncs: string[] = [];
    database.onNews(({ kind }) => resyncs.push(kind));
    await ask();
    await server.stop();
    await expect(ask()).rejects.toMatchObject({ code: "HP_DATABASE", retry: "backoff" });
    const hint = expect.stringContaining("that the server runs") as string;
    await expect(open()).rejects.toMatchObject({ code: "HP_DATABASE", hint });
    await server.start();
    await expect.poll(() => ask().then(() => "works"), { timeout: 10_000 }).toBe("works");
    await expect.poll(() => resyncs.includes("resync"), { timeout: 10_000 }).toBe(true);
  });
});
