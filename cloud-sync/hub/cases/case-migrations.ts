import { sql, type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

/** Bytes have another type's name in each database. */
const bytesType = (db: Kysely<unknown>) => (db.getExecutor().adapter.supportsTransactionalDdl ? sql`bytea` : sql`blob`);

export const caseMigrations: Readonly<Record<string, Migration>> = {
  "03-cases": {
    up: async (db: Kysely<unknown>) => {
      const bytes = bytesType(db);
      await db.schema
        .createTable("cases")
        .addColumn("case_id", "text", (column) => column.primaryKey())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("decision_id", "text", (column) => column.notNull())
        .addColumn("agent_id", "text")
        .addColumn("device", "text", (column) => column.notNull())
        .addColumn("task", "text", (column) => column.notNull())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("body_digest", "text", (column) => column.notNull())
        .addColumn("decision", "text")
        .addColumn("first_decision", "text")
        .addColumn("view", "text", (column) => column.notNull())
        .addColumn("extra", "text")
        .addColumn("costs", "text")
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("received_ms", "bigint", (column) => column.notNull())
        .addColumn("held_ms", "bigint", (column) => column.notNull())
        .addColumn("due_ms", "bigint")
        .addColumn("final_ms", "bigint")
        .addColumn("picture_sha256", "text")
        .addColumn("picture_bytes", "bigint", (column) => column.notNull())
        .addColumn("picture_type", "text")
        .addColumn("picture_state", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("cases_decision").unique().on("cases").columns(["store", "decision_id"]).execute();
      await db.schema.createIndex("cases_store").on("cases").columns(["store", "case_id"]).execute();
      await db.schema.createIndex("cases_received").on("cases").columns(["received_ms"]).execute();
      await db.schema
        .createTable("case_keys")
        .addColumn("case_id", "text", (column) => column.primaryKey())
        .addColumn("key", bytes, (column) => column.notNull())
        .addColumn("segment", "text", (column) => column.notNull())
        .addColumn("segment_offset", "bigint", (column) => column.notNull())
        .addColumn("sealed_bytes", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("case_keys_segment").on("case_keys").columns(["segment"]).execute();
      await db.schema
        .createTable("blob_parts")
        .addColumn("case_id", "text", (column) => column.notNull())
        .addColumn("sha256", "text", (column) => column.notNull())
        .addColumn("part_offset", "bigint", (column) => column.notNull())
        .addColumn("bytes", bytes, (column) => column.notNull())
        .addColumn("came_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("blob_parts_key", ["case_id", "sha256", "part_offset"])
        .execute();
    },
  },
  "04-case-story": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("case_events")
        .addColumn("event_id", "text", (column) => column.primaryKey())
        .addColumn("case_id", "text", (column) => column.notNull())
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("case_events_case").on("case_events").columns(["case_id", "event_id"]).execute();
      await db.schema
        .createTable("quarantine")
        .addColumn("quarantine_id", "text", (column) => column.primaryKey())
        .addColumn("agent_id", "text", (column) => column.notNull())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("decision_id", "text", (column) => column.notNull())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("epoch", "text", (column) => column.notNull())
        .addColumn("seq", "bigint", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("outcomes")
        .addColumn("outcome_id", "text", (column) => column.primaryKey())
        .addColumn("store", "text", (column) => column.notNull())
        .addColumn("decision_id", "text", (column) => column.notNull())
        .addColumn("source", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("outcomes_decision").on("outcomes").columns(["store", "decision_id"]).execute();
    },
  },
  "90-case-indexes": {
    up: async (db: Kysely<unknown>) => {
      // Each index is paid for by every case that comes. One finds a decision with its store and without.
      const columns = ["decision_id", "store"];
      await db.schema.createIndex("cases_by_decision").unique().on("cases").columns(columns).execute();
      // Digests come in no order: whole ones make an index in which every case writes a page of its own. Their first four
      // digits leave a few cases in a hundred thousand to look at. Questions must say it in these words.
      await sql`create index cases_by_picture on cases (substr(picture_sha256, 1, 4))`.execute(db);
      for (const name of ["cases_decision", "cases_decision_id", "cases_picture", "cases_received"]) {
        await db.schema.dropIndex(name).execute();
      }
    },
  },
};
