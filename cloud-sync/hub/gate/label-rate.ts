import { type Kysely } from "kysely";
import { type HubTables } from "../database/tables.ts";
import { type GateName } from "./gate-list.ts";

const dayMs = 86_400_000;
const windowMs = 7 * dayMs;
/** Less than that says nothing of a day. */
const [labelsMin, elapsedMsMin] = [20, 3_600_000];

/**
 * Labels that a launch can be made of, for a day, by those that came in the last week; null while they are too few to tell.
 *
 * @param stores of the gate; at most as many as one question may name
 */
export async function labelsPerDay(
  db: Kysely<HubTables>,
  { task, rung, label }: GateName,
  stores: readonly string[],
  { model, calibration }: { readonly model: string; readonly calibration: string },
  nowMs: number,
): Promise<number | null> {
  const found = await db
    .selectFrom("gate_labels")
    .select((row) => [row.fn.countAll<number>().as("labels"), row.fn.min("came_ms").as("first_ms")])
    .where("task", "=", task)
    .where("came_ms", ">", nowMs - windowMs)
    .where("rung", "=", rung)
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .where("counted_n", ">", 0)
    .where("propensity_min", "=", 1)
    .where("store", "in", stores)
    .$if(label !== null, (query) => query.where("predicted", "=", label ?? ""))
    .executeTakeFirst();
  const elapsedMs = nowMs - (found?.first_ms ?? nowMs);
  if (!found || found.labels < labelsMin || elapsedMs < elapsedMsMin) return null;
  return (found.labels / elapsedMs) * dayMs;
}
