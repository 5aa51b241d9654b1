import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const configMigrations: Readonly<Record<string, Migration>> = {
  "30-config": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("stores")
        .addColumn("store", "text", (column) => column.primaryKey())
        .addColumn("region", "text")
        .addColumn("changed_ms", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("stores_region").on("stores").columns(["region"]).execute();
      await db.schema
        .createTable("config_layers")
        .addColumn("layer", "text", (column) => column.notNull())
        .addColumn("scope", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .addColumn("revision", "bigint", (column) => column.notNull())
        .addColumn("changed_ms", "bigint", (column) => column.notNull())
        .addColumn("changed_by", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("config_layers_key", ["layer", "scope"])
        .execute();
      await db.schema
        .createTable("config_history")
        .addColumn("change_n", "bigint", (column) => column.primaryKey())
        .addColumn("layer", "text", (column) => column.notNull())
        .addColumn("scope", "text", (column) => column.notNull())
        .addColumn("revision", "bigint", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .addColumn("at_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .addColumn("made_by_name", "text", (column) => column.notNull())
        .addColumn("why", "text", (column) => column.notNull())
        .addColumn("revert_of", "bigint")
        .execute();
      await db.schema
        .createIndex("config_history_layer")
        .unique()
        .on("config_history")
        .columns(["layer", "scope", "revision"])
        .execute();
      await db.schema
        .createTable("config_head")
        .addColumn("one", "integer", (column) => column.primaryKey())
        .addColumn("change_n", "bigint", (column) => column.notNull())
        .execute();
    },
  },
};
