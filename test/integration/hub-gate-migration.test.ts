import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kysely } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Backend } from "../../cloud-sync/hub/database/backend.ts";
import { hubMigrations } from "../../cloud-sync/hub/database/migrations.ts";
import { openPostgres } from "../../cloud-sync/hub/database/postgres.node.ts";
import { openSqlite } from "../../cloud-sync/hub/database/sqlite.node.ts";
import { silentLogger } from "../../protocol/index.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const step = "85-gate-rungs";

/** Labels as a hub kept them that knew one answer of a case. */
async function fillBefore(db: Kysely<never>): Promise<void> {
  const any = db as unknown as Kysely<Record<string, Record<string, unknown>>>;
  const label = (caseId: string, rung: string) => ({
    ...{ case_id: caseId, store: "store_1", task: "fruit", kind: "audit", rung, predicted: "Kiwi", confidence: 0.9 },
    ...{
      gate_threshold: 0.8,
      certificate: null,
      model: "m",
      calibration: "none",
      propensity: 0.5,
      propensity_min: 0.1,
    },
    ...{ is_uniform: 1, is_rule: 0, basket: "b", held_ms: 1, came_ms: 2, state: "counted", truth: "Kiwi", is_wrong: 0 },
    ...{ source: "review", answered_ms: 3, counted_ms: 4, counted_n: 5 },
  });
  await any
    .insertInto("gate_labels")
    .values([label("c-1", "fine"), label("c-2", "coarse")])
    .execute();
  const line = { task: "fruit", is_wrong: 0, at_ms: 4 };
  await any
    .insertInto("gate_log")
    .values([
      { ...line, n: 1, case_id: "c-1" },
      { ...line, n: 2, case_id: "c-2" },
    ])
    .execute();
  const row = {
    task: "fruit",
    labels_digest: "d",
    labels: '["Kiwi"]',
    coarse: '{"labels":["Fruit"],"of":[0]}',
    question: null,
  };
  await any
    .insertInto("store_tasks")
    .values([
      { ...row, store: "store_1" },
      { ...row, store: "store_2" },
    ])
    .execute();
}

function migration(open: () => Promise<Backend>): void {
  let backend: Backend;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend.close());

  test("labels of one answer a case are kept, and a second answer finds its place beside them", async () => {
    const { db } = backend;
    for (const [name, migrate] of Object.entries(hubMigrations).sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (name === step) await fillBefore(db as unknown as Kysely<never>);
      await migrate.up(db);
    }
    const rows = await db.selectFrom("gate_labels").selectAll().orderBy("case_id").execute();
    expect(rows).toMatchObject([
      { case_id: "c-1", rung: "fine", confidence: 0.9, counted_n: 5, fine_confidence: null, label_groups: null },
      { case_id: "c-2", rung: "coarse", basket: "b", truth: "Kiwi", answered_ms: 3 },
    ]);
    const log = await db.selectFrom("gate_log").select(["n", "rung"]).orderBy("n").execute();
    expect(log).toEqual([
      { n: 1, rung: "fine" },
      { n: 2, rung: "coarse" },
    ]);
    expect(await db.selectFrom("gate_groups").select("digest").execute()).toEqual([{ digest: "d" }]);
    const [first] = rows;
    if (!first) throw new Error("no row");
    await db
      .insertInto("gate_labels")
      .values({ ...first, rung: "coarse" })
      .execute();
    await expect(db.insertInto("gate_labels").values(first).execute()).rejects.toThrow();
  });
}

describe("labels of both rungs on SQLite", () => {
  const dir = mkdtempSync(join(tmpdir(), "holdpoint-migration-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  migration(() => openSqlite({ url: dir }));
});

describe("labels of both rungs on PostgreSQL", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.close());
  migration(async () => openPostgres({ url: await postgres.createDatabase(), logger: silentLogger }));
});
