import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Reviewer, type ReviewStore } from "../../cloud-sync/review/review-store.ts";
import { type ReviewAnswer, type ReviewCase, type ReviewNews } from "../../protocol/index.ts";
import { type FakeClock } from "../../testing/index.ts";

/** What a ReviewStore stands on, in words that any implementation can serve. Policy: lease 60 s, undo window 5 s. */
export interface ReviewStoreHarness {
  readonly store: ReviewStore;
  readonly clock: FakeClock;
  /** Holds a case with `leftMs` to go; null: an audit sample. Returns its id. `n` orders cases of the same age. */
  hold(n: number, traits?: { readonly leftMs?: number | null; readonly heldAgoMs?: number }): Promise<string>;
  /** Somebody else made the case final. */
  settle(id: string): Promise<void>;
  /** Reviews that reached the truth, oldest first. */
  reviews(): readonly TrueReview[] | Promise<readonly TrueReview[]>;
  failCommits(count: number): void;
  /** Everything that has fallen due is done, and its news are told. Without it promises run out, and that is enough. */
  settled?(): Promise<void>;
  /** The world goes on after the store was closed: what it left to others is done by them. */
  afterClose?(): Promise<void>;
}

interface TrueReview {
  readonly id: string;
  readonly reviewer: string;
  readonly answer: ReviewAnswer;
}

const anna: Reviewer = { key: "k-anna", name: "Anna" };
const ben: Reviewer = { key: "k-ben", name: "Ben" };
const kiwi: ReviewAnswer = { kind: "label", label: "Kiwi" };

