import { sql, type Kysely } from "kysely";
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
  "40-fleet-pages": {
    up: async (db: Kysely<unknown>) => {
      // One column a statement: SQLite takes no more.
      for (const name of ["offline_ms", "cloned_ms", "revoked_ms"]) {
        await db.schema.alterTable("agents").addColumn(name, "bigint").execute();
      }
      await db.schema
        .createTable("decision_hours")
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("task", "text", (column) => column.notNull())
        .addColumn("hour_ms", "bigint", (column) => column.notNull())
        .addColumn("accepted", "bigint", (column) => column.notNull())
        .addColumn("escalated", "bigint", (column) => column.notNull())
        .addColumn("abstained", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("decision_hours_key", ["store", "task", "hour_ms"])
        .execute();
      await db.schema.createIndex("decision_hours_hour").on("decision_hours").columns(["hour_ms"]).execute();
      // What waits in each store, oldest first; a case leaves the index when it is final.
      await sql`create index cases_waiting on cases (store, received_ms) where state = 'open' and kind = 'escalation'`.execute(
        db,
      );
    },
  },
};
