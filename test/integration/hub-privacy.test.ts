import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forgetStep, keepMsDefault } from "../../cloud-sync/hub/privacy/retention.ts";
import { clearLeftovers } from "../../cloud-sync/hub/privacy/leftovers.ts";
import { type Clock } from "../../protocol/index.ts";
import { systemClock } from "../../protocol/platform/clock.node.ts";
import { callHub, enrolAgent, type TestAgent } from "../support/hub-agent.ts";
import { escalation, heldDecision, revisionOf } from "../support/hub-items.ts";
import { openReviewPlace, seedCases, seedStore, type ReviewPlace } from "../support/hub-review.ts";
import { overBothDatabases, type StartedHub, type StartHub } from "../support/hub-start.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

overBothDatabases("erasure on request", erasureSuite);

function erasureSuite(start: StartHub, kind: "sqlite" | "postgres"): void {
  let started: StartedHub;
  let agent: TestAgent;
  let seq = 0;
  beforeAll(async () => {
    started = await start();
    agent = await enrolAgent(started.hub.url, started.token, "store_1");
  });
  afterAll(() => started.hub.close());
  const call = (method: string, path: string, body?: unknown, token = started.token) =>
    callHub(started.hub.url, token, method, path, body);
  const ingest = (...items: ReturnType<typeof escalation>[]) =>
    agent.call("POST", "/v1/ingest", { v: 1, epoch: "e", from: items[0]?.seq, lastSeq: items.at(-1)?.seq, items });
  const upload = (id: string, sha256: string, picture: Uint8Array) =>
    agent.call("PUT", `/v1/blobs/${id}/${sha256}`, picture, {
      headers: { "content-range": `bytes 0-${picture.byteLength - 1}/${picture.byteLength}` },
    });
  const newest = async () => {
    const { json } = await call("GET", "/v1/cases?limit=1");
    return (json["items"] as { id: string; state: string; picture: string }[])[0];
  };

  test("the picture and the details go, the label, the story and the audit line stay, and the store is told", async () => {
    const picture = crypto.getRandomValues(new Uint8Array(2000));
    const decision = { ...heldDecision(), explanation: "a man in a red coat" };
    const item = escalation(++seq, decision, picture);
    const sha256 = item.brief?.picture?.sha256 ?? "";
    await ingest(item);
    await upload(item.id, sha256, picture);
    await ingest(revisionOf(++seq, decision, "Pink-Lady"));
    const id = (await newest())?.id ?? "";
    const path = `/v1/cases/${id}/picture`;
    const seen = () => fetch(`${started.hub.url}${path}`, { headers: { authorization: `Bearer ${started.token}` } });
    expect((await seen()).status).toBe(200);
    const keyBefore = kind === "sqlite" ? keyOf(started.dataDir, id) : null;
    if (keyBefore) expect(filesOf(started.dataDir).some((file) => file.includes(keyBefore))).toBe(true);
    expect(await call("POST", `/v1/cases/${id}/erase`, { why: "the shopper asked" })).toEqual({
      ...{ status: 200, json: { id, erased: true } },
    });
    expect((await seen()).status).toBe(404);
    expect(await newest()).toMatchObject({ id, state: "erased", picture: "gone", finalLabel: "Pink-Lady" });
    const story = JSON.stringify((await call("GET", `/v1/cases/${id}`)).json);
    expect(story).not.toContain("red coat");
    expect(story).not.toContain('"C2"');
    expect(story).toContain("the shopper asked");
    const feed = (await agent.call("GET", "/v1/feed")).json["items"];
    expect(feed).toContainEqual(expect.objectContaining({ kind: "erase", id: decision.id }));
    if (keyBefore) for (const file of filesOf(started.dataDir)) expect(file.includes(keyBefore)).toBe(false);
    expect(await call("POST", `/v1/cases/${id}/erase`, { why: "again" })).toMatchObject({ json: { erased: false } });
  });

  test("a picture that is still on its way when its case is erased is not kept", async () => {
    const picture = crypto.getRandomValues(new Uint8Array(100));
    const item = escalation(++seq, heldDecision(), picture);
    await ingest(item);
    const id = (await newest())?.id ?? "";
    await call("POST", `/v1/cases/${id}/erase`, { why: "test" });
    expect(await upload(item.id, item.brief?.picture?.sha256 ?? "", picture)).toMatchObject({ status: 404 });
    // The same row again, as after a lost answer, opens nothing.
    expect(await ingest(item)).toMatchObject({ json: { refused: [], wanted: [] } });
    expect(await newest()).toMatchObject({ id, state: "erased" });
  });

  test("nobody erases another store's case, and a reviewer erases none", async () => {
    await ingest(escalation(++seq));
    const id = (await newest())?.id ?? "";
    const token = async (role: string, stores: string[] | null) =>
      String((await call("POST", "/v1/tokens", { name: role, roles: [role], stores })).json["token"]);
    const [foreign, reviewer] = [await token("lead", ["store_2"]), await token("reviewer", null)];
    expect(await call("POST", `/v1/cases/${id}/erase`, { why: "x" }, foreign)).toMatchObject({ status: 404 });
    expect(await call("POST", `/v1/cases/${id}/erase`, { why: "x" }, reviewer)).toMatchObject({ status: 403 });
    expect(await newest()).toMatchObject({ id, state: "open" });
  });

  test("how long content is kept is a setting of each task", async () => {
    expect((await call("GET", "/v1/retention")).json).toEqual({ everyMs: keepMsDefault, tasks: [] });
    await call("PUT", "/v1/retention/shelf", { keepMs: 86_400_000 });
    expect((await call("PUT", "/v1/retention/-", { keepMs: 7_200_000 })).json).toEqual({
      ...{ everyMs: 7_200_000, tasks: [{ task: "shelf", keepMs: 86_400_000 }] },
    });
    await call("PUT", "/v1/retention/shelf", { keepMs: null });
    expect((await call("PUT", "/v1/retention/-", { keepMs: null })).json).toMatchObject({ everyMs: keepMsDefault });
    expect(await call("PUT", "/v1/retention/shelf", { keepMs: 1 })).toMatchObject({ status: 400 });
  });

  test("how long stores keep inputs is told by the layer that holds, to those who may read the config", async () => {
    const hour = 3_600_000;
    const put = async (layer: string, text: string, revision = 0) =>
      expect(await call("PUT", `/v1/config/layers/${layer}`, { text, revision, why: "x" })).toMatchObject({
        status: 200,
      });
    const edge = async (token?: string) => (await call("GET", "/v1/retention/edge", undefined, token)).json;
    expect(await edge()).toEqual({
      defaultMs: 72 * hour,
      items: [{ layer: "default", scope: "-", keepMs: 72 * hour, stores: 1 }],
      more: 0,
    });
    for (const store of ["store_2", "store_3"]) await enrolAgent(started.hub.url, started.token, store);
    expect(await call("PUT", "/v1/stores/store_2", { region: "north", why: "x" })).toMatchObject({ status: 200 });
    // Whichever way YAML lets it be written.
    await put("store/store_1", 'retention: { "input\\x5fkeep": 12h }\n');
    await put("region/north", "retention: { input_keep: 1d } # input_keep of the north\n");
    const own = { layer: "store", scope: "store_1", keepMs: 12 * hour, stores: 1 };
    expect((await edge())["items"]).toEqual([
      { layer: "default", scope: "-", keepMs: 72 * hour, stores: 1 },
      { layer: "region", scope: "north", keepMs: 24 * hour, stores: 1 },
      own,
    ]);
    const made = await call("POST", "/v1/tokens", { name: "one", roles: ["operator"], stores: ["store_1"] });
    expect((await edge(String(made.json["token"])))["items"]).toEqual([own]);
    const lead = await call("POST", "/v1/tokens", { name: "lead", roles: ["lead"] });
    expect(await call("GET", "/v1/retention/edge", undefined, String(lead.json["token"]))).toMatchObject({
      status: 403,
    });
    // A lock of the fleet's layer holds over what is below.
    await put("fleet/-", "retention: { input_keep: 2d }\nlocked: [retention.input_keep]\n");
    expect((await edge())["items"]).toEqual([{ layer: "fleet", scope: "-", keepMs: 48 * hour, stores: 3 }]);
  });
}

