import { expect, test } from "vitest";
import { type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { listCases } from "../../cloud-sync/hub/cases/case-list.ts";
import { caseStory, findCase } from "../../cloud-sync/hub/cases/case-story.ts";
import { createHubReviewStore } from "../../cloud-sync/hub/review/hub-review-store.ts";
import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { fakeClock } from "../../testing/index.ts";
import { newsHeard, openReviewPlace, seedCases, seedStore } from "../support/hub-review.ts";

const auditor: PersonCaller = {
  ...{ kind: "person", id: "p", name: "P", roles: ["auditor"], permissions: new Set(), stores: null, tasks: null },
  ...{ skills: [], sessionId: "s" },
};
const person = (name: string, isLead: boolean): Reviewer => ({
  ...{ key: `session of ${name}`, name },
  scope: { person: `person:${name}`, stores: null, tasks: null, skills: [], isLead },
});

test("an audit sample is waited for until its reviewers have the last word, because no journal says more of it", async () => {
  const clock = fakeClock();
  const place = await openReviewPlace({ clock });
  const store = createHubReviewStore({ ...place.parts, vault: place.vault });
  try {
    await seedStore(place.database, "store_1");
    await newsHeard(place.database);
    const held = async () => (await seedCases(place, 1, { kind: "audit", leftMs: null, label: "Kiwi" }))[0] ?? "";
    const answer = async (reviewer: Reviewer, label: string) => {
      const [found] = (await store.next(reviewer, 1)).cases;
      const submit = { generation: found?.lease?.generation ?? 0, reviewId: `${reviewer.name} ${label}`, tookMs: 1 };
      const given = { ...submit, answer: { kind: "label" as const, label } };
      expect(await store.submit(reviewer, found?.id ?? "", given)).toMatchObject({ ok: true });
      clock.advance(10_000);
      await store.sweeper.sweep();
    };
    const cases = async (state: "open" | "final") => {
      const { items } = await listCases(place.database, auditor, { state, limit: 9 });
      for (const { id } of items) {
        const story = await caseStory(place.database, auditor, await findCase(place.database, auditor, id));
        expect(story.state).toBe(state);
      }
      expect(items.every((item) => item.state === state)).toBe(true);
      return items.map(({ id }) => id);
    };
    const same = await held();
    expect([await cases("open"), await cases("final")]).toEqual([[same], []]);
    await answer(person("Anna", false), "Kiwi");
    expect([await cases("open"), await cases("final")]).toEqual([[], [same]]);
    const other = await held();
    await answer(person("Anna", false), "Banana");
    expect(await cases("open")).toEqual([other]);
    await answer(person("Lena", true), "Banana");
    expect([await cases("open"), (await cases("final")).length]).toEqual([[], 2]);
  } finally {
    await store.close();
    await place.close();
  }
});
