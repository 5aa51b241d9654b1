import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHubReviewStore, type HubReviewStore } from "../../cloud-sync/hub/review/hub-review-store.ts";
import { type ReviewRules } from "../../cloud-sync/hub/review/review-rules.ts";
import { type Reviewer } from "../../cloud-sync/review/review-store.ts";
import { type ReviewAnswer, type ReviewCase, type ReviewNews } from "../../protocol/index.ts";
import { fakeClock, type FakeClock } from "../../testing/index.ts";
import {
  feedReviews,
  newsHeard,
  openReviewPlace,
  seedCases,
  seedStore,
  type ReviewPlace,
  type SeedTraits,
} from "../support/hub-review.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const kiwi: ReviewAnswer = { kind: "label", label: "Kiwi" };
const banana: ReviewAnswer = { kind: "label", label: "Banana" };
const cannotTell: ReviewAnswer = { kind: "cannot_tell" };

/** A person of the hub; `lead` among the traits makes them one. */
function person(name: string, traits: Partial<NonNullable<Reviewer["scope"]>> = {}): Reviewer {
  const scope = { person: `person:${name}`, stores: null, tasks: null, skills: [], isLead: false, ...traits };
  return { key: `session of ${name}`, name, scope };
}
const [anna, ben, carla] = [person("Anna"), person("Ben"), person("Carla")];
const lead = person("Lena", { isLead: true });

interface Bench {
  readonly place: ReviewPlace;
  readonly store: HubReviewStore;
  readonly clock: FakeClock;
}

