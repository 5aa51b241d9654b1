import { type Kysely } from "kysely";
import { type Migration } from "kysely/migration";
import { repeatMigrations } from "../api/repeat-migrations.ts";
import { auditMigrations } from "../audit/audit-migrations.ts";
import { caseMigrations } from "../cases/case-migrations.ts";
import { configMigrations } from "../config/config-migrations.ts";
import { dropInMigrations } from "../drop-in/drop-in-migrations.ts";
import { fleetMigrations } from "../fleet/fleet-migrations.ts";
import { gateMigrations } from "../gate/gate-migrations.ts";
import { peopleMigrations } from "../people/people-migrations.ts";
import { privacyMigrations } from "../privacy/privacy-migrations.ts";
import { webhookMigrations } from "../webhooks/webhook-migrations.ts";
import { reviewMigrations } from "../review/review-migrations.ts";

/**
 * The hub's schema, step by step; Kysely's migrator runs what is missing, in the order of the names, one process at a
 * time. A step that a release has shipped is never changed.
 */
export type HubMigrations = Readonly<Record<string, Migration>>;

const instanceMigrations: HubMigrations = {
  "01-instance": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable("hub_instance")
        .addColumn("one", "integer", (column) => column.primaryKey())
        .addColumn("hub_id", "text", (column) => column.notNull())
        .addColumn("created_ms", "bigint", (column) => column.notNull())
        .addColumn("signing_key", "text")
        .execute();
    },
  },
};

export const hubMigrations: HubMigrations = {
  ...instanceMigrations,
  ...fleetMigrations,
  ...caseMigrations,
  ...auditMigrations,
  ...peopleMigrations,
  ...repeatMigrations,
  ...reviewMigrations,
  ...configMigrations,
  ...webhookMigrations,
  ...privacyMigrations,
  ...dropInMigrations,
  ...gateMigrations,
};
