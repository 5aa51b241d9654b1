import { afterAll, beforeAll, expect, test } from "vitest";
import { appendToFeed } from "../../cloud-sync/hub/feed/feed.ts";
import { openReviewPlace, seedStore, type ReviewPlace } from "../support/hub-review.ts";
import { overBothUrls } from "../support/hub-start.ts";

overBothUrls("an agent's feed", (newUrl) => {
  let place: ReviewPlace;
  beforeAll(async () => {
    place = await openReviewPlace({ url: await newUrl() });
  });
  afterAll(() => place.close());

  test("has what its box is to be told, until the box is shut out: what comes then is dropped", async () => {
    const { database } = place;
    await seedStore(database, "store_1", "agent-1");
    const erase = (id: string) => database.write((trx) => appendToFeed(trx, "agent-1", { kind: "erase", id }, 1));
    await erase("before");
    await database.write(({ db }) => db.updateTable("agents").set({ state: "revoked" }).execute());
    await erase("after");
    const rows = await database.read((db) => db.selectFrom("feed_items").select(["seq", "body"]).execute());
    expect(rows).toEqual([{ seq: 1, body: JSON.stringify({ kind: "erase", id: "before" }) }]);
  });
});
