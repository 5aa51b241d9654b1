import { type Kysely, type SelectQueryBuilder } from "kysely";
import { type Reviewer, type ReviewPicture } from "../../review/review-store.ts";
import { type HubDatabase } from "../database/database.ts";
import { type HubTables } from "../database/tables.ts";
import { slotViews } from "./slot-view.ts";
import { type SlotRow } from "./slots.ts";

/**
 * Confirmed pictures beside a case: for each label that is suggested, the last ones that people, or the world, have said
 * to be it. Of the same task, in stores of this reviewer, and never the case itself (a gold case is a confirmed one).
 */
export interface LookAlike {
  readonly label: string;
  readonly pictures: { readonly caseId: string; readonly url: string; readonly confirmedAtMs: number }[];
}

const picturesMax = 3;
const labelsMax = 6;

export async function lookAlikesOf(database: HubDatabase, reviewer: Reviewer, slot: SlotRow): Promise<LookAlike[]> {
  const [view] = await slotViews(database, [slot]);
  const labels = [...new Set((view?.suggestions ?? []).map(({ label }) => label))].slice(0, labelsMax);
  const found: LookAlike[] = [];
  for (const label of labels) {
    const rows = await database.read((db) =>
      confirmed(db, reviewer, slot)
        .where("r.adjudicated_label", "=", label)
        .orderBy("r.adjudicated_ms", "desc")
        .limit(picturesMax)
        .execute(),
    );
    const pictures = rows.map((row) => ({
      caseId: row.case_id,
      url: `/v1/review/cases/${slot.slot_id}/look-alikes/${row.case_id}/picture`,
      confirmedAtMs: row.adjudicated_ms ?? 0,
    }));
    found.push({ label, pictures });
  }
  return found;
}

export async function confirmedPicture(
  database: HubDatabase,
  reviewer: Reviewer,
  slot: SlotRow,
  caseId: string,
): Promise<{ readonly caseId: string; readonly contentType: ReviewPicture["contentType"] } | null> {
  const [view] = await slotViews(database, [slot]);
  const labels = (view?.suggestions ?? []).map(({ label }) => label);
  if (labels.length === 0) return null;
  const row = await database.read((db) =>
    confirmed(db, reviewer, slot)
      .where("r.case_id", "=", caseId)
      .where("r.adjudicated_label", "in", labels)
      .executeTakeFirst(),
  );
  return row?.picture_type ? { caseId: row.case_id, contentType: row.picture_type } : null;
}

interface Confirmed {
  readonly case_id: string;
  readonly adjudicated_ms: number | null;
  readonly picture_type: ReviewPicture["contentType"] | null;
}
type Joined = HubTables & { r: HubTables["review_cases"]; c: HubTables["cases"] };

function confirmed(
  db: Kysely<HubTables>,
  reviewer: Reviewer,
  slot: SlotRow,
): SelectQueryBuilder<Joined, "r" | "c", Confirmed> {
  const stores = reviewer.scope?.stores ?? null;
  const query = db
    .selectFrom("review_cases as r")
    .innerJoin("cases as c", "c.case_id", "r.case_id")
    .select(["r.case_id", "r.adjudicated_ms", "c.picture_type"])
    .where("r.task", "=", slot.task)
    .where("r.adjudicated_ms", "is not", null)
    .where("r.has_conflict", "=", 0)
    .where("r.case_id", "!=", slot.case_id)
    .where("c.picture_state", "=", "kept")
    .where("c.state", "!=", "erased");
  return stores === null ? query : query.where("r.store", "in", [...stores]);
}
