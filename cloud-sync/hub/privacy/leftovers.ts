import { type DeleteResult } from "kysely";
import { type HubTransaction } from "../database/database.ts";
import { type HubParts } from "../room.ts";

const day = 86_400_000;
/** Rows of one kind that one step deletes. */
const rowsMax = 500;

/** How long what is no case is kept. docs/hub-privacy.md has the table. */
const keptMs = Object.freeze({
  /** Parts of an upload that was never finished; it begins anew. */
  uploadParts: day,
  quarantine: 90 * day,
  deliveriesSent: 3 * day,
  deliveriesDead: 30 * day,
  enrolTokens: 30 * day,
  decisionHours: 400 * day,
  gateLabels: 400 * day,
});

/** Deletes what is past its time, a bounded step of each kind. Returns whether there is more. */
export async function clearLeftovers({ database, clock }: Pick<HubParts, "database" | "clock">): Promise<boolean> {
  const nowMs = Math.round(clock.wallMs());
  const deleted = await database.write(async ({ db }) => [
    await db
      .deleteFrom("blob_parts")
      .where("case_id", "in", (rows) =>
        rows
          .selectFrom("blob_parts")
          .select("case_id")
          .where("came_ms", "<", nowMs - keptMs.uploadParts)
          .limit(rowsMax),
      )
      .executeTakeFirst(),
    await db
      .deleteFrom("quarantine")
      .where("quarantine_id", "in", (rows) =>
        rows
          .selectFrom("quarantine")
          .select("quarantine_id")
          .where("at_ms", "<", nowMs - keptMs.quarantine)
          .limit(rowsMax),
      )
      .executeTakeFirst(),
    await db
      .deleteFrom("webhook_deliveries")
      .where("delivery_id", "in", (rows) =>
        rows
          .selectFrom("webhook_deliveries")
          .select("delivery_id")
          // By their end alone in the index: what was sent in the last days is not looked at.
          .where("ended_ms", "<", nowMs - keptMs.deliveriesSent)
          .where((row) => row.or([row("state", "=", "sent"), row("ended_ms", "<", nowMs - keptMs.deliveriesDead)]))
          .limit(rowsMax),
      )
      .executeTakeFirst(),
    await db
      .deleteFrom("enrol_tokens")
      .where("expires_ms", "<", nowMs - keptMs.enrolTokens)
      .executeTakeFirst(),
    await db
      .deleteFrom("gate_labels")
      .where("case_id", "in", (rows) =>
        rows
          .selectFrom("gate_labels")
          .select("case_id")
          .where("came_ms", "<", nowMs - keptMs.gateLabels)
          .limit(rowsMax),
      )
      .executeTakeFirst(),
    await forgetGroups(db, nowMs - keptMs.gateLabels),
    await db
      .deleteFrom("decision_hours")
      .where("hour_ms", "<", nowMs - keptMs.decisionHours)
      .executeTakeFirst(),
  ]);
  return deleted.some(({ numDeletedRows }) => numDeletedRows >= BigInt(rowsMax));
}

/** Groups of models that no store runs any more, with the last labels that were held against them. */
function forgetGroups(db: HubTransaction["db"], beforeMs: number): Promise<DeleteResult> {
  return db
    .deleteFrom("gate_groups")
    .where("digest", "in", (rows) =>
      rows
        .selectFrom("gate_groups")
        .select("digest")
        .where("came_ms", "<", beforeMs)
        .where("digest", "not in", (run) =>
          run
            .selectFrom("store_tasks")
            .select("labels_digest")
            .where("labels_digest", "is not", null)
            .$castTo<{ labels_digest: string }>(),
        )
        .limit(rowsMax),
    )
    .executeTakeFirst();
}