function keyOf(dataDir: string, caseId: string): Buffer {
  const database = new Sqlite(join(dataDir, "hub.db"), { readonly: true });
  const row = database.prepare("select key from case_keys where case_id = ?").get(caseId) as { key: Buffer };
  database.close();
  return row.key;
}

function filesOf(dataDir: string): readonly Buffer[] {
  const files = ["hub.db", "hub.db-wal"].map((name) => join(dataDir, name));
  return files.filter((file) => existsSync(file)).map((file) => readFileSync(file));
}

describe("forgetting when the time is over", () => {
  const places: ReviewPlace[] = [];
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    for (const place of places) await place.close();
    await server.close();
  });
  const later = (ms: number): Clock => ({ ...systemClock, wallMs: () => systemClock.wallMs() + ms });
  const open = async (url?: string): Promise<ReviewPlace> => {
    const place = await openReviewPlace({ url });
    places.push(place);
    return place;
  };

  for (const kind of ["SQLite", "PostgreSQL"]) {
    test(`each task's content goes when its own time is over, counted from the answer, on ${kind}`, async () => {
      const place = await open(kind === "SQLite" ? undefined : await server.createDatabase());
      const { database, vault, listener } = place;
      await seedStore(database, "store_1");
      const picture = new Uint8Array([1, 2, 3]);
      const [long, short, waiting] = await Promise.all([
        seedCases(place, 3, { picture }),
        seedCases(place, 2, { picture, task: "shelf" }),
        seedCases(place, 1, { picture }),
      ]);
      const nowMs = Date.now();
      await database.write(async ({ db }) => {
        const finished = { state: "final" as const, final_ms: nowMs };
        await db
          .updateTable("cases")
          .set(finished)
          .where("case_id", "in", [...long, ...short])
          .execute();
        const row = { task: "shelf", keep_ms: 3_600_000, changed_ms: nowMs, changed_by: "test" };
        await db.insertInto("retention").values(row).execute();
      });
      const at = (ms: number) => forgetStep({ ...place.parts, clock: later(ms), vault, listener });
      const left = async () =>
        (await database.read((db) => db.selectFrom("case_keys").select("case_id").execute())).length;
      expect(await at(0)).toBe(0);
      expect(await at(2 * 3_600_000)).toBe(2);
      expect(await left()).toBe(4);
      expect(await at(keepMsDefault - 60_000)).toBe(0);
      expect(await at(keepMsDefault + 60_000)).toBe(3);
      expect(await vault.open(long[0] ?? "")).toBeNull();
      expect(await vault.open(waiting[0] ?? "")).not.toBeNull();
      // Its box is gone, and nobody ever answered.
      expect(await at(keepMsDefault + 31 * 86_400_000)).toBe(1);
      expect(await left()).toBe(0);
      const lines = await database.read((db) =>
        db.selectFrom("audit_log").select("detail").where("action", "=", "cases.forgotten").execute(),
      );
      expect(lines.map(({ detail }) => (JSON.parse(detail) as { cases: number }).cases)).toEqual([2, 3, 1]);
    });

    test(`two that forget at once take other cases, and each case once, on ${kind}`, async () => {
      const place = await open(kind === "SQLite" ? undefined : await server.createDatabase());
      await seedStore(place.database, "store_1");
      const ids = await seedCases(place, 40);
      await place.database.write(async ({ db }) => {
        await db.updateTable("cases").set({ state: "final", final_ms: 1 }).where("case_id", "in", ids).execute();
      });
      const parts = { ...place.parts, vault: place.vault, listener: place.listener };
      const counts = await Promise.all([forgetStep(parts), forgetStep(parts), forgetStep(parts)]);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40);
      const told = await place.database.read((db) =>
        db.selectFrom("case_events").select("case_id").where("kind", "=", "erased").execute(),
      );
      expect(told).toHaveLength(40);
    });

    test(`parts of an upload that never ended go after a day, on ${kind}`, async () => {
      const { database } = await open(kind === "SQLite" ? undefined : await server.createDatabase());
      await database.write(async ({ db }) => {
        const part = { case_id: "c", sha256: "0".repeat(64), bytes: new Uint8Array(3), came_ms: Date.now() };
        await db
          .insertInto("blob_parts")
          .values([
            { ...part, part_offset: 0 },
            { ...part, part_offset: 3 },
          ])
          .execute();
      });
      const parts = () => database.read((db) => db.selectFrom("blob_parts").select("part_offset").execute());
      await clearLeftovers({ database, clock: later(0) });
      expect(await parts()).toHaveLength(2);
      await clearLeftovers({ database, clock: later(25 * 3_600_000) });
      expect(await parts()).toEqual([]);
    });

    test(`groups of models that no store runs any more go with the labels that were held against them, on ${kind}`, async () => {
      const { database } = await open(kind === "SQLite" ? undefined : await server.createDatabase());
      const text = { labels: '["Kiwi"]', coarse: '{"labels":["Fruit"],"of":[0]}' };
      await database.write(async ({ db }) => {
        const row = { ...text, came_ms: Date.now() };
        await db
          .insertInto("gate_groups")
          .values([
            { ...row, digest: "gone" },
            { ...row, digest: "runs" },
          ])
          .execute();
        const task = { store: "store_1", task: "fruit", labels_digest: "runs", question: null };
        await db
          .insertInto("store_tasks")
          .values({ ...task, ...text })
          .execute();
      });
      const left = async () =>
        (await database.read((db) => db.selectFrom("gate_groups").select("digest").orderBy("digest").execute())).map(
          ({ digest }) => digest,
        );
      await clearLeftovers({ database, clock: later(399 * 86_400_000) });
      expect(await left()).toEqual(["gone", "runs"]);
      await clearLeftovers({ database, clock: later(401 * 86_400_000) });
      expect(await left()).toEqual(["runs"]);
    });
  }
});
