import { afterEach, beforeEach, expect, test } from "vitest";
import { type HubDatabase } from "../../cloud-sync/hub/database/database.ts";
import { createWebhookOutlet } from "../../cloud-sync/hub/webhooks/webhook-outlet.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { openReviewPlace, type ReviewPlace } from "../support/hub-review.ts";

/** On a database whose news have not come yet, as after each commit on PostgreSQL. */
const withoutNews = (database: HubDatabase): HubDatabase =>
  Object.create(database, { onNews: { value: () => () => undefined } }) as HubDatabase;

let place: ReviewPlace;
beforeEach(async () => {
  place = await openReviewPlace();
});
afterEach(() => place.close());

test("who has just asked is told the next event of this process, before any news say that somebody asked", async () => {
  const { database } = place;
  const outlet = createWebhookOutlet({
    database: withoutNews(database),
    clock: systemClock,
    random: systemRandom,
  });
  const emit = () =>
    database.write((trx) => outlet.emit(trx, [{ type: "config.changed", store: null, data: { layer: "fleet" } }]));
  const deliveries = () => database.read((db) => db.selectFrom("webhook_deliveries").select("webhook_id").execute());
  await emit();
  await database.write(async ({ db }) => {
    await db
      .insertInto("webhooks")
      .values({
        ...{ webhook_id: "hook", url: "https://example.com/", secret: "whsec_", off: null, stores: null },
        ...{ events: JSON.stringify(["config.changed"]), made_ms: 1, made_by: "Ada" },
      })
      .execute();
  });
  outlet.askersChanged();
  await emit();
  expect(await deliveries()).toEqual([{ webhook_id: "hook" }]);
  await database.write(async ({ db }) => {
    await db.updateTable("webhooks").set({ off: "gone" }).execute();
  });
  outlet.askersChanged();
  await emit();
  expect(await deliveries()).toHaveLength(1);
});
