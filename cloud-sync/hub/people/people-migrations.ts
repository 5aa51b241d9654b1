import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const peopleMigrations: Readonly<Record<string, Migration>> = {
  "06-api-tokens": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("api_tokens")
        .addColumn("token_hash", "text", (column) => column.primaryKey())
        .addColumn("token_id", "text", (column) => column.notNull().unique())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("roles", "text", (column) => column.notNull())
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .addColumn("used_ms", "bigint")
        .addColumn("expires_ms", "bigint")
        .addColumn("revoked_ms", "bigint")
        .execute();
    },
  },
};
