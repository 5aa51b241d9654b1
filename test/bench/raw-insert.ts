import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { openDatabase } from "../../protocol/platform/sqlite.node.ts";
import { type CaseWithPicture } from "./hub-load.ts";

/**
 * The yardstick: what the database itself does with the same bytes when nothing is around it. One table, the case and
 * its picture in one row, one statement with many rows and one durable commit for each batch, nothing checked.
 */
export interface RawStore {
  insert(cases: readonly CaseWithPicture[], store: string): Promise<void>;
  close(): Promise<void>;
}

const columns = ["case_id", "store", "decision_id", "task", "kind", "digest", "decision", "view", "state", "picture"];
const table = (bytes: string): string =>
  `create table raw_cases (case_id text primary key, store text not null, decision_id text not null, task text, kind text,
   digest text, decision text, view text, state text, picture ${bytes}, unique (store, decision_id))`;

function valuesOf({ item, picture }: CaseWithPicture, store: string): readonly unknown[] {
  const view = JSON.stringify(item.brief?.view);
  return [
    `c${item.id}`,
    store,
    item.id,
    "product_identification",
    item.kind,
    item.id,
    item.body,
    view,
    "open",
    picture,
  ];
}

export async function openRawSqlite(): Promise<RawStore> {
  const dir = await mkdtemp(join(tmpdir(), "holdpoint-raw-"));
  const database = await openDatabase(join(dir, "raw.db"), { walPagesMax: 4096 });
  database.exec(table("blob"));
  const one = `(${columns.map(() => "?").join(",")})`;
  return {
    insert: (cases, store) => {
      const rows = cases.map(() => one).join(",");
      database
        .prepare(
          `insert into raw_cases (${columns.join(",")}) values ${rows} on conflict (store, decision_id) do nothing`,
        )
        .run(cases.flatMap((item) => valuesOf(item, store)));
      return Promise.resolve();
    },
    close: async () => {
      database.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** On the server that the hub uses too, in a table of its own. */
export async function openRawPostgres(url: string, connections: number): Promise<RawStore> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  await pool.query(table("bytea"));
  return {
    insert: async (cases, store) => {
      const rows = cases.map(
        (_, row) => `(${columns.map((__, column) => `$${row * columns.length + column + 1}`).join(",")})`,
      );
      await pool.query({
        name: `insert-${cases.length}`,
        text: `insert into raw_cases (${columns.join(",")}) values ${rows.join(",")} on conflict (store, decision_id) do nothing`,
        values: cases.flatMap((item) => valuesOf(item, store)),
      });
    },
    close: async () => {
      await pool.query("drop table raw_cases");
      await pool.end();
    },
  };
}
