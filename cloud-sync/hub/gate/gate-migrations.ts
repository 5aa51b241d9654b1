import { sql, type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const gateMigrations: Readonly<Record<string, Migration>> = {
  "80-gate-labels": { up: createLabels },
};

async function createLabels(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("gate_labels")
    .addColumn("case_id", "text", (column) => column.primaryKey())
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("rung", "text", (column) => column.notNull())
    .addColumn("predicted", "text", (column) => column.notNull())
    .addColumn("confidence", "double precision", (column) => column.notNull())
    .addColumn("gate_threshold", "double precision", (column) => column.notNull())
    .addColumn("certificate", "text")
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("calibration", "text", (column) => column.notNull())
    .addColumn("propensity", "double precision", (column) => column.notNull())
    .addColumn("propensity_min", "double precision", (column) => column.notNull())
    .addColumn("is_uniform", "integer", (column) => column.notNull())
    .addColumn("is_rule", "integer", (column) => column.notNull())
    .addColumn("basket", "text")
    .addColumn("held_ms", "bigint", (column) => column.notNull())
    .addColumn("came_ms", "bigint", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("truth", "text")
    .addColumn("is_wrong", "integer")
    .addColumn("source", "text")
    .addColumn("answered_ms", "bigint")
    .addColumn("counted_ms", "bigint")
    .execute();
  // What the keeper is to take, in its order; what is counted leaves the index.
  await sql`create index gate_labels_due on gate_labels (task, answered_ms, case_id) where state in ('pending', 'ready')`.execute(
    db,
  );
  await sql`create index gate_labels_basket on gate_labels (task, basket) where basket is not null`.execute(db);
  await db.schema.createIndex("gate_labels_task").on("gate_labels").columns(["task", "came_ms"]).execute();
  await db.schema.createIndex("gate_labels_came").on("gate_labels").columns(["came_ms"]).execute();
  await db.schema
    .createTable("gate_contracts")
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("label", "text", (column) => column.notNull())
    .addColumn("rung", "text", (column) => column.notNull())
    .addColumn("level", "text", (column) => column.notNull())
    .addColumn("scope", "text", (column) => column.notNull())
    .addColumn("contract", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_contracts_key", ["store", "task", "label", "rung"])
    .execute();
  await db.schema.createIndex("gate_contracts_task").on("gate_contracts").columns(["task", "level", "scope"]).execute();
  await db.schema
    .createTable("gate_head")
    .addColumn("one", "integer", (column) => column.primaryKey())
    .addColumn("config_stamp", "text", (column) => column.notNull())
    .execute();
}
