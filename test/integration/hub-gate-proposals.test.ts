import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refreshContracts } from "../../cloud-sync/hub/gate/gate-contracts.ts";
import { changeLimits, type GateLimits } from "../../cloud-sync/hub/gate/gate-limits.ts";
import { endProposal, renewProposals } from "../../cloud-sync/hub/gate/proposal-desk.ts";
import { type PersonCaller } from "../../cloud-sync/hub/api/caller.ts";
import { fakeClock, type FakeClock } from "../../testing/index.ts";
import { beginTask } from "../support/gate-keeping.ts";
import { openReviewPlace, seedStore, type ReviewPlace } from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const admin: PersonCaller = {
  ...{ kind: "person", id: "p1", name: "Olga", roles: ["admin"], permissions: new Set(), stores: null, tasks: null },
  ...{ skills: [], sessionId: "s1" },
};

function proposalSuite(open: (clock: FakeClock) => Promise<ReviewPlace>): void {
  const clock = fakeClock();
  let place: ReviewPlace;
  beforeAll(async () => {
    place = await open(clock);
    await seedStore(place.database, "store_1");
  });
  afterAll(() => place.close());

  const begin = (text?: (task: string) => string) => beginTask(place, clock, text);

  test("a floor that costs reviews is proposed, applied by a person with one call, and not proposed again", async () => {
    const { task, held, judge, keep } = await begin();
    await judge(await held(160, { confidence: 0.9 }));
    await keep();
    await place.database.write(({ db }) =>
      db
        .insertInto("config_layers")
        .values({
          ...{ layer: "store", scope: "store_1", revision: 4, changed_ms: 1, changed_by: "test" },
          text: `# ours\nthresholds:\n  ${task}: 0.99 # careful\n`,
        })
        .execute(),
    );
    expect(await renewProposals(place.parts, task)).toBe(1);
    expect(await renewProposals(place.parts, task)).toBe(1);
    const [row] = await place.database.read((db) =>
      db.selectFrom("gate_proposals").selectAll().where("task", "=", task).execute(),
    );
    const id = row?.proposal_id ?? "";
    const narrow = { ...admin, stores: ["store_2"] };
    await expect(endProposal(place.parts, narrow, id, "applied", "x")).rejects.toMatchObject({ code: "HP_NOT_FOUND" });
    const applied = await endProposal(place.parts, admin, id, "applied", "looks right");
    expect(applied).toMatchObject({ state: "applied", kind: "drop_floor", endedBy: "Olga", stores: ["store_1"] });
    expect(applied.title).toMatch(
      /^Lower the gate for task \d+ in one store: 1000 fewer reviews per 1,000, error bound /,
    );
    const layer = await place.database.read((db) =>
      db.selectFrom("config_layers").selectAll().where("scope", "=", "store_1").executeTakeFirstOrThrow(),
    );
    expect(layer).toMatchObject({ revision: 5, changed_by: "Olga" });
    expect(layer.text).not.toContain(task);
    await expect(endProposal(place.parts, admin, id, "applied", "x")).rejects.toMatchObject({ code: "HP_CONFLICT" });
    expect(await renewProposals(place.parts, task)).toBe(0);
  });

  test("a looser promise that people can serve is proposed, and lowers no gate threshold before its own certificate", async () => {
    const { task, held, judge, keep, state } = await begin(
      (name) =>
        `thresholds: { ${name}: { max_error: 0.1, delta: 0.2, launch_labels: 150 } } # ours\n` +
        `tasks: { ${name}: { review_capacity: { per_1000: 100, answer_within: 30s } } }\n`,
    );
    const answer = async (): Promise<void> => {
      for (let round = 0; round < 10; round += 1) {
        await judge(await held(10, { confidence: 0.95 }));
        await judge(await held(4, { confidence: 0.6 }));
        await judge(await held(1, { confidence: 0.6 }), true);
      }
      for (let left = 1; left > 0; left = await keep()) expect(left).toBeGreaterThan(0);
    };
    await answer();
    const before = await state();
    expect(before).toMatchObject({ kind: "certified" });
    expect(before?.gate_threshold).toBeGreaterThan(0.6);
    // One that somebody else's edit has overtaken cannot be applied.
    const layerText = (text: string) =>
      place.database.write(({ db }) =>
        db.updateTable("config_layers").set({ text }).where("layer", "=", "fleet").execute(),
      );
    const { text } = await place.database.read((db) =>
      db.selectFrom("config_layers").select("text").where("layer", "=", "fleet").executeTakeFirstOrThrow(),
    );
    expect(await renewProposals(place.parts, task)).toBe(1);
    const [row] = await place.database.read((db) =>
      db.selectFrom("gate_proposals").selectAll().where("task", "=", task).execute(),
    );
    const id = row?.proposal_id ?? "";
    await layerText(text.replace("0.1,", "0.05,"));
    await expect(endProposal(place.parts, admin, id, "applied", "x")).rejects.toMatchObject({ code: "HP_CONFLICT" });
    await layerText(text);
    const applied = await endProposal(place.parts, admin, id, "applied", "people are few");
    expect(applied).toMatchObject({
      kind: "loosen_contract",
      state: "applied",
      edits: [{ layer: "fleet", scope: "-" }],
    });
    const promise = applied.edits[0]?.contract?.max_error ?? 0;
    const layer = await place.database.read((db) =>
      db.selectFrom("config_layers").select("text").where("layer", "=", "fleet").executeTakeFirstOrThrow(),
    );
    expect(layer.text).toContain(`max_error: ${promise}, delta: 0.2, launch_labels: 150 } } # ours`);
    await refreshContracts(place.parts);
    await keep();
    expect(await state()).toMatchObject({ kind: "collecting", gate_threshold: null, labels: 0 });
    await answer();
    const after = await state();
    expect(after).toMatchObject({ kind: "certified" });
    expect(after?.gate_threshold).toBeLessThanOrEqual(0.6);
    expect(await renewProposals(place.parts, task)).toBe(0);
  });

  test("within limits that a person has set the hub applies a proposal itself, and beyond them it waits", async () => {
    const { task, held, judge, keep } = await begin();
    await judge(await held(160, { confidence: 0.9 }));
    await keep();
    const put = (text: string) =>
      place.database.write(({ db }) =>
        db
          .insertInto("config_layers")
          .values({ layer: "store", scope: "store_1", revision: 9, changed_ms: 1, changed_by: "test", text })
          .onConflict((known) => known.columns(["layer", "scope"]).doUpdateSet({ text, revision: 9 }))
          .execute(),
      );
    await put(`thresholds: { ${task}: 0.99 }\n`);
    const limits: GateLimits = { kinds: ["drop_floor"], gateThresholdMin: 0.95, errorBoundMax: 0.2, storesMax: 1 };
    await changeLimits(place.parts, admin, task, limits);
    expect(await renewProposals(place.parts, task)).toBe(1);
    await changeLimits(place.parts, admin, task, { ...limits, gateThresholdMin: 0.5 });
    expect(await renewProposals(place.parts, task)).toBe(0);
    const [row] = await place.database.read((db) =>
      db.selectFrom("gate_proposals").selectAll().where("task", "=", task).execute(),
    );
    expect(row).toMatchObject({ state: "applied", ended_by: "hub", why: "within the limits that person:p1 has set" });
    await changeLimits(place.parts, admin, task, null);
  });
}

describe("the gate's proposals on SQLite", () => {
  proposalSuite((clock) => openReviewPlace({ clock }));
});

describe("the gate's proposals on PostgreSQL", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.close());
  proposalSuite(async (clock) => openReviewPlace({ clock, url: await postgres.createDatabase() }));
});