/** Every implementation of the port passes this. */
export function reviewStoreContract(name: string, open: () => Promise<ReviewStoreHarness>): void {
  describe(`${name} as a review store`, () => {
    let harness: ReviewStoreHarness;
    let store: ReviewStore;
    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(() => store.close());

    const take = async (reviewer: Reviewer): Promise<ReviewCase> => {
      const [held] = (await store.next(reviewer, 1)).cases;
      if (!held?.lease) throw new Error("there is no case");
      return held;
    };
    const submit = (
      reviewer: Reviewer,
      held: ReviewCase,
      reviewId: string,
      answer = kiwi,
    ): ReturnType<ReviewStore["submit"]> =>
      store.submit(reviewer, held.id, { answer, generation: held.lease?.generation ?? 0, reviewId, tookMs: 800 });
    const pass = async (ms: number): Promise<void> => {
      harness.clock.advance(ms);
      await (harness.settled ?? settled)();
    };

    it("gives the case that is due first, then the one that waits longest, audit samples last", async () => {
      const audit = await harness.hold(1, { leftMs: null, heldAgoMs: 90_000 });
      const late = await harness.hold(2, { leftMs: 900_000, heldAgoMs: 10_000 });
      const old = await harness.hold(3, { leftMs: 900_000, heldAgoMs: 80_000 });
      const due = await harness.hold(4, { leftMs: 60_000, heldAgoMs: 1_000 });
      const { cases } = await store.next(anna, 4);
      expect(cases.map(({ id }) => id)).toEqual([due, old, late, audit]);
    });

    it("never gives one case to two reviewers", async () => {
      await harness.hold(1);
      await harness.hold(2);
      await harness.hold(3);
      const [first, second] = await Promise.all([store.next(anna, 2), store.next(ben, 2)]);
      const ids = [...first.cases, ...second.cases].map(({ id }) => id);
      expect(ids).toHaveLength(3);
      expect(new Set(ids).size).toBe(3);
    });

    it("gives a reviewer who asks again the cases that they hold", async () => {
      await harness.hold(1);
      await harness.hold(2);
      const before = await store.next(anna, 2);
      const after = await store.next(anna, 2);
      expect(after.cases).toEqual(before.cases);
    });

    it("lets an answer leave when its undo window ends, and not before", async () => {
      await harness.hold(1);
      const held = await take(anna);
      const taken = await submit(anna, held, "r1");
      expect(taken).toMatchObject({ ok: true, value: { id: held.id, undoUntilMs: harness.clock.wallMs() + 5_000 } });
      await pass(4_999);
      expect(await harness.reviews()).toEqual([]);
      await pass(1);
      expect(await harness.reviews()).toMatchObject([{ id: held.id, reviewer: "Anna", answer: kiwi }]);
    });

    it("takes a repeated submit once", async () => {
      await harness.hold(1);
      const held = await take(anna);
      await submit(anna, held, "r1");
      expect(await submit(anna, held, "r1")).toMatchObject({ ok: true });
      await pass(5_000);
      expect(await submit(anna, held, "r1")).toMatchObject({ ok: true });
      await pass(60_000);
      expect(await harness.reviews()).toHaveLength(1);
    });

    it("gives an undone case back to the same reviewer and forgets the answer", async () => {
      await harness.hold(1);
      const held = await take(anna);
      await submit(anna, held, "r1");
      const undone = await store.undo(anna, held.id, "r1");
      expect(undone).toMatchObject({ ok: true, value: { cases: [{ id: held.id }] } });
      await pass(10_000);
      expect(await harness.reviews()).toEqual([]);
      expect((await store.next(ben, 1)).cases).toEqual([]);
    });

    it("refuses an undo that comes too late", async () => {
      await harness.hold(1);
      const held = await take(anna);
      await submit(anna, held, "r1");
      await pass(5_000);
      expect(await store.undo(anna, held.id, "r1")).toMatchObject({ ok: false, error: { code: "HP_SETTLED" } });
    });

    it("gives a case to the next reviewer when its lease ends, and refuses the first one's answer", async () => {
      await harness.hold(1);
      const lost = await take(anna);
      const news: ReviewNews[] = [];
      store.listen(anna, (told) => news.push(told));
      await pass(60_000);
      expect(news).toContainEqual({ kind: "withdrawn", id: lost.id, why: "lease_lost" });
      const held = await take(ben);
      expect(held.id).toBe(lost.id);
      expect(await submit(anna, lost, "r1")).toMatchObject({ ok: false, error: { code: "HP_LEASE_LOST" } });
      expect(await submit(ben, held, "r2")).toMatchObject({ ok: true });
    });

    it("keeps a lease alive by its heartbeat", async () => {
      await harness.hold(1);
      const held = await take(anna);
      const generation = held.lease?.generation ?? 0;
      for (let beat = 0; beat < 5; beat += 1) {
        await pass(40_000);
        expect(await store.heartbeat(anna, held.id, generation)).toMatchObject({ ok: true });
      }
      expect(await store.heartbeat(ben, held.id, generation)).toMatchObject({ error: { code: "HP_LEASE_LOST" } });
      expect(await submit(anna, held, "r1")).toMatchObject({ ok: true });
    });

    it("puts a released case back at once", async () => {
      await harness.hold(1);
      const held = await take(anna);
      await store.release(anna, held.id, held.lease?.generation ?? 0);
      expect((await take(ben)).id).toBe(held.id);
    });

    it("withdraws a case that was settled elsewhere and keeps a late answer as a label", async () => {
      await harness.hold(1);
      const held = await take(anna);
      const news: ReviewNews[] = [];
      store.listen(anna, (told) => news.push(told));
      await harness.settle(held.id);
      await pass(0);
      expect(news).toContainEqual({ kind: "withdrawn", id: held.id, why: "settled" });
      expect(await submit(anna, held, "r1")).toMatchObject({ ok: false, error: { code: "HP_SETTLED" } });
      await pass(0);
      expect(await harness.reviews()).toMatchObject([{ id: held.id, answer: kiwi }]);
    });

    it("withdraws a case at its deadline, but commits an answer that was given in time", async () => {
      await harness.hold(1, { leftMs: 3_000 });
      await harness.hold(2, { leftMs: 4_000 });
      const { cases } = await store.next(anna, 2);
      const [first, second] = cases;
      if (!first || !second) throw new Error("there are no cases");
      await submit(anna, second, "r2");
      await pass(3_000);
      expect(await harness.reviews()).toMatchObject([{ id: second.id }]);
      expect((await store.next(anna, 2)).cases).toEqual([]);
    });

    it("commits again what the truth could not take", async () => {
      await harness.hold(1);
      const held = await take(anna);
      harness.failCommits(3);
      await submit(anna, held, "r1");
      await pass(5_000);
      expect(await harness.reviews()).toEqual([]);
      for (let i = 0; i < 8; i += 1) await pass(2_000);
      expect(await harness.reviews()).toHaveLength(1);
    });

    it("tells a reviewer that the decision is final", async () => {
      await harness.hold(1);
      const held = await take(anna);
      const news: ReviewNews[] = [];
      store.listen(anna, (told) => news.push(told));
      await submit(anna, held, "r1");
      await pass(5_000);
      expect(news).toContainEqual({ kind: "final", id: held.id, label: "Kiwi" });
    });

    it("counts what waits and what is being looked at", async () => {
      await harness.hold(1);
      await harness.hold(2);
      await take(anna);
      expect(await store.queue()).toMatchObject({ waiting: 1, leased: 1, more: false });
    });

    it("shows a picture only to whoever holds its case", async () => {
      await harness.hold(1);
      const held = await take(anna);
      expect(await store.picture(anna, held.id)).toMatchObject({ ok: true, value: { contentType: "image/png" } });
      expect(await store.picture(ben, held.id)).toMatchObject({ ok: false, error: { code: "HP_LEASE_LOST" } });
    });

    it("refuses a label that the task does not have", async () => {
      await harness.hold(1);
      const held = await take(anna);
      const made = await submit(anna, held, "r1", { kind: "label", label: "Kiwwi" });
      expect(made).toMatchObject({ ok: false, error: { code: "HP_SCHEMA" } });
    });

    it("knows nothing of unknown cases and tasks", async () => {
      const lease = await store.heartbeat(anna, "no-such-case", 1);
      expect(lease).toMatchObject({ ok: false, error: { code: "HP_NOT_FOUND" } });
      expect(await store.labels("no_such_task")).toMatchObject({ ok: false, error: { code: "HP_UNKNOWN_TASK" } });
    });

    it("loses nothing that was answered when it closes", async () => {
      await harness.hold(1);
      await submit(anna, await take(anna), "r1");
      await store.close();
      await harness.afterClose?.();
      expect(await harness.reviews()).toHaveLength(1);
    });
  });
}

/** Lets promises run out. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}
