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
        .addColumn("stores", "text")
        .addColumn("tasks", "text")
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .addColumn("used_ms", "bigint")
        .addColumn("expires_ms", "bigint")
        .addColumn("revoked_ms", "bigint")
        .execute();
    },
  },
  "20-people": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("people")
        .addColumn("person_id", "text", (column) => column.primaryKey())
        .addColumn("login", "text", (column) => column.notNull().unique())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("roles", "text", (column) => column.notNull())
        .addColumn("stores", "text")
        .addColumn("tasks", "text")
        .addColumn("skills", "text", (column) => column.notNull())
        .addColumn("password", "text")
        .addColumn("disabled_ms", "bigint")
        .addColumn("made_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("invitations")
        .addColumn("token_hash", "text", (column) => column.primaryKey())
        .addColumn("person_id", "text", (column) => column.notNull().unique())
        .addColumn("expires_ms", "bigint", (column) => column.notNull())
        .addColumn("made_by", "text", (column) => column.notNull())
        .execute();
    },
  },
  "21-sessions": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("sessions")
        .addColumn("token_hash", "text", (column) => column.primaryKey())
        .addColumn("session_id", "text", (column) => column.notNull().unique())
        .addColumn("person_id", "text", (column) => column.notNull())
        .addColumn("opened_ms", "bigint", (column) => column.notNull())
        .addColumn("seen_ms", "bigint", (column) => column.notNull())
        .addColumn("ends_ms", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("sessions_person").on("sessions").columns(["person_id"]).execute();
      await db.schema.createIndex("sessions_ends").on("sessions").columns(["ends_ms"]).execute();
      await db.schema
        .createTable("known_browsers")
        .addColumn("token_hash", "text", (column) => column.primaryKey())
        .addColumn("person_id", "text", (column) => column.notNull())
        .addColumn("seen_ms", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("known_browsers_person").on("known_browsers").columns(["person_id"]).execute();
    },
  },
  "22-identities": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("identities")
        .addColumn("issuer", "text", (column) => column.notNull())
        .addColumn("subject", "text", (column) => column.notNull())
        .addColumn("person_id", "text")
        .addColumn("email", "text")
        .addColumn("name", "text")
        .addColumn("seen_ms", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("identities_key", ["issuer", "subject"])
        .execute();
      await db.schema
        .createTable("oidc_flows")
        .addColumn("token_hash", "text", (column) => column.primaryKey())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("nonce", "text", (column) => column.notNull())
        .addColumn("verifier", "text", (column) => column.notNull())
        .addColumn("expires_ms", "bigint", (column) => column.notNull())
        .execute();
    },
  },
  "94-people-ends": {
    up: async (db: Kysely<unknown>) => {
      // Strangers may begin many sign-ins, and each one that begins takes away those that have ended.
      await db.schema.createIndex("oidc_flows_ends").on("oidc_flows").columns(["expires_ms"]).execute();
      await db.schema.createIndex("known_browsers_seen").on("known_browsers").columns(["seen_ms"]).execute();
    },
  },
};