function reviewRoom(open: (clock: FakeClock) => Promise<ReviewPlace>): void {
  let bench: Bench;
  let tasks = 0;
  beforeAll(async () => {
    const clock = fakeClock();
    const place = await open(clock);
    await seedStore(place.database, "store_1");
    bench = { place, clock, store: createHubReviewStore({ ...place.parts, vault: place.vault }) };
    await newsHeard(place.database);
  });
  afterAll(async () => {
    await bench.store.close();
    await bench.place.close();
  });

  /** A task of its own for each test, with these rules. Returns what the test needs of it. */
  const ruled = async (rules: Partial<ReviewRules> = {}) => {
    const task = `task_${(tasks += 1)}`;
    const { database } = bench.place;
    const body = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null, ...rules };
    await database.write(({ db }) =>
      db
        .insertInto("review_policies")
        .values({ task, body: JSON.stringify(body), changed_ms: 1, changed_by: "test" })
        .execute(),
    );
    const held = async (traits: SeedTraits = {}): Promise<string> =>
      (await seedCases(bench.place, 1, { task, ...traits }))[0] ?? "";
    const take = async (reviewer: Reviewer): Promise<ReviewCase | null> =>
      (await bench.store.next(reviewer, 1, { task })).cases[0] ?? null;
    const answer = async (reviewer: Reviewer, given: ReviewAnswer, reviewId = `r-${Math.random()}`) => {
      const found = await take(reviewer);
      if (!found?.lease) throw new Error(`there is no case for ${reviewer.name}`);
      const { generation } = found.lease;
      const submit = { answer: given, generation, reviewId, tookMs: 700 };
      expect(await bench.store.submit(reviewer, found.id, submit)).toMatchObject({ ok: true });
      await pass(10_000);
      return found;
    };
    const sent = async () =>
      (await feedReviews(database))
        .filter(({ caseId }) => caseId !== "")
        .map(({ caseId, item }) => ({ caseId, ...item }));
    const sentOf = async (caseId: string) => (await sent()).filter((one) => one.caseId === caseId);
    const row = (caseId: string) =>
      database.read((db) =>
        db.selectFrom("review_cases").selectAll().where("case_id", "=", caseId).executeTakeFirstOrThrow(),
      );
    return { task, held, take, answer, sentOf, row };
  };
  const pass = async (ms: number): Promise<void> => {
    bench.clock.advance(ms);
    await bench.store.sweeper.sweep();
  };
  const settle = (
    caseId: string,
    task: string,
    label: string | null,
    decidedBy: "reviewer" | "fallback" = "reviewer",
  ) => bench.place.database.write((trx) => bench.place.listener.settled(trx, { caseId, task, decidedBy, label }));

  test("one reviewer's answer leaves when its undo window of ten seconds ends", async () => {
    const { held, answer, sentOf } = await ruled();
    const caseId = await held();
    await answer(anna, kiwi);
    expect(await sentOf(caseId)).toMatchObject([{ reviewer: "Anna", answer: kiwi, kind: "review" }]);
  });

  test("two who agree send one answer, and nobody is asked about the same case twice", async () => {
    const { held, take, answer, sentOf, row } = await ruled({ reviewersNeeded: 2 });
    const caseId = await held();
    await answer(anna, kiwi);
    expect(await sentOf(caseId)).toEqual([]);
    expect(await take(anna)).toBeNull();
    expect(await take(person("Anna", {}))).toBeNull();
    await answer(ben, kiwi);
    expect(await sentOf(caseId)).toMatchObject([{ reviewer: "Anna, Ben", answer: kiwi }]);
    expect(await row(caseId)).toMatchObject({ adjudicated_label: "Kiwi", adjudicated_source: "consensus", is_open: 0 });
  });

  test("two who disagree are decided by a lead, who is neither of them and sees both answers", async () => {
    const { held, take, answer, sentOf, row } = await ruled({ reviewersNeeded: 2 });
    const caseId = await held();
    const annaLead = person("Anna", { isLead: true });
    await answer(annaLead, kiwi);
    await answer(ben, banana);
    expect(await sentOf(caseId)).toEqual([]);
    expect(await take(carla)).toBeNull();
    expect(await take(annaLead)).toBeNull();
    const shown = await answer(lead, banana);
    expect(shown.facts.slice(0, 2)).toEqual([
      { name: "answer 1", value: "Kiwi" },
      { name: "answer 2", value: "Banana" },
    ]);
    expect(await sentOf(caseId)).toMatchObject([{ answer: banana }]);
    expect(await row(caseId)).toMatchObject({ adjudicated_label: "Banana", adjudicated_source: "adjudication" });
  });

  test("who cannot tell is no vote: one more person is asked in their place", async () => {
    const { held, answer, sentOf } = await ruled({ reviewersNeeded: 2 });
    const caseId = await held();
    await answer(anna, kiwi);
    await answer(ben, cannotTell);
    expect(await sentOf(caseId)).toEqual([]);
    await answer(carla, kiwi);
    expect(await sentOf(caseId)).toMatchObject([{ answer: kiwi, reviewer: "Anna, Carla" }]);
  });

  test("an audit sample is looked at without the model's answer, and a contradiction goes to a lead", async () => {
    const { held, answer, sentOf, row } = await ruled();
    const same = await held({ kind: "audit", leftMs: null, label: "Kiwi" });
    const shown = await answer(anna, kiwi);
    expect(shown).toMatchObject({ audit: true, suggestions: [], confidence: 0, reasons: ["audit"] });
    expect(JSON.stringify(shown)).not.toContain("Kiwi");
    expect(await row(same)).toMatchObject({ adjudicated_label: "Kiwi", adjudicated_source: "consensus" });
    const other = await held({ kind: "audit", leftMs: null, label: "Kiwi" });
    await answer(anna, banana);
    expect(await sentOf(other)).toEqual([]);
    await answer(lead, banana);
    expect(await sentOf(other)).toMatchObject([{ answer: banana, reviewer: "Anna, Lena" }]);
    expect(await row(other)).toMatchObject({ adjudicated_label: "Banana", adjudicated_source: "adjudication" });
  });

  test("a second opinion is asked after the answer has left, blind, and changes nothing that was sent", async () => {
    const { held, answer, sentOf, row } = await ruled({ secondOpinionShare: 1 });
    const caseId = await held();
    await answer(anna, kiwi);
    expect(await sentOf(caseId)).toHaveLength(1);
    const shown = await answer(ben, kiwi);
    expect(shown.suggestions).toEqual([]);
    expect(await sentOf(caseId)).toHaveLength(1);
    expect(await row(caseId)).toMatchObject({ adjudicated_source: "consensus", is_open: 0 });
  });

  test("a gold case looks like any other, is scored, and reaches no device", async () => {
    const { task, held, answer, sentOf, row } = await ruled({ goldShare: 0 });
    const known = await held();
    await answer(anna, kiwi);
    await settle(known, task, "Kiwi");
    const rules = JSON.parse((await row(known)).rules) as object;
    await bench.place.database.write(async (trx) => {
      await trx.db.updateTable("cases").set({ state: "final" }).where("case_id", "=", known).execute();
      await bench.place.listener.outcome(trx, { caseId: known, label: "Kiwi", isCorrect: null });
      const body = JSON.stringify({ ...rules, goldShare: 1 });
      await trx.db.updateTable("review_policies").set({ body }).where("task", "=", task).execute();
    });
    const sentBefore = (await sentOf(known)).length;
    const fresh = await held();
    // Every case would be gold, but there is one, and nobody is shown it twice.
    const gold = await answer(ben, banana);
    await answer(ben, banana);
    expect(await sentOf(fresh)).toMatchObject([{ reviewer: "Ben" }]);
    expect(gold).toMatchObject({ audit: false, suggestions: [{ label: "Kiwi" }] });
    expect(gold.dueAtMs).toBeGreaterThan(0);
    expect(await sentOf(known)).toHaveLength(sentBefore);
    const stats = await bench.place.database.read((db) =>
      db.selectFrom("review_stats").selectAll().where("task", "=", task).orderBy("person_id").execute(),
    );
    expect(stats).toMatchObject([
      { person_id: "person:Anna", judged: 1, upheld: 1 },
      { person_id: "person:Ben", gold_shown: 1, gold_right: 0 },
    ]);
  });

  test("a reviewer hands a case to a lead, once, and only while they hold it", async () => {
    const { held, take, answer, sentOf } = await ruled();
    const caseId = await held();
    const mine = await take(anna);
    const generation = mine?.lease?.generation ?? 0;
    expect(await bench.store.escalate(ben, mine?.id ?? "", generation)).toMatchObject({ ok: false });
    expect(await bench.store.escalate(anna, mine?.id ?? "", generation)).toMatchObject({ ok: true });
    expect(await bench.store.escalate(anna, mine?.id ?? "", generation)).toMatchObject({
      error: { code: "HP_SETTLED" },
    });
    expect(await take(ben)).toBeNull();
    await answer(lead, kiwi);
    expect(await sentOf(caseId)).toMatchObject([{ reviewer: "Lena" }]);
  });

  test("another store's case is none, whoever knows its id, and a skill that is missing hides the case", async () => {
    const { held, take } = await ruled({ skill: "produce" });
    await held({ store: "store_1" });
    const far = person("Fritz", { stores: ["store_9"], skills: ["produce"] });
    expect(await take(anna)).toBeNull();
    expect(await take(far)).toBeNull();
    const near = person("Nora", { stores: ["store_1"], skills: ["produce"] });
    const mine = await take(near);
    const { id = "", lease } = mine ?? {};
    const submit = { answer: kiwi, generation: lease?.generation ?? 1, reviewId: "r", tookMs: 1 };
    expect(await bench.store.submit(far, id, submit)).toMatchObject({ error: { code: "HP_NOT_FOUND" } });
    expect(await bench.store.picture(far, id)).toMatchObject({ error: { code: "HP_NOT_FOUND" } });
    expect(await bench.store.heartbeat(far, id, 1)).toMatchObject({ error: { code: "HP_NOT_FOUND" } });
    expect(await bench.store.submit(near, id, submit)).toMatchObject({ ok: true });
  });

  test("a double claim is one lease, and a double submit one answer", async () => {
    const { held, task, take, sentOf } = await ruled();
    const caseId = await held();
    const twice = await Promise.all([1, 2, 3].map(() => bench.store.next(anna, 1, { task })));
    const ids = twice.flatMap(({ cases }) => cases.map(({ id }) => id));
    expect(new Set(ids).size).toBe(1);
    const mine = await take(anna);
    const submit = { answer: kiwi, generation: mine?.lease?.generation ?? 0, reviewId: "once", tookMs: 1 };
    const answers = await Promise.all([1, 2, 3].map(() => bench.store.submit(anna, mine?.id ?? "", submit)));
    expect(answers.every(({ ok }) => ok)).toBe(true);
    await pass(10_000);
    expect(await sentOf(caseId)).toHaveLength(1);
  });

  test("an answer after the lease has ended is refused, and the case is somebody else's", async () => {
    const { held, take, answer, sentOf } = await ruled();
    const caseId = await held();
    const lost = await take(anna);
    bench.clock.advance(60_001);
    const submit = { answer: kiwi, generation: lost?.lease?.generation ?? 0, reviewId: "late", tookMs: 1 };
    expect(await bench.store.submit(anna, lost?.id ?? "", submit)).toMatchObject({ error: { code: "HP_LEASE_LOST" } });
    await pass(0);
    await answer(ben, banana);
    expect(await sentOf(caseId)).toMatchObject([{ answer: banana }]);
  });

  test("the store was first: the answer on its way becomes a label, the journal gets it, and both see the conflict", async () => {
    const { task, held, take, sentOf, row } = await ruled();
    const caseId = await held();
    const mine = await take(anna);
    const news: ReviewNews[] = [];
    const stop = bench.store.listen(anna, (told) => news.push(told));
    const submit = { answer: kiwi, generation: mine?.lease?.generation ?? 0, reviewId: "r", tookMs: 1 };
    await bench.store.submit(anna, mine?.id ?? "", submit);
    await settle(caseId, task, "Banana");
    await newsHeard(bench.place.database);
    stop();
    expect(news).toContainEqual({ kind: "final", id: mine?.id, label: "Banana", isConflict: true });
    expect(await sentOf(caseId)).toMatchObject([{ answer: kiwi }]);
    expect(await row(caseId)).toMatchObject({ final_label: "Banana", has_conflict: 1 });
    await pass(20_000);
    expect(await sentOf(caseId)).toHaveLength(1);
  });

  test("nobody answered in time: the hub asks no more, and what a single vote of two said is kept", async () => {
    const { held, take, answer, sentOf, row } = await ruled({ reviewersNeeded: 2 });
    const caseId = await held({ leftMs: 60_000 });
    await answer(anna, kiwi);
    await pass(60_000);
    expect(await take(ben)).toBeNull();
    expect(await sentOf(caseId)).toEqual([]);
    expect(await row(caseId)).toMatchObject({ is_open: 0, sent_answer: null });
    const kept = await bench.place.database.read((db) =>
      db.selectFrom("reviews").select("label").where("case_id", "=", caseId).execute(),
    );
    expect(kept).toEqual([{ label: "Kiwi" }]);
  });

  test("an imported case has no journal: the hub's answer is final, and so is its deadline", async () => {
    const { held, answer, row } = await ruled();
    const answered = await held({ kind: "import", agentId: null, leftMs: null });
    await answer(anna, kiwi);
    expect(await row(answered)).toMatchObject({ final_label: "Kiwi", final_by: "reviewer" });
    const late = await held({ kind: "import", agentId: null, leftMs: 5_000 });
    await pass(5_000);
    expect(await row(late)).toMatchObject({ final_label: null, final_by: "fallback", is_open: 0 });
    const states = await bench.place.database.read((db) =>
      db.selectFrom("cases").select("state").where("case_id", "in", [answered, late]).execute(),
    );
    expect(states).toEqual([{ state: "final" }, { state: "final" }]);
  });

  test("a hub that is killed between an answer and its sending loses nothing: the next one sends it, once", async () => {
    const { held, take, sentOf } = await ruled();
    const caseId = await held();
    const mine = await take(anna);
    const submit = { answer: kiwi, generation: mine?.lease?.generation ?? 0, reviewId: "r", tookMs: 1 };
    // This process takes the answer and is never heard of again: nothing of it sweeps.
    await bench.store.submit(anna, mine?.id ?? "", submit);
    const other = createHubReviewStore({ ...bench.place.parts, vault: bench.place.vault });
    bench.clock.advance(10_000);
    await Promise.all([other.sweeper.sweep(), bench.store.sweeper.sweep()]);
    await other.close();
    expect(await sentOf(caseId)).toHaveLength(1);
  });

  test("an answer leaves when its undo window ends, and does not wait for the next round of sweeping", async () => {
    const { held, take, sentOf } = await ruled();
    const caseId = await held();
    const mine = await take(anna);
    const submit = { answer: kiwi, generation: mine?.lease?.generation ?? 0, reviewId: "r", tookMs: 1 };
    await bench.store.submit(anna, mine?.id ?? "", submit);
    // Another process, which nobody told of the answer. Its rounds end 800 ms before and 200 ms after the window.
    const other = createHubReviewStore({ ...bench.place.parts, vault: bench.place.vault });
    other.sweeper.start();
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
    for (let step = 0; step < 14; step += 1) {
      await pause();
      bench.clock.advance(700);
    }
    await pause();
    bench.clock.advance(199);
    await pause();
    expect(await sentOf(caseId)).toEqual([]);
    for (let step = 0; step < 5; step += 1) {
      bench.clock.advance(20);
      await pause();
    }
    await other.close();
    expect(await sentOf(caseId)).toHaveLength(1);
  });

  test("the value at risk and the model's doubt come before the same deadline without them", async () => {
    const { task, held } = await ruled();
    const plain = await held({ confidence: 0.9 });
    const unsure = await held({ confidence: 0.1 });
    const costly = await held({ confidence: 0.6, costs: { review: 0.1, wrongAccept: 5 } });
    const { cases } = await bench.store.next(carla, 3, { task });
    const order = await bench.place.database.read((db) =>
      db.selectFrom("review_slots").select(["slot_id", "case_id"]).where("task", "=", task).execute(),
    );
    const caseOf = new Map(order.map((row) => [row.slot_id, row.case_id]));
    expect(cases.map(({ id }) => caseOf.get(id))).toEqual([costly, unsure, plain]);
  });

  test("the next case is found by its lane's index: nothing is sorted and no table is read through", async () => {
    const { task } = await ruled();
    await seedCases(bench.place, 3_000, { task });
    const plan = await explainNext(bench.place, `${task}||`);
    expect(plan).toContain("review_slots_lane");
    expect(plan).not.toMatch(/Seq Scan on review_slots|Sort|SCAN review_slots\b(?! USING)|TEMP B-TREE/);
  });
}

