import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const fleetMigrations: Readonly<Record<string, Migration>> = {
  "02-fleet": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("agents")
        .addColumn("agent_id", "text", (column) => column.primaryKey())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("public_key", "text", (column) => column.notNull().unique())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("enrolled_ms", "bigint", (column) => column.notNull())
        .addColumn("seen_ms", "bigint")
        .addColumn("boot_id", "text")
        .addColumn("boot_before", "text")
        .addColumn("software", "text")
        .addColumn("heartbeat", "text")
        .addColumn("feed_seq", "bigint", (column) => column.notNull())
        .addColumn("feed_taken", "bigint", (column) => column.notNull())
        .addColumn("config_version", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("agents_store").on("agents").columns(["store", "name"]).execute();
      await db.schema
        .createTable("store_tasks")
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("task", "text", (column) => column.notNull())
        .addColumn("labels_digest", "text")
        .addColumn("labels", "text", (column) => column.notNull())
        .addColumn("question", "text")
        .addPrimaryKeyConstraint("store_tasks_key", ["store", "task"])
        .execute();
      await db.schema
        .createTable("enrol_tokens")
        .addColumn("token_hash", "text", (column) => column.primaryKey())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("agent_name", "text", (column) => column.notNull())
        .addColumn("expires_ms", "bigint", (column) => column.notNull())
        .addColumn("used_ms", "bigint")
        .addColumn("used_by", "text")
        .addColumn("made_by", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("ingest_streams")
        .addColumn("agent_id", "text", (column) => column.notNull())
        .addColumn("epoch", "text", (column) => column.notNull())
        .addColumn("watermark", "bigint", (column) => column.notNull())
        .addColumn("last_seq", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("ingest_streams_key", ["agent_id", "epoch"])
        .execute();
      await db.schema
        .createTable("feed_items")
        .addColumn("agent_id", "text", (column) => column.notNull())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("feed_items_key", ["agent_id", "seq"])
        .execute();
    },
  },
};
