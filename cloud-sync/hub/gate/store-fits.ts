import { fitStoreAdjustments } from "../../../models/measure/store-adjustment.ts";
import { type HubTransaction } from "../database/database.ts";
import { insertRows } from "../database/insert-rows.ts";
import { type StateKey } from "./gate-tables.ts";

/** Labels that a fit takes; the newest. */
const labelsMax = 20_000;
/** Fewer say nothing of how stores differ: the model's own calibration stays. */
const labelsMin = 200;
const rowsAtOnce = 500;

/**
 * Fits each store's own calibration over the model's, of labels that were counted before: what certifies is counted after,
 * so the two share none. Done when a group's certificate begins and when its epoch does, and fixed until the next one.
 * A label is chosen by its confidence and never by what it says, so the fit needs no weights.
 */
export async function fitStores(
  trx: HubTransaction,
  { task, model, calibration }: Pick<StateKey, "task" | "model" | "calibration">,
  nowMs: number,
): Promise<void> {
  const rows = await trx.db
    .selectFrom("gate_labels")
    .select(["store", "confidence", "is_wrong"])
    .where("task", "=", task)
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .where("rung", "=", "fine")
    .where("is_rule", "=", 0)
    .where("counted_ms", "is not", null)
    .where("is_wrong", "is not", null)
    .orderBy("came_ms", "desc")
    .limit(labelsMax)
    .execute();
  await trx.db
    .deleteFrom("gate_adjusts")
    .where("task", "=", task)
    .where("model", "=", model)
    .where("calibration", "=", calibration)
    .execute();
  if (rows.length < labelsMin) return;
  const { adjustments } = fitStoreAdjustments(
    rows.map((row) => row.confidence),
    rows.map((row) => (row.is_wrong === 0 ? 1 : 0)),
    rows.map((row) => row.store),
  );
  const counts = new Map<string, number>();
  for (const { store } of rows) counts.set(store, (counts.get(store) ?? 0) + 1);
  // A slope that turned the order of confidences around would be noise: such a store keeps the model's calibration.
  const fitted = [...adjustments]
    .filter(([, { slope }]) => slope > 0)
    .map(([store, { slope, offset }]) => ({
      ...{
        task,
        model,
        calibration,
        store,
        slope,
        intercept: offset,
        labels: counts.get(store) ?? 0,
        fitted_ms: nowMs,
      },
    }));
  for (let from = 0; from < fitted.length; from += rowsAtOnce) {
    await insertRows(trx, "gate_adjusts", fitted.slice(from, from + rowsAtOnce));
  }
}
