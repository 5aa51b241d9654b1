import { sql, type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const privacyMigrations: Readonly<Record<string, Migration>> = {
  "70-privacy": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("retention")
        .addColumn("task", "text", (column) => column.primaryKey())
        .addColumn("keep_ms", "bigint", (column) => column.notNull())
        .addColumn("changed_ms", "bigint", (column) => column.notNull())
        .addColumn("changed_by", "text", (column) => column.notNull())
        .execute();
      // What is still to be forgotten, oldest first: erased cases leave both.
      await sql`create index cases_to_forget on cases (final_ms) where state = 'final'`.execute(db);
      await sql`create index cases_unanswered on cases (received_ms) where state = 'open'`.execute(db);
      await db.schema.createIndex("blob_parts_came").on("blob_parts").columns(["came_ms"]).execute();
      await db.schema.createIndex("quarantine_at").on("quarantine").columns(["at_ms"]).execute();
    },
  },
  "92-erasure": {
    up: async (db: Kysely<unknown>) => {
      // What else may have a case's content in it is found by the case.
      await db.schema.createIndex("a2i_loops_case").on("a2i_loops").columns(["case_id"]).execute();
      await db.schema.createIndex("quarantine_case").on("quarantine").columns(["store", "decision_id"]).execute();
      // Until now the input of a loop stayed when its case was erased.
      await sql`update a2i_loops set input = 'null'
        where case_id in (select case_id from cases where state = 'erased')`.execute(db);
    },
  },
};
