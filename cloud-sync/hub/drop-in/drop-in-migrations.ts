import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const dropInMigrations: Readonly<Record<string, Migration>> = {
  "60-work-keys": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("work_keys")
        .addColumn("key_id", "text", (column) => column.primaryKey())
        .addColumn("secret", "text", (column) => column.notNull())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("stores", "text")
        .addColumn("tasks", "text")
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .addColumn("used_ms", "bigint")
        .addColumn("revoked_ms", "bigint")
        .execute();
    },
  },
  "61-a2i": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("a2i_flows")
        .addColumn("arn", "text", (column) => column.primaryKey())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("task", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("a2i_loops")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("arn", "text", (column) => column.notNull())
        .addColumn("flow_arn", "text", (column) => column.notNull())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("task", "text", (column) => column.notNull())
        .addColumn("case_id", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("input", "text", (column) => column.notNull())
        .addColumn("answer_name", "text", (column) => column.notNull())
        .addColumn("created_ms", "bigint", (column) => column.notNull())
        .addColumn("stopped_ms", "bigint")
        .addColumn("made_by", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("a2i_loops_flow")
        .on("a2i_loops")
        .columns(["flow_arn", "created_ms", "name"])
        .execute();
    },
  },
  "62-label-studio": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("label_studio_tasks")
        .addColumn("task_key", "text", (column) => column.primaryKey())
        .addColumn("decision_id", "text", (column) => column.notNull())
        .execute();
      // By the id that a sender knows, and by the picture: without the store.
      await db.schema.createIndex("cases_decision_id").on("cases").columns(["decision_id"]).execute();
      await db.schema.createIndex("cases_picture").on("cases").columns(["picture_sha256"]).execute();
    },
  },
};
