import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const webhookMigrations: Readonly<Record<string, Migration>> = {
  "50-webhooks": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("webhooks")
        .addColumn("webhook_id", "text", (column) => column.primaryKey())
        .addColumn("url", "text", (column) => column.notNull())
        .addColumn("secret", "text", (column) => column.notNull())
        .addColumn("events", "text", (column) => column.notNull())
        .addColumn("stores", "text")
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .addColumn("off", "text")
        .execute();
      await db.schema
        .createTable("webhook_deliveries")
        .addColumn("delivery_id", "text", (column) => column.primaryKey())
        .addColumn("webhook_id", "text", (column) => column.notNull())
        .addColumn("event", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("due_ms", "bigint", (column) => column.notNull())
        .addColumn("attempts", "bigint", (column) => column.notNull())
        .addColumn("generation", "bigint", (column) => column.notNull())
        .addColumn("last_status", "bigint")
        .addColumn("last_error", "text")
        .addColumn("ended_ms", "bigint")
        .execute();
      await db.schema
        .createIndex("webhook_deliveries_due")
        .on("webhook_deliveries")
        .columns(["state", "due_ms"])
        .execute();
      await db.schema
        .createIndex("webhook_deliveries_webhook")
        .on("webhook_deliveries")
        .columns(["webhook_id", "delivery_id"])
        .execute();
      await db.schema.createIndex("webhook_deliveries_ended").on("webhook_deliveries").columns(["ended_ms"]).execute();
    },
  },
};
