import { sql, type Kysely } from "kysely";
import { type Migration } from "kysely/migration";

/** Few slots are in somebody's hands at a time. Questions must say it in these words: SQLite compares them. */
const inHand = sql<boolean>`state in ('leased', 'answered')`;

/**
 * The queue's indexes are partial: only what waits is in them, so that closed slots, which are nearly all, cost the next
 * case nothing. A reviewer of every store reads `review_slots_lane`, one of some stores `review_slots_store`.
 */
export const reviewMigrations: Readonly<Record<string, Migration>> = {
  "10-review-cases": { up: createReviewCases },
  "11-review-slots": { up: createReviewSlots },
  "12-reviews": { up: createReviews },
  "13-review-people": { up: createReviewPeople },
  "86-review-compared": { up: addComparedLabel },
  "93-review-gold": {
    up: async (db: Kysely<unknown>) => {
      // Few answers measure their reviewer, and the gate's keeper asks for them each time that it counts.
      await sql`create index reviews_gold on reviews (case_id) where is_gold = 1`.execute(db);
    },
  },
};

async function createReviewCases(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("review_cases")
    .addColumn("case_id", "text", (column) => column.primaryKey())
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("consensus", "text", (column) => column.notNull())
    .addColumn("is_open", "integer", (column) => column.notNull())
    .addColumn("rules", "text", (column) => column.notNull())
    .addColumn("model_label", "text")
    .addColumn("queue_key", "bigint", (column) => column.notNull())
    .addColumn("held_ms", "bigint", (column) => column.notNull())
    .addColumn("due_ms", "bigint")
    .addColumn("sent_answer", "text")
    .addColumn("sent_ms", "bigint")
    .addColumn("final_label", "text")
    .addColumn("final_by", "text")
    .addColumn("final_ms", "bigint")
    .addColumn("adjudicated_label", "text")
    .addColumn("adjudicated_source", "text")
    .addColumn("adjudicated_ms", "bigint")
    .addColumn("has_conflict", "integer", (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex("review_cases_labels")
    .on("review_cases")
    .columns(["task", "adjudicated_label", "adjudicated_ms"])
    .where(sql.ref("adjudicated_ms"), "is not", null)
    .execute();
  await db.schema
    .createIndex("review_cases_labelled")
    .on("review_cases")
    .columns(["adjudicated_ms", "case_id"])
    .where(sql.ref("adjudicated_ms"), "is not", null)
    .execute();
}

async function createReviewSlots(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("review_slots")
    .addColumn("slot_id", "text", (column) => column.primaryKey())
    .addColumn("case_id", "text", (column) => column.notNull())
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("role", "text", (column) => column.notNull())
    .addColumn("is_blind", "integer", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("machine", "text", (column) => column.notNull())
    .addColumn("reviewer_key", "text")
    .addColumn("person_id", "text")
    .addColumn("reviewer_name", "text")
    .addColumn("review_row", "text")
    .addColumn("lane", "text", (column) => column.notNull())
    .addColumn("queue_key", "bigint", (column) => column.notNull())
    .addColumn("held_ms", "bigint", (column) => column.notNull())
    .addColumn("due_ms", "bigint")
    .addColumn("wake_ms", "bigint")
    .execute();
  const index = (name: string, columns: readonly string[]) =>
    db.schema
      .createIndex(name)
      .on("review_slots")
      .columns([...columns]);
  const waiting = sql<boolean>`state = 'waiting'`;
  await index("review_slots_lane", ["lane", "queue_key", "slot_id"]).where(waiting).execute();
  await index("review_slots_store", ["store", "lane", "queue_key", "slot_id"]).where(waiting).execute();
  await index("review_slots_held", ["reviewer_key"]).where(inHand).execute();
  await index("review_slots_wake", ["wake_ms"])
    .where(sql<boolean>`wake_ms is not null`)
    .execute();
  await index("review_slots_case", ["case_id"]).execute();
  await db.schema
    .createTable("review_lanes")
    .addColumn("lane", "text", (column) => column.primaryKey())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("skill", "text")
    .addColumn("is_lead", "integer", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("review_lane_stores")
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("lane", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("review_lane_stores_key", ["store", "lane"])
    .execute();
  await db.schema
    .createTable("review_exclusions")
    .addColumn("case_id", "text", (column) => column.notNull())
    .addColumn("person_id", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("review_exclusions_key", ["case_id", "person_id"])
    .execute();
}

async function createReviews(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("reviews")
    .addColumn("review_row", "text", (column) => column.primaryKey())
    .addColumn("case_id", "text", (column) => column.notNull())
    .addColumn("slot_id", "text")
    .addColumn("review_id", "text", (column) => column.notNull())
    .addColumn("role", "text")
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("person_id", "text")
    .addColumn("reviewer_name", "text", (column) => column.notNull())
    .addColumn("answer", "text", (column) => column.notNull())
    .addColumn("label", "text")
    .addColumn("took_ms", "bigint")
    .addColumn("is_gold", "integer", (column) => column.notNull())
    .addColumn("is_right", "integer")
    .addColumn("is_late", "integer", (column) => column.notNull())
    .addColumn("has_conflict", "integer", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .execute();
  // A review that comes twice, from a page or in an agent's outbox, is one review.
  await db.schema
    .createIndex("reviews_once")
    .unique()
    .on("reviews")
    .columns(["case_id", "source", "review_id"])
    .execute();
}

async function createReviewPeople(db: Kysely<unknown>): Promise<void> {
  const count = [
    "answered",
    "cannot_tell",
    "gold_shown",
    "gold_right",
    "judged",
    "upheld",
    "took_ms_sum",
    "took_count",
  ];
  let stats = db.schema
    .createTable("review_stats")
    .addColumn("person_id", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("reviewer_name", "text", (column) => column.notNull());
  for (const name of count) stats = stats.addColumn(name, "bigint", (column) => column.notNull().defaultTo(0));
  await stats.addPrimaryKeyConstraint("review_stats_key", ["person_id", "task"]).execute();
  await db.schema
    .createTable("review_gold")
    .addColumn("case_id", "text", (column) => column.primaryKey())
    .addColumn("store", "text", (column) => column.notNull())
    .addColumn("task", "text", (column) => column.notNull())
    .addColumn("label", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("spot", "bigint", (column) => column.notNull())
    .addColumn("made_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("review_gold_spot").on("review_gold").columns(["task", "spot"]).execute();
  await db.schema
    .createTable("review_policies")
    .addColumn("task", "text", (column) => column.primaryKey())
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("changed_ms", "bigint", (column) => column.notNull())
    .addColumn("changed_by", "text", (column) => column.notNull())
    .execute();
}

async function addComparedLabel(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("review_cases").addColumn("compared_label", "text").execute();
  await sql`update review_cases set compared_label = model_label`.execute(db);
}
