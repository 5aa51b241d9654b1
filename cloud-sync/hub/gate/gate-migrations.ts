import { sql, type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

export const gateMigrations: Readonly<Record<string, Migration>> = {
  "80-gate-labels": { up: createLabels },
  "81-gate-states": { up: createStates },
  "82-gate-proposals": { up: createProposals },
  "83-gate-accepts": { up: createAccepts },
  "84-gate-coarse": {
    up: async (db: Kysely<unknown>) => {
      await db.schema.alterTable("store_tasks").addColumn("coarse", "text").execute();
    },
  },
  "85-gate-rungs": { up: bothRungs },
  "87-gate-groups": {
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .alterTable("gate_groups")
        .addColumn("came_ms", "bigint", (column) => column.notNull().defaultTo(0))
        .execute();
      // Those that no label was held against are kept by the stores that have them now.
      await sql`update gate_groups set came_ms = coalesce((
        select max(gate_labels.came_ms) from gate_labels where gate_labels.label_groups = gate_groups.digest), 0)`.execute(
        db,
      );
    },
  },
  "91-gate-raises": { up: createRaises },
};

/** Columns of a key and their types, in the order of the primary key. */
const stateKey = ["level", "scope", "task", "label", "rung", "model", "calibration"] as const;

/** Columns of the labels beside their key, and whether each must be there. */
const labelColumns = [
  ...(["store", "task", "kind", "rung", "predicted"] as const).map((name) => [name, "text", true] as const),
  ...(["confidence", "gate_threshold"] as const).map((name) => [name, "double precision", true] as const),
  ["certificate", "text", false],
  ...(["model", "calibration"] as const).map((name) => [name, "text", true] as const),
  ...(["propensity", "propensity_min"] as const).map((name) => [name, "double precision", true] as const),
  ...(["is_uniform", "is_rule"] as const).map((name) => [name, "integer", true] as const),
  ["basket", "text", false],
  ...(["held_ms", "came_ms"] as const).map((name) => [name, "bigint", true] as const),
  ["state", "text", true],
  ["truth", "text", false],
  ["is_wrong", "integer", false],
  ["source", "text", false],
  ...(["answered_ms", "counted_ms"] as const).map((name) => [name, "bigint", false] as const),
] as const;

function labelTable(db: Kysely<unknown>, table: string) {
  return labelColumns.reduce(
    (so, [name, type, isNeeded]) => so.addColumn(name, type, (column) => (isNeeded ? column.notNull() : column)),
    db.schema.createTable(table),
  );
}

async function labelIndexes(db: Kysely<unknown>): Promise<void> {
  // What the keeper is to take, in its order; what is counted leaves the index.
  await sql`create index gate_labels_due on gate_labels (task, answered_ms, case_id) where state in ('pending', 'ready')`.execute(
    db,
  );
  await sql`create index gate_labels_basket on gate_labels (task, basket) where basket is not null`.execute(db);
  await db.schema.createIndex("gate_labels_task").on("gate_labels").columns(["task", "came_ms"]).execute();
  await db.schema.createIndex("gate_labels_came").on("gate_labels").columns(["came_ms"]).execute();
}

