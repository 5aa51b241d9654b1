import { expect, test } from "vitest";
import { type HubDatabase, type HubNews } from "../../cloud-sync/hub/database/database.ts";
import { insertRows } from "../../cloud-sync/hub/database/insert-rows.ts";
import { newsHeard } from "../support/hub-review.ts";

/** What every kind of hub database promises. `open` opens one more process's view of the same database. */
export function hubDatabaseContract(
  open: () => Promise<{ readonly database: HubDatabase; readonly hubId: string }>,
): void {
  const agent = (id: string) => ({
    agent_id: id,
    store: "store_1",
    name: id,
    public_key: `key of ${id}`,
    state: "active" as const,
    enrolled_ms: 1_795_000_000_123,
    seen_ms: null,
    boot_id: null,
    boot_before: null,
    software: null,
    heartbeat: null,
    feed_seq: 0,
    feed_taken: 0,
    config_version: 0,
  });
  const names = (database: HubDatabase) =>
    database.read(async (db) =>
      (await db.selectFrom("agents").select("agent_id").execute()).map((row) => row.agent_id),
    );

  test("what a transaction wrote is there when its promise resolved, and numbers come back as numbers", async () => {
    const { database } = await open();
    await database.write(async ({ db }) => {
      await db.insertInto("agents").values(agent("written")).execute();
    });
    const row = await database.read((db) =>
      db.selectFrom("agents").select("enrolled_ms").where("agent_id", "=", "written").executeTakeFirst(),
    );
    expect(row?.enrolled_ms).toBe(1_795_000_000_123);
  });

  test.each([1, 2, 45])("%i rows of one call come back as they were, bytes and odd texts too", async (count) => {
    const { database } = await open();
    const id = (index: number) => `rows ${count} ${index} "\\u0000 \\x41 ' \n ü 😀`;
    const rows = Array.from({ length: count }, (_, index) => ({
      ...{ case_id: id(index), key: Uint8Array.from([0, index, 92, 255]), segment: index === 1 ? "half \ud83d" : "s" },
      ...{ segment_offset: 2 ** 52 + index, sealed_bytes: 0 },
    }));
    const isNew = await database.write((trx) =>
      insertRows(trx, "case_keys", rows, "on conflict (case_id) do nothing returning case_id"),
    );
    expect(isNew.map((row) => row["case_id"]).sort()).toEqual(rows.map((row) => row.case_id).sort());
    const kept = await database.read((db) =>
      db.selectFrom("case_keys").selectAll().where("case_id", "like", `rows ${count} %`).execute(),
    );
    const byId = new Map(kept.map((row) => [row.case_id, { ...row, key: [...row.key] }]));
    expect(rows.map((row) => byId.get(row.case_id))).toEqual(
      rows.map((row) => ({ ...row, key: [...row.key], segment: Buffer.from(row.segment).toString() })),
    );
    const again = await database.write((trx) =>
      insertRows(trx, "case_keys", rows.slice(0, 40), "on conflict (case_id) do nothing returning case_id"),
    );
    expect(again).toEqual([]);
  });

  test("a transaction that throws leaves nothing behind, and its news are not told", async () => {
    const { database } = await open();
    await newsHeard(database);
    const heard: HubNews[] = [];
    const stop = database.onNews((news) => heard.push(news));
    const failing = database.write(async ({ db, tell }) => {
      await db.insertInto("agents").values(agent("undone")).execute();
      tell({ kind: "agent", agentId: "undone" });
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await database.write(async ({ tell }) => {
      tell({ kind: "agent", agentId: "after" });
      await Promise.resolve();
    });
    await expect.poll(() => heard.some((news) => news.kind === "agent" && news.agentId === "after")).toBe(true);
    stop();
    expect(heard.some((news) => news.kind === "agent" && news.agentId === "undone")).toBe(false);
    expect(await names(database)).not.toContain("undone");
  });

  test("a broken constraint is the caller's: it comes as the database's own error and not as HP_DATABASE", async () => {
    const { database } = await open();
    const insert = () =>
      database.write(async ({ db }) => {
        await db.insertInto("agents").values(agent("twice")).execute();
      });
    await insert();
    await expect(insert()).rejects.not.toHaveProperty("code", "HP_DATABASE");
  });

  test("the hub's id is made once", async () => {
    const first = await open();
    const second = await open();
    expect(second.hubId).toBe(first.hubId);
  });

  test("news reach a listener after the commit", async () => {
    const { database } = await open();
    await newsHeard(database);
    const heard: string[] = [];
    const stop = database.onNews((news) => {
      if (news.kind === "agent" && news.agentId === "told") heard.push(news.agentId);
    });
    await database.write(async ({ db, tell }) => {
      await db.insertInto("agents").values(agent("told")).execute();
      tell({ kind: "agent", agentId: "told" });
      expect(heard).toEqual([]);
    });
    await expect.poll(() => heard).toEqual(["told"]);
    stop();
  });

  test("a listener that fails makes no committed write look failed, and the others hear", async () => {
    const { database } = await open();
    await newsHeard(database);
    const heard: string[] = [];
    const stops = [
      database.onNews(() => {
        throw new Error("a listener's own fault");
      }),
      database.onNews(({ kind }) => heard.push(kind)),
    ];
    await database.write(async ({ db, tell }) => {
      await db.insertInto("agents").values(agent("heard")).execute();
      tell({ kind: "config" });
    });
    await expect.poll(() => heard).toContain("config");
    for (const stop of stops) stop();
  });
}
