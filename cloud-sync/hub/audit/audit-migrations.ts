import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const auditMigrations: Readonly<Record<string, Migration>> = {
  "05-audit": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("audit_log")
        .addColumn("n", "bigint", (column) => column.primaryKey())
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .addColumn("actor", "text", (column) => column.notNull())
        .addColumn("action", "text", (column) => column.notNull())
        .addColumn("subject", "text", (column) => column.notNull())
        .addColumn("detail", "text", (column) => column.notNull())
        .addColumn("hash", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("audit_log_subject").on("audit_log").columns(["subject", "n"]).execute();
      await db.schema.createIndex("audit_log_actor").on("audit_log").columns(["actor", "n"]).execute();
      await db.schema.createIndex("audit_log_action").on("audit_log").columns(["action", "n"]).execute();
      await db.schema
        .createTable("audit_head")
        .addColumn("one", "integer", (column) => column.primaryKey())
        .addColumn("n", "bigint", (column) => column.notNull())
        .addColumn("hash", "text", (column) => column.notNull())
        .execute();
    },
  },
};
