import { afterAll, beforeAll, expect, test } from "vitest";
import { fakeClock } from "../../testing/index.ts";
import { liveOnce, type RungsLife } from "../support/both-rungs.ts";
import { openReviewPlace, seedStore, type ReviewPlace } from "../support/hub-review.ts";

const clock = fakeClock();
let place: ReviewPlace;
beforeAll(async () => {
  place = await openReviewPlace({ clock });
  await seedStore(place.database, "store_1");
});
afterAll(() => place.close());

// 200 lives of 50 rounds: docs/hub-gate.md.
test("with both rungs under a contract, coarse certificates break their promise no more often than they may", async () => {
  const world = { rounds: 35, decisionsPerRound: 80, maxError: 0.1, delta: 0.2 };
  const lives: RungsLife[] = [];
  for (let life = 0; life < 24; life += 1) lives.push(await liveOnce(place, clock, world, 7000 + life));
  const broken = lives.filter(({ isBroken }) => isBroken).length;
  const { delta } = world;
  expect(broken / lives.length).toBeLessThanOrEqual(delta + 2 * Math.sqrt((delta * (1 - delta)) / lives.length));
  // Most of them are certified, after the fine gate has begun to accept: a test that proves nothing would be valid, too.
  expect(lives.filter(({ isCertified }) => isCertified).length).toBeGreaterThan(lives.length / 2);
  expect(lives.some(({ isCertified, epochs }) => isCertified && epochs > 1)).toBe(true);
}, 120_000);
