import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const repeatMigrations: Readonly<Record<string, Migration>> = {
  "07-repeats": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("repeats")
        .addColumn("caller", "text", (column) => column.notNull())
        .addColumn("operation", "text", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("answer", "text")
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("repeats_key", ["caller", "operation", "key"])
        .execute();
      await db.schema.createIndex("repeats_at").on("repeats").columns(["at_ms"]).execute();
    },
  },
};