async function createLabels(db: Kysely<unknown>): Promise<void> {
  await labelTable(db, "gate_labels")
    .addColumn("case_id", "text", (column) => column.primaryKey())
    .execute();
  await labelIndexes(db);
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

async function createStates(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("gate_labels").addColumn("counted_n", "bigint").execute();
  await db.schema
    .createTable("gate_tasks")
    .addColumn("task", "text", (column) => column.primaryKey())
    .addColumn("last_n", "bigint", (column) => column.notNull())
    .addColumn("look_ms", "bigint", (column) => column.notNull())
    .addColumn("answer_p95_ms", "bigint")
    .addColumn("proposed_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("gate_log")
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("n", "bigint", (column) => column.notNull())
    .addColumn("case_id", "text", (column) => column.notNull())
    .addColumn("is_wrong", "integer", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_log_key", ["task", "n"])
    .execute();
  await keyed(db, "gate_states")
    .addColumn("purpose", "text", (column) => column.notNull())
    .addColumn("contract", "text", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("epoch", "bigint", (column) => column.notNull())
    .addColumn("epoch_n", "bigint", (column) => column.notNull())
    .addColumn("labels", "bigint", (column) => column.notNull())
    .addColumn("gate_threshold", "double precision")
    .addColumn("certificate", "text")
    .addColumn("renewal", "bigint", (column) => column.notNull())
    .addColumn("issued_ms", "bigint", (column) => column.notNull())
    .addColumn("lapse_ms", "bigint")
    .addColumn("changed_ms", "bigint", (column) => column.notNull())
    .addColumn("miss_share", "double precision", (column) => column.notNull())
    .addColumn("told_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_states_key", keyColumns())
    .execute();
  await db.schema.createIndex("gate_states_task").on("gate_states").columns(["task", "changed_ms"]).execute();
  await createCertificates(db);
}

async function createCertificates(db: Kysely<unknown>): Promise<void> {
  await keyed(db, "gate_certificates")
    .addColumn("certificate", "text", (column) => column.notNull())
    .addColumn("renewal", "bigint", (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("issued_ms", "bigint", (column) => column.notNull())
    .addColumn("is_newest", "integer", (column) => column.notNull())
    .addColumn("log_n", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_certificates_key", ["certificate", "renewal"])
    .execute();
  await sql`create index gate_certificates_newest on gate_certificates (level, scope, task) where is_newest = 1`.execute(
    db,
  );
  await db.schema
    .createIndex("gate_certificates_state")
    .on("gate_certificates")
    .columns(["task", "level", "scope", "issued_ms"])
    .execute();
  await keyed(db, "gate_history")
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("epoch", "bigint", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("labels", "bigint", (column) => column.notNull())
    .addColumn("errors", "bigint", (column) => column.notNull())
    .addColumn("ln_evidence", "double precision", (column) => column.notNull())
    .addColumn("gate_threshold", "double precision")
    .addColumn("upper_bound", "double precision")
    .addPrimaryKeyConstraint("gate_history_key", [...keyColumns(), "at_ms"])
    .execute();
  await db.schema
    .createTable("gate_adjusts")
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("model", "text", (column) => column.notNull())
    .addColumn("calibration", "text", (column) => column.notNull())
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("slope", "double precision", (column) => column.notNull())
    .addColumn("intercept", "double precision", (column) => column.notNull())
    .addColumn("labels", "bigint", (column) => column.notNull())
    .addColumn("fitted_ms", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_adjusts_key", ["task", "model", "calibration", "store"])
    .execute();
}

/** The builder knows only the columns that were added by name; these were added by a list. */
function keyColumns(): never[] {
  return [...stateKey] as never[];
}

function keyed(db: Kysely<unknown>, table: string) {
  const made = db.schema.createTable(table).addColumn("level", "text", (column) => column.notNull());
  return stateKey.slice(1).reduce((so, name) => so.addColumn(name, "text", (column) => column.notNull()), made);
}

async function createProposals(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("gate_proposals")
    .addColumn("proposal_id", "text", (column) => column.primaryKey())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("subject", "text", (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("made_ms", "bigint", (column) => column.notNull())
    .addColumn("ended_ms", "bigint")
    .addColumn("ended_by", "text")
    .addColumn("why", "text")
    .execute();
  await sql`create unique index gate_proposals_open on gate_proposals (task, subject) where state = 'open'`.execute(db);
  await db.schema
    .createTable("gate_limits")
    .addColumn("task", "text", (column) => column.primaryKey())
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("changed_ms", "bigint", (column) => column.notNull())
    .addColumn("changed_by", "text", (column) => column.notNull())
    .execute();
}

async function createAccepts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("decision_hours")
    .addColumn("by_rule", "bigint", (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable("gate_accepts")
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("hour_ms", "bigint", (column) => column.notNull())
    .addColumn("accepted", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_accepts_key", ["task", "store", "hour_ms"])
    .execute();
}

/** A raise of an earlier release has no row until somebody raises the gate again. */
async function createRaises(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("gate_raises")
    .addColumn("level", "text", (column) => column.notNull())
    .addColumn("scope", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("label", "text", (column) => column.notNull())
    .addColumn("rung", "text", (column) => column.notNull())
    .addColumn("gate_threshold", "double precision")
    .addColumn("raised_by", "text", (column) => column.notNull())
    .addColumn("raised_ms", "bigint", (column) => column.notNull())
    .addColumn("why", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("gate_raises_key", ["task", "level", "scope", "label", "rung"])
    .execute();
}

/** A case may have a row for each rung. SQLite cannot change a primary key, so the table is made anew. */
async function bothRungs(db: Kysely<unknown>): Promise<void> {
  for (const index of ["due", "basket", "task", "came"]) {
    await db.schema.dropIndex(`gate_labels_${index}`).execute();
  }
  await db.schema.alterTable("gate_labels").renameTo("gate_labels_before").execute();
  await labelTable(db, "gate_labels")
    .addColumn("case_id", "text", (column) => column.notNull())
    .addColumn("counted_n", "bigint")
    .addColumn("label_groups", "text")
    .addColumn("fine_confidence", "double precision")
    .addColumn("fine_calibration", "text")
    .addColumn("fine_gate_threshold", "double precision")
    .addPrimaryKeyConstraint("gate_labels_key", ["case_id", "rung"] as never[])
    .execute();
  const kept = sql.join(["case_id", "counted_n", ...labelColumns.map(([name]) => name)].map((name) => sql.ref(name)));
  await sql`insert into gate_labels (${kept}) select ${kept} from gate_labels_before`.execute(db);
  await db.schema.dropTable("gate_labels_before").execute();
  await labelIndexes(db);
  await db.schema
    .alterTable("gate_log")
    .addColumn("rung", "text", (column) => column.notNull().defaultTo("fine"))
    .execute();
  await sql`update gate_log set rung = 'coarse' where exists (
    select 1 from gate_labels where gate_labels.case_id = gate_log.case_id and gate_labels.rung = 'coarse')`.execute(
    db,
  );
  await db.schema.alterTable("gate_states").addColumn("residual", "text").execute();
  await db.schema
    .createTable("gate_groups")
    .addColumn("digest", "text", (column) => column.primaryKey())
    .addColumn("labels", "text", (column) => column.notNull())
    .addColumn("coarse", "text", (column) => column.notNull())
    .execute();
  await sql`insert into gate_groups (digest, labels, coarse) select labels_digest, min(labels), min(coarse) from store_tasks
    where coarse is not null and labels_digest is not null group by labels_digest`.execute(db);
}
