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
};