/** The plan of the question by which a reviewer's next case is found. */
async function explainNext({ database }: ReviewPlace, lane: string): Promise<string> {
  const { sql } = await import("kysely");
  return database.read(async (db) => {
    if (database.kind === "postgres") await sql`analyze review_slots`.execute(db);
    const explain = sql.raw(database.kind === "postgres" ? "explain" : "explain query plan");
    const { rows } = await sql<Record<string, unknown>>`${explain}
      select * from review_slots as s where s.state = 'waiting' and s.lane = ${lane}
      and (s.due_ms is null or s.due_ms > ${1}) and not exists (
        select 1 from review_exclusions e where e.case_id = s.case_id and e.person_id = ${"person:x"})
      order by s.queue_key, s.slot_id limit 1`.execute(db);
    return rows.map((row) => String(row["detail"] ?? row["QUERY PLAN"])).join("\n");
  });
}

describe("the hub's review room on SQLite", () => {
  reviewRoom((clock) => openReviewPlace({ clock }));
});

describe("the hub's review room on PostgreSQL", () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());
  reviewRoom(async (clock) => openReviewPlace({ clock, url: await server.createDatabase() }));

  test("two processes under eight reviewers give no case to two people, and every answer leaves once", async () => {
    const url = await server.createDatabase();
    const policy = { undoWindowMs: 0 };
    const places = await Promise.all([openReviewPlace({ url, policy }), openReviewPlace({ url, policy })]);
    const [first] = places;
    await seedStore(first.database, "store_1");
    const ids = await seedCases(first, 160);
    const stores = places.map((place) => createHubReviewStore({ ...place.parts, vault: place.vault }));
    const holders = new Map<string, Set<string>>();
    const work = async (reviewer: Reviewer, store: HubReviewStore): Promise<void> => {
      for (;;) {
        const { cases } = await store.next(reviewer, 2);
        if (cases.length === 0) return;
        for (const { id, lease } of cases) {
          holders.set(id, (holders.get(id) ?? new Set()).add(reviewer.name));
          const submit = {
            answer: kiwi,
            generation: lease?.generation ?? 0,
            reviewId: `${reviewer.name} ${id}`,
            tookMs: 1,
          };
          expect(await store.submit(reviewer, id, submit)).toMatchObject({ ok: true });
        }
        await store.sweeper.sweep();
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => work(person(`P${n}`), stores[n % 2] ?? createMissing())));
    for (const store of stores) await store.sweeper.sweep();
    expect(holders.size).toBe(ids.length);
    expect([...holders.values()].filter((people) => people.size > 1)).toEqual([]);
    const sent = (await feedReviews(first.database)).map(({ caseId }) => caseId);
    expect([...sent].sort()).toEqual([...ids].sort());
    for (const store of stores) await store.close();
    for (const place of places) await place.close();
  });
});

function createMissing(): never {
  throw new Error("there is no such process");
}
