import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractsOf, refreshContracts } from "../../cloud-sync/hub/gate/gate-contracts.ts";
import { createHubReviewStore, type HubReviewStore } from "../../cloud-sync/hub/review/hub-review-store.ts";
import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { resolveConfig } from "../../config/index.ts";
import { type ReviewAnswer } from "../../protocol/index.ts";
import { labelsDigest } from "../../models/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { fakeClock, type FakeClock } from "../../testing/index.ts";
import {
  newsHeard,
  openReviewPlace,
  seedCases,
  seedStore,
  type ReviewPlace,
  type SeedTraits,
} from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const say = (label: string): ReviewAnswer => ({ kind: "label", label });

function person(name: string, isLead = false): Reviewer {
  const scope = { person: `person:${name}`, stores: null, tasks: null, skills: [], isLead };
  return { key: `session of ${name}`, name, scope };
}
const [anna, ben, lead] = [person("Anna"), person("Ben"), person("Lena", true)];

function labelFlow(open: (clock: FakeClock) => Promise<ReviewPlace>): void {
  let place: ReviewPlace;
  let store: HubReviewStore;
  let clock: FakeClock;
  let tasks = 0;
  beforeAll(async () => {
    clock = fakeClock();
    place = await open(clock);
    await seedStore(place.database, "store_1");
    store = createHubReviewStore({ ...place.parts, vault: place.vault });
    await newsHeard(place.database);
  });
  afterAll(async () => {
    await store.close();
    await place.close();
  });

  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await store.sweeper.sweep();
  };
  /** A task of its own, under a contract unless told; and what a test does with it. */
  const begin = async (isUnderContract = true, rules: { readonly reviewersNeeded?: number } = {}) => {
    const task = `task_${(tasks += 1)}`;
    const body = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null, ...rules };
    await place.database.write(async ({ db }) => {
      await db
        .insertInto("review_policies")
        .values({ task, body: JSON.stringify(body), changed_ms: 1, changed_by: "test" })
        .execute();
      if (!isUnderContract) return;
      const contract = {
        store: "store_1",
        task,
        label: "",
        rung: "fine" as const,
        level: "fleet" as const,
        scope: "-",
      };
      await db
        .insertInto("gate_contracts")
        .values({ ...contract, contract: JSON.stringify({ maxError: 0.02, delta: 0.05, auditShare: 0.02 }) })
        .execute();
    });
    const held = async (traits: SeedTraits = {}): Promise<string> =>
      (await seedCases(place, 1, { task, ...traits }))[0] ?? "";
    const answer = async (reviewer: Reviewer, given: ReviewAnswer): Promise<void> => {
      const found = (await store.next(reviewer, 1, { task })).cases[0];
      if (!found?.lease) throw new Error(`there is no case for ${reviewer.name}`);
      const submit = { answer: given, generation: found.lease.generation, reviewId: `r-${Math.random()}`, tookMs: 700 };
      expect(await store.submit(reviewer, found.id, submit)).toMatchObject({ ok: true });
      await pass(10_000);
    };
    const isAsked = async (reviewer: Reviewer): Promise<boolean> =>
      (await store.next(reviewer, 1, { task })).cases.length > 0;
    return { task, held, answer, isAsked };
  };
  const label = (caseId: string) =>
    place.database.read((db) =>
      db.selectFrom("gate_labels").selectAll().where("case_id", "=", caseId).executeTakeFirstOrThrow(),
    );
  const counted = (caseId: string) =>
    place.database.write(({ db }) =>
      db.updateTable("gate_labels").set({ state: "counted", counted_ms: 1 }).where("case_id", "=", caseId).execute(),
    );
  const outcome = (caseId: string, said: { readonly label?: string; readonly isCorrect?: boolean }) =>
    place.database.write((trx) =>
      place.listener.outcome(trx, { caseId, label: said.label ?? null, isCorrect: said.isCorrect ?? null }),
    );

  test("a case that comes keeps how it came to be looked at, and one without a model's answer keeps nothing", async () => {
    const { held } = await begin();
    const sample = { propensity: 0.25, isUniform: true, basket: "b-17", certificate: "c-1", gateThreshold: 0.9 };
    const caseId = await held({ kind: "audit", confidence: 0.97, sample });
    expect(await label(caseId)).toMatchObject({
      ...{ kind: "audit", predicted: "Kiwi", confidence: 0.97, propensity: 0.25, is_uniform: 1, is_rule: 0 },
      ...{ certificate: "c-1", gate_threshold: 0.9, state: "open", is_wrong: null, truth: null, answered_ms: null },
    });
    expect(await label(caseId)).toMatchObject({ propensity_min: 0.01 });
    expect((await label(caseId)).basket).toMatch(/^[0-9a-f]{32}$/);
    await expect(label(await held({ label: null }))).rejects.toThrow();
    expect(await label(await held())).toMatchObject({ kind: "escalation", propensity: 1, propensity_min: 1 });
  });

  test("whoever agrees with the model makes a label at once", async () => {
    const { held, answer } = await begin();
    const caseId = await held();
    await answer(anna, say("Kiwi"));
    expect(await label(caseId)).toMatchObject({ state: "ready", is_wrong: 0, truth: "Kiwi", source: "review" });
  });

  test("under a contract whoever contradicts the model makes none: a lead's word does", async () => {
    const { held, answer, isAsked } = await begin();
    const caseId = await held();
    await answer(anna, say("Banana"));
    expect(await label(caseId)).toMatchObject({ state: "pending", is_wrong: null, source: null });
    expect(await isAsked(ben)).toBe(false);
    const answeredMs = (await label(caseId)).answered_ms;
    await answer(lead, say("Kiwi"));
    expect(await label(caseId)).toMatchObject({ state: "ready", is_wrong: 0, source: "adjudication" });
    // Its place in the order is that of the first word, however long the lead took.
    expect((await label(caseId)).answered_ms).toBe(answeredMs);
  });

  test("a person in the store who contradicts the model is heard by a lead as well", async () => {
    const { task, held, answer } = await begin();
    const caseId = await held();
    await place.database.write((trx) =>
      place.listener.settled(trx, { caseId, task, decidedBy: "reviewer", label: "Banana" }),
    );
    expect(await label(caseId)).toMatchObject({ state: "pending", is_wrong: null });
    await answer(lead, say("Banana"));
    expect(await label(caseId)).toMatchObject({ state: "ready", is_wrong: 1, source: "adjudication" });
    const agreed = await held();
    await place.database.write((trx) =>
      place.listener.settled(trx, { caseId: agreed, task, decidedBy: "reviewer", label: "Kiwi" }),
    );
    expect(await label(agreed)).toMatchObject({ state: "ready", is_wrong: 0, source: "store" });
  });

  test("without a contract one person's word is a label as it is", async () => {
    const { held, answer, isAsked } = await begin(false);
    const caseId = await held();
    await answer(anna, say("Banana"));
    expect(await label(caseId)).toMatchObject({ state: "ready", is_wrong: 1, source: "review" });
    expect(await isAsked(lead)).toBe(false);
  });

  /** Labels and groups of a model, as a heartbeat brings them; returns their digest. */
  const report = async (labels: readonly string[], of: readonly number[]): Promise<string> => {
    const coarse = { labels: ["Fruit", "Dairy"], of };
    const digest = labelsDigest(labels, coarse, nodeHasher);
    const row = { digest, labels: JSON.stringify(labels), coarse: JSON.stringify(coarse), came_ms: 1 };
    await place.database.write(({ db }) =>
      db
        .insertInto("gate_groups")
        .values(row)
        .onConflict((known) => known.doNothing())
        .execute(),
    );
    return digest;
  };
  const rungs = (caseId: string) =>
    place.database.read((db) =>
      db.selectFrom("gate_labels").selectAll().where("case_id", "=", caseId).orderBy("rung", "desc").execute(),
    );
  const learn = (caseId: string, said: string, source: "consensus" | "outcome" = "consensus") =>
    place.database.write((trx) => place.parts.gate.learn(trx, { kind: "label", caseId, label: said, source }));

  test("a coarse answer is held against the group of what people say, by the groups of its own model", async () => {
    const { held } = await begin();
    const groups = await report(["Kiwi", "Milk"], [0, 1]);
    // A later model of the store has moved a product to another group.
    const moved = await report(["Kiwi", "Milk"], [1, 1]);
    const said = async (of: { readonly predicted?: string; readonly groups?: string | null }, label: string) => {
      const sample = { rung: "coarse", predicted: "Fruit", groups, certificate: "c-1", ...of } as const;
      const caseId = await held({ kind: "audit", sample });
      await learn(caseId, label);
      return (await rungs(caseId))[0];
    };
    expect(await said({}, "Kiwi")).toMatchObject({ state: "ready", is_wrong: 0, truth: "Kiwi" });
    expect(await said({}, "Fruit")).toMatchObject({ state: "ready", is_wrong: 0 });
    expect(await said({}, "Milk")).toMatchObject({ state: "ready", is_wrong: 1, truth: "Milk" });
    expect(await said({}, "Shoe")).toMatchObject({ state: "ready", is_wrong: 1 });
    expect(await said({ groups: moved }, "Kiwi")).toMatchObject({ state: "ready", is_wrong: 1 });
    // Labels that the config names and the model does not know are of no group, and no model answers that.
    const some = labelsDigest(["Kiwi", "Shoe"], { labels: ["Fruit", ""], of: [0, 1] }, nodeHasher);
    await place.database.write(({ db }) =>
      db
        .insertInto("gate_groups")
        .values({ digest: some, labels: '["Kiwi","Shoe"]', coarse: '{"labels":["Fruit",""],"of":[0,1]}', came_ms: 1 })
        .execute(),
    );
    expect(await said({ groups: some }, "Shoe")).toMatchObject({ state: "ready", is_wrong: 1 });
    expect(await said({ groups: some, predicted: "" }, "Shoe")).toMatchObject({ state: "ready", is_wrong: 1 });
    // A name that is none of the model's groups is wrong, whatever people say.
    expect(await said({ predicted: "Kiwi" }, "Kiwi")).toMatchObject({ state: "ready", is_wrong: 1 });
    // Groups that nobody has reported.
    expect(await said({ groups: "f".repeat(64) }, "Kiwi")).toMatchObject({ state: "apart", is_wrong: null });
    expect(await said({ groups: null }, "Fruit")).toMatchObject({ state: "apart", is_wrong: null });
  });

  test("one word about a case is a label of both answers that the model had", async () => {
    const { held, answer } = await begin();
    const groups = await report(["Kiwi", "Orange", "Milk"], [0, 0, 1]);
    const fine = { confidence: 0.6, calibration: "none", gateThreshold: null };
    const second = { rung: "coarse", predicted: "Fruit", confidence: 0.97, fine, groups } as const;
    const pair = () => held({ sample: { groups, basket: "b-9" }, second });
    const right = await pair();
    await answer(anna, say("Kiwi"));
    expect(await rungs(right)).toMatchObject([
      { rung: "fine", predicted: "Kiwi", state: "ready", is_wrong: 0, propensity_min: 1, fine_confidence: null },
      {
        ...{ rung: "coarse", predicted: "Fruit", confidence: 0.97, state: "ready", is_wrong: 0, truth: "Kiwi" },
        ...{ propensity_min: 1, fine_confidence: 0.6, fine_calibration: "none", fine_gate_threshold: null },
      },
    ]);

    // Whoever contradicts the fine answer is heard by a lead before either of them counts.
    const sameGroup = await pair();
    await answer(anna, say("Orange"));
    expect(await rungs(sameGroup)).toMatchObject([{ state: "pending" }, { state: "pending" }]);
    await answer(lead, say("Orange"));
    const [first, other] = await rungs(sameGroup);
    expect([first, other]).toMatchObject([
      { state: "ready", is_wrong: 1, source: "adjudication" },
      { state: "ready", is_wrong: 0, source: "adjudication" },
    ]);
    expect(first?.answered_ms).toBe(other?.answered_ms);

    // The world corrects what people said, of both; what was counted as wrong stays wrong.
    await counted(sameGroup);
    await learn(sameGroup, "Milk", "outcome");
    expect(await rungs(sameGroup)).toMatchObject([
      { state: "counted", is_wrong: 1 },
      { state: "ready", is_wrong: 1, truth: "Milk" },
    ]);
    await counted(sameGroup);
    await learn(sameGroup, "Kiwi", "outcome");
    expect(await rungs(sameGroup)).toMatchObject([
      { state: "counted", is_wrong: 1 },
      { state: "counted", is_wrong: 1 },
    ]);

    // What nobody can tell is wrong of both, and so is what the world only calls wrong.
    const dark = await pair();
    await answer(anna, { kind: "cannot_tell" });
    expect(await rungs(dark)).toMatchObject([
      { is_wrong: 1, source: "unknowable" },
      { is_wrong: 1, source: "unknowable" },
    ]);
    const returned = await pair();
    await place.database.write((trx) =>
      place.parts.gate.learn(trx, { kind: "wrong", caseId: returned, source: "outcome" }),
    );
    expect(await rungs(returned)).toMatchObject([{ is_wrong: 1 }, { is_wrong: 1 }]);
  });

  test("whoever names the label that the model saw in its group needs no lead, and one word about the group says nothing of it", async () => {
    const { held, answer, isAsked } = await begin();
    const groups = await report(["Kiwi", "Orange", "Milk"], [0, 0, 1]);
    const drawn = { rung: "coarse", predicted: "Fruit", certificate: "c-1", propensity: 0.2, groups } as const;
    const pair = () =>
      held({ kind: "audit", label: "Fruit", sample: drawn, second: { rung: "fine", predicted: "Kiwi", groups } });
    const agreed = await pair();
    await answer(anna, say("Kiwi"));
    expect(await isAsked(lead)).toBe(false);
    expect(await rungs(agreed)).toMatchObject([
      { rung: "fine", state: "ready", is_wrong: 0, source: "consensus" },
      { rung: "coarse", state: "ready", is_wrong: 0, source: "consensus" },
    ]);
    const other = await pair();
    await answer(anna, say("Orange"));
    expect(await rungs(other)).toMatchObject([{ state: "pending" }, { state: "pending" }]);
    await answer(lead, say("Orange"));
    expect(await rungs(other)).toMatchObject([
      { is_wrong: 1, source: "adjudication" },
      { is_wrong: 0, source: "adjudication" },
    ]);
    // A receipt says that the group was right, or that it was another one.
    const right = await pair();
    await outcome(right, { isCorrect: true });
    expect(await rungs(right)).toMatchObject([
      { state: "apart", is_wrong: null },
      { state: "ready", is_wrong: 0 },
    ]);
    const wrong = await pair();
    await outcome(wrong, { label: "Dairy" });
    expect(await rungs(wrong)).toMatchObject([{ is_wrong: 1 }, { is_wrong: 1 }]);
  });

  test("a drawn coarse answer whose picture is lost, or that is erased unjudged, is wrong of both rungs; a rule's is apart", async () => {
    const { held } = await begin();
    const groups = await report(["Kiwi", "Milk"], [0, 1]);
    const drawn = { rung: "coarse", predicted: "Fruit", certificate: "c-1", propensity: 0.2, groups } as const;
    const second = { rung: "fine", predicted: "Kiwi", certificate: null } as const;
    const pair = (more: Partial<typeof drawn> & { readonly isLost?: boolean; readonly isRule?: boolean } = {}) =>
      held({ kind: "audit", sample: { ...drawn, ...more }, second });
    const wrong = { state: "ready", is_wrong: 1, source: "lost" };
    expect(await rungs(await pair({ isLost: true }))).toMatchObject([wrong, wrong]);
    const erased = await pair();
    await place.database.write((trx) => place.listener.erased(trx, erased));
    expect(await rungs(erased)).toMatchObject([wrong, wrong]);
    const ruled = await pair({ isRule: true });
    await learn(ruled, "Kiwi");
    expect(await rungs(ruled)).toMatchObject([{ state: "apart" }, { state: "apart" }]);
  });

  test("what nobody can tell counts as wrong, and so does a sample whose picture is lost", async () => {
    const { held, answer } = await begin();
    const caseId = await held({ kind: "audit" });
    await answer(anna, { kind: "bad_picture" });
    expect(await label(caseId)).toMatchObject({ state: "ready", is_wrong: 1, truth: null, source: "unknowable" });
    const lost = await held({ kind: "audit", sample: { isLost: true } });
    expect(await label(lost)).toMatchObject({ state: "ready", is_wrong: 1, source: "lost" });
  });

  test("what a rule decided is kept apart", async () => {
    const { held, answer } = await begin();
    const caseId = await held({ kind: "audit", sample: { isRule: true } });
    await answer(anna, say("Kiwi"));
    expect(await label(caseId)).toMatchObject({ state: "apart", is_wrong: 0 });
  });

  test("a case that ends before enough people have spoken is no label, unless somebody has contradicted the model", async () => {
    const { held, answer } = await begin(true, { reviewersNeeded: 2 });
    const agreed = await held({ leftMs: 60_000 });
    await answer(anna, say("Kiwi"));
    expect(await label(agreed)).toMatchObject({ state: "pending" });
    await pass(60_000);
    expect(await label(agreed)).toMatchObject({ state: "open", answered_ms: null });
    const contradicted = await held({ leftMs: 60_000 });
    await answer(anna, say("Banana"));
    await pass(60_000);
    expect(await label(contradicted)).toMatchObject({ state: "pending", is_wrong: null });
  });

  test("the world corrects people: what was counted as right is counted again, what was counted as wrong stays", async () => {
    const { held, answer } = await begin();
    const right = await held({ kind: "audit" });
    await answer(anna, say("Kiwi"));
    await counted(right);
    await outcome(right, { label: "Banana" });
    expect(await label(right)).toMatchObject({ state: "ready", is_wrong: 1, source: "outcome", truth: "Banana" });
    await counted(right);
    await outcome(right, { isCorrect: true });
    expect(await label(right)).toMatchObject({ state: "counted", is_wrong: 1 });
    const wrong = await held({ kind: "audit" });
    await outcome(wrong, { isCorrect: false });
    expect(await label(wrong)).toMatchObject({ state: "ready", is_wrong: 1, truth: null, source: "outcome" });
  });

  test("an erased case keeps its label, without a basket once it is counted; an audit sample that nobody judged is wrong", async () => {
    const { held, answer } = await begin();
    const caseId = await held({ kind: "audit", sample: { basket: "b-17" } });
    await answer(anna, say("Kiwi"));
    await counted(caseId);
    const open = await held({ kind: "audit" });
    const escalation = await held();
    await place.database.write(async (trx) => {
      for (const id of [caseId, open, escalation]) await place.listener.erased(trx, id);
    });
    expect(await label(caseId)).toMatchObject({ state: "counted", is_wrong: 0, truth: "Kiwi", basket: null });
    expect(await label(open)).toMatchObject({ state: "ready", is_wrong: 1, source: "lost" });
    expect(await label(escalation)).toMatchObject({ state: "open", is_wrong: null });
  });

  test("contracts are made of the layers, each with the layer whose word it is", async () => {
    await place.database.write(async ({ db }) => {
      const row = (layer: "fleet" | "region" | "store", scope: string, text: string) => ({
        ...{ layer, scope, text, revision: 1, changed_ms: 1, changed_by: "test" },
      });
      await db
        .insertInto("config_layers")
        .values([
          row("fleet", "-", "thresholds: { shelf: { max_error: 0.02 }, cart: { max_error: 0.01, delta: 0.1 } }"),
          row("region", "north", "thresholds: { cart: { max_error: 0.005 } }"),
          row("store", "store_1", "thresholds: { shelf: 0.9 }"),
          row("store", "store_2", "thresholds: { door: { max_error: 0.1 } }"),
        ])
        .execute();
      await db.insertInto("stores").values({ store: "store_2", region: "north", changed_ms: 1 }).execute();
      await db.deleteFrom("gate_contracts").execute();
    });
    expect([...(await refreshContracts(place.parts))].sort()).toEqual(["cart", "door", "shelf"]);
    const rows = await place.database.read((db) =>
      db.selectFrom("gate_contracts").selectAll().orderBy("store").orderBy("task").execute(),
    );
    expect(rows.map((row) => [row.store, row.task, row.level, row.scope, JSON.parse(row.contract) as unknown])).toEqual(
      [
        ["store_1", "cart", "fleet", "-", expect.objectContaining({ maxError: 0.01, delta: 0.1 })],
        // A number below a contract is a floor: the contract still holds.
        ["store_1", "shelf", "fleet", "-", expect.objectContaining({ maxError: 0.02, delta: 0.05 })],
        ["store_2", "cart", "region", "north", expect.objectContaining({ maxError: 0.005 })],
        ["store_2", "door", "store", "store_2", expect.objectContaining({ maxError: 0.1 })],
        ["store_2", "shelf", "fleet", "-", expect.objectContaining({ maxError: 0.02 })],
      ],
    );
    expect(await refreshContracts(place.parts)).toEqual([]);
    await place.database.write(({ db }) =>
      db.updateTable("stores").set({ region: null, changed_ms: 2 }).where("store", "=", "store_2").execute(),
    );
    expect(await refreshContracts(place.parts)).toEqual(["cart"]);
  });
}

test("a task with a number has no contract", () => {
  const text = "store_id: s\nthresholds: { shelf: 0.9 }\n";
  const resolved = resolveConfig([{ layer: "store", file: "s", text }], nodeHasher);
  expect(resolved.ok && contractsOf(resolved.value, { store: "s", region: null })).toEqual([]);
});

describe("labels of the gate on SQLite", () => {
  labelFlow((clock) => openReviewPlace({ clock }));
});

describe("labels of the gate on PostgreSQL", () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.close());
  labelFlow(async (clock) => openReviewPlace({ clock, url: await postgres.createDatabase() }));
});
