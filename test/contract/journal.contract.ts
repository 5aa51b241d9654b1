import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type EffectiveConfig } from "../../config/index.ts";
import { outcomesPerCaseMax, type DecisionRecord, type Journal } from "../../edge-agent/journal/journal.ts";
import { outboxBodies, type Decision, type Input } from "../../protocol/index.ts";
import { systemRandom } from "../../protocol/platform/clock.node.ts";
import {
  admissionOf,
  canonicalInput,
  configOf,
  decisionOf,
  type HandClock,
  makeRequest,
  recordOf,
  reviewOf,
  settledBy,
  trace,
} from "../support/journal-cases.ts";

/** A journal under test, and the way to let time pass for it (the timers run and what they started has been done). */
export interface JournalUnderTest {
  readonly journal: Journal;
  readonly clock: HandClock;
  pass(ms: number): Promise<void>;
  /** Closes the journal and opens it again on the same data. */
  reopen(): Promise<JournalUnderTest>;
  dispose(): Promise<void>;
}

export function describeJournal(
  name: string,
  open: (retention?: Partial<EffectiveConfig["retention"]>) => Promise<JournalUnderTest>,
): void {
  let under: JournalUnderTest;
  let journal: Journal;

  async function start(): Promise<void> {
    under = await open();
    ({ journal } = under);
  }

  async function restart(): Promise<void> {
    under = await under.reopen();
    ({ journal } = under);
  }

  async function decided(verdict: Decision["verdict"], more: Partial<DecisionRecord> = {}): Promise<Decision> {
    const request = makeRequest();
    await journal.admit(admissionOf(request));
    const decision = decisionOf(request, verdict);
    await journal.decide(recordOf(decision, more));
    return decision;
  }

  describe(`${name} is a journal: single cases`, () => {
    beforeAll(start);
    afterAll(() => under.dispose());

    test("a request that came before is known, with the decision once there is one", async () => {
      const request = makeRequest();
      const admission = admissionOf(request);
      expect(await journal.admit(admission)).toEqual({ kind: "admitted" });
      expect(await journal.admit({ ...admission, transport: "http" })).toEqual({ kind: "known", decision: null });
      await journal.decide(recordOf(decisionOf(request)));
      expect(await journal.admit(admission)).toEqual({ kind: "known", decision: decisionOf(request) });
    });

    test("the same id with another body is a conflict and changes nothing", async () => {
      const request = makeRequest();
      await journal.admit(admissionOf(request));
      const other = { ...request, context: { basket: "b-18" } };
      expect(await journal.admit(admissionOf(other))).toEqual({ kind: "conflict" });
      expect((await journal.find(request.id))?.request.context).toEqual(request.context);
    });

    test("an id belongs to the device that used it first: from another one the same body is a conflict", async () => {
      const request = makeRequest();
      await journal.admit(admissionOf(request));
      await journal.decide(recordOf(decisionOf(request)));
      expect(await journal.admit(admissionOf(request, { device: "till-1" }))).toEqual({ kind: "conflict" });
      expect((await journal.find(request.id))?.device).toBe("camera-1");
    });

    test.each<Input>([
      { kind: "image", encoding: "jpeg", data: Uint8Array.of(255, 216, 255, 0) },
      { kind: "tensor", dtype: "float32", shape: [1, 2], data: new Uint8Array(8).fill(3) },
      { kind: "sequence", channels: ["grams"], hertz: 60, data: new Uint8Array(16) },
      { kind: "features", values: { block: "F", grams: 1233, fragile: true, note: null, name: "Gänseleber\u0000🥛" } },
      { kind: "items", items: [{ label: "milk", count: 2, confidence: 0.93 }], grams: 1480 },
      { kind: "event", entity: "201", values: { amount: 12.5 } },
      { kind: "entity", entity: "201" },
    ])("an input of kind $kind comes back as it was sent", async (input) => {
      const request = makeRequest(input);
      await journal.admit(admissionOf(request));
      expect(canonicalInput(await journal.input(request.id))).toEqual(canonicalInput(input));
      const found = await journal.find(request.id);
      expect(found).toMatchObject({ id: request.id, device: "camera-1", state: "received", inputState: "kept" });
      expect(found?.request.input.kind).toBe(input.kind);
      expect({ ...found?.request, input: null }).toEqual({ ...request, input: null });
    });

    test("a case whose input is not kept is recorded all the same", async () => {
      const request = makeRequest();
      await journal.admit(admissionOf(request, { keepInput: false }));
      expect(await journal.input(request.id)).toBeNull();
      expect((await journal.find(request.id))?.inputState).toBe("none");
    });

    test("revision 1 is written once and never changes", async () => {
      const decision = await decided("accept");
      await journal.decide(recordOf({ ...decision, confidence: 0.1 }));
      const found = await journal.find(decision.id);
      expect(found).toMatchObject({ state: "final", decision, revisions: [decision], trace, audit: false });
    });

    test.each(["accept", "escalate", "abstain"] as const)(
      "a decision (%s) that is known when its request leaves shares the commit, and is told like any other",
      async (verdict) => {
        const request = makeRequest();
        const decision = decisionOf(request, verdict);
        let asked = 0;
        const decisionNow = (): DecisionRecord => {
          asked += 1;
          return recordOf(decision);
        };
        const before = await journal.counts();
        const admission = { ...admissionOf(request), decision: decisionNow };
        expect(await journal.admit(admission)).toEqual({ kind: "admitted", decided: true });
        expect(asked).toBe(1);
        const after = await journal.counts();
        expect(after.undecided).toBe(before.undecided);
        expect(after.pending - before.pending).toBe(verdict === "escalate" ? 1 : 0);
        expect(await journal.find(request.id)).toMatchObject({ decision, trace, state: decision.status });
        const waiting = await journal.undelivered("camera-1", 1000);
        expect(waiting.map(({ decision: { id } }) => id)).toContain(request.id);
        expect(await journal.verify()).toMatchObject({ intact: true });
        // What was decided first stays, whatever a repeat or another body brings with it.
        const other = { ...decision, explanation: "another one" };
        const again = { ...admission, decision: () => recordOf(other) };
        expect(await journal.admit(again)).toEqual({ kind: "known", decision });
        const changed = { ...again, ...admissionOf({ ...request, context: { basket: "b-19" } }) };
        expect(await journal.admit({ ...changed, decision: again.decision })).toEqual({ kind: "conflict" });
        expect((await journal.find(request.id))?.revisions).toEqual([decision]);
      },
    );

    test("a decision on an id that was never admitted is refused", async () => {
      await expect(journal.decide(recordOf(decisionOf(makeRequest())))).rejects.toMatchObject({ code: "HP_NOT_FOUND" });
    });

    test("the first review makes a pending case final; later ones are labels", async () => {
      const decision = await decided("escalate");
      expect((await journal.pending(100)).map(({ id }) => id)).toContain(decision.id);
      const first = reviewOf(decision, "Oatly-Oat-Milk");
      const final = { kind: "final", decision: first.revision };
      expect(await journal.review(first)).toEqual(final);
      expect(await journal.review(first)).toEqual(final);
      const second = { kind: "label", decision: first.revision };
      expect(await journal.review(reviewOf(decision, "Arla-Milk"))).toEqual({ ...second, conflict: true });
      expect(await journal.review(reviewOf(decision, "Oatly-Oat-Milk", "r2"))).toEqual({ ...second, conflict: false });
      const found = await journal.find(decision.id);
      expect(found?.revisions).toEqual([decision, first.revision]);
      expect(found?.reviews.map(({ answer }) => answer)).toHaveLength(3);
      expect((await journal.pending(100)).map(({ id }) => id)).not.toContain(decision.id);
      expect((await journal.verify()).intact).toBe(true);
    });

    test("a review of an unknown or undecided case is unknown", async () => {
      const request = makeRequest();
      const review = reviewOf(decisionOf(request, "escalate"), "x");
      expect(await journal.review(review)).toEqual({ kind: "unknown" });
      await journal.admit(admissionOf(request));
      expect(await journal.review(review)).toEqual({ kind: "unknown" });
    });

    test("a review that would leave the case pending, or skip a revision, is refused", async () => {
      const decision = await decided("escalate");
      const review = reviewOf(decision, "x");
      const pending = { ...review, revision: { ...review.revision, status: "pending" as const } };
      await expect(journal.review(pending)).rejects.toMatchObject({ code: "HP_CONFLICT" });
      const skipping = { ...review, revision: { ...review.revision, revision: 3 } };
      await expect(journal.review(skipping)).rejects.toMatchObject({ code: "HP_CONFLICT" });
      expect((await journal.find(decision.id))?.state).toBe("pending");
    });

    test("settling closes a pending case once, and a later review is a label", async () => {
      const decision = await decided("escalate");
      const revision = settledBy(decision);
      expect(await journal.settle({ revision })).toEqual(revision);
      expect(await journal.settle({ revision })).toBeNull();
      expect(await journal.review(reviewOf(decision, "ask-shopper"))).toMatchObject({ kind: "label", conflict: false });
      expect(await journal.settle({ revision: settledBy(decisionOf(makeRequest())) })).toBeNull();
    });

    test("an audit sample waits for its person and stays as it was", async () => {
      const decision = await decided("accept", { audit: true });
      expect((await journal.audits(10)).map(({ id }) => id)).toEqual([decision.id]);
      expect(await journal.review(reviewOf(decision, "Arla-Milk"))).toEqual({
        kind: "label",
        decision,
        conflict: true,
      });
      expect(await journal.audits(10)).toEqual([]);
      const found = await journal.find(decision.id);
      expect(found).toMatchObject({ audit: true, auditState: "reviewed", revisions: [decision] });
    });

    test("outcomes are kept once each, up to a bound", async () => {
      const { id } = await decided("accept");
      const outcome = (label: string) => ({ id, label, source: "pos" as const, at: 1 });
      expect(await journal.outcome("till-1", outcome("a"))).toBe("recorded");
      expect(await journal.outcome("till-1", outcome("a"))).toBe("known");
      expect(await journal.outcome("till-1", { ...outcome("a"), id: makeRequest().id })).toBe("unknown_id");
      for (let index = 1; index < outcomesPerCaseMax; index += 1) await journal.outcome("till-1", outcome(`l${index}`));
      await expect(journal.outcome("till-1", outcome("z"))).rejects.toMatchObject({ code: "HP_CONFLICT" });
      expect((await journal.find(id))?.outcomes).toHaveLength(outcomesPerCaseMax);
    });

    test("events of an entity come back oldest first, each once", async () => {
      const event = (at: number, entity = "201") => ({
        v: 1 as const,
        id: makeRequest().id,
        entity,
        at,
        values: { at },
      });
      const [a, b, c] = [event(30), event(10), event(20)];
      for (const one of [a, b, c, event(15, "202")]) expect(await journal.observe("till-1", one)).toBe("recorded");
      expect(await journal.observe("till-1", a)).toBe("known");
      expect(await journal.events("201", 0)).toEqual([b, c, a]);
      expect(await journal.events("201", 15)).toEqual([c, a]);
      expect(await journal.events("201", 0, 2)).toEqual([c, a]);
    });

    test("a device that asks by HTTP has no delivery rows", async () => {
      const request = makeRequest();
      await journal.admit(admissionOf(request, { transport: "http", device: "kiosk-1" }));
      await journal.decide(recordOf(decisionOf(request)));
      expect(await journal.undelivered("kiosk-1", 10)).toEqual([]);
    });

    test("erasing deletes the input, keeps the decision, and leaves no digest to guess against", async () => {
      const request = makeRequest({ kind: "features", values: { face: "oval" } });
      const before = (await journal.counts()).inputBytes;
      await journal.admit(admissionOf(request));
      await journal.decide(recordOf(decisionOf(request)));
      expect(await journal.erase(request.id)).toBe(true);
      expect(await journal.erase(request.id)).toBe(false);
      expect(await journal.erase(makeRequest().id)).toBe(false);
      const found = await journal.find(request.id);
      expect(found).toMatchObject({ inputState: "erased", request: { input: { kind: "features", values: {} } } });
      expect(found?.decision).toEqual(decisionOf(request));
      expect(await journal.admit(admissionOf(request))).toEqual({ kind: "known", decision: decisionOf(request) });
      expect((await journal.counts()).inputBytes).toBe(before);
      expect((await journal.verify()).intact).toBe(true);
    });
  });

  describe(`${name} is a journal: all that it holds`, () => {
    beforeEach(start);
    afterEach(() => under.dispose());

    test("bytes that share a larger buffer are kept alone", async () => {
      const socket = systemRandom.bytes(65_536);
      const request = makeRequest({ kind: "image", encoding: "png", data: socket.subarray(1000, 1100) });
      await journal.admit(admissionOf(request));
      expect(canonicalInput(await journal.input(request.id))).toEqual(canonicalInput(request.input));
      expect((await journal.counts()).inputBytes).toBe(100);
    });

    test("each revision waits for its device until that device has acknowledged it", async () => {
      const decision = await decided("escalate");
      await journal.settle({ revision: settledBy(decision) });
      const waiting = await journal.undelivered("camera-1", 10);
      expect(waiting).toEqual([
        { device: "camera-1", decision, encoding: "msgpack" },
        { device: "camera-1", decision: settledBy(decision), encoding: "msgpack" },
      ]);
      await journal.delivered("camera-2", decision.id, 1);
      await journal.delivered("camera-1", makeRequest().id, 1);
      expect((await journal.counts()).undelivered).toBe(2);
      await journal.delivered("camera-1", decision.id, 1);
      await journal.delivered("camera-1", decision.id, 1);
      expect((await journal.undelivered("camera-1", 10)).map((row) => row.decision.revision)).toEqual([2]);
      expect((await journal.counts()).undelivered).toBe(1);
    });

    test("a row tells the hub how its case was sampled; a sample without its input is told as well", async () => {
      const { seq: before = 0 } = (await journal.outbox(0, 1000)).at(-1) ?? {};
      const sample = {
        propensity: 0.01,
        uniform: true,
        rule: false,
        rung: "fine",
        confidence: 0.99,
        calibration: "none",
      } as const;
      const audited = await decided("accept", { audit: true, sample });
      const request = makeRequest();
      await journal.admit(admissionOf(request, { keepInput: false }));
      const lost = decisionOf(request);
      await journal.decide(recordOf(lost, { audit: true, sample }));
      const rows = await journal.outbox(before, 10);
      expect(rows.map(({ kind, body }) => [kind, outboxBodies.audit.parse(JSON.parse(body))])).toEqual([
        ["audit", { id: audited.id, decision: audited, sample }],
        ["audit", { id: lost.id, decision: lost, sample }],
      ]);
      expect(await journal.find(lost.id)).toMatchObject({ auditState: "evicted" });
      await journal.forwarded(journal.epoch, before + 2);
    });

    test("escalations, audits, reviews and outcomes enter the outbox in order, without a gap", async () => {
      const accepted = await decided("accept");
      const escalated = await decided("escalate");
      const audited = await decided("accept", { audit: true });
      await journal.review(reviewOf(escalated, "x"));
      await journal.outcome("till-1", { id: accepted.id, correct: true, source: "pos", at: 1 });
      const rows = await journal.outbox(0, 100);
      expect(rows.map(({ seq, kind, id }) => [seq, kind, id])).toEqual([
        [1, "escalation", escalated.id],
        [2, "audit", audited.id],
        [3, "review", escalated.id],
        [4, "revision", escalated.id],
        [5, "outcome", accepted.id],
      ]);
      expect(JSON.parse(rows[0]?.body ?? "")).toEqual({ id: escalated.id, decision: escalated });
      expect(await journal.forwarded("another-epoch", 5)).toBe(0);
      expect(await journal.forwarded(journal.epoch, 2)).toBe(2);
      expect(await journal.forwarded(journal.epoch, 1)).toBe(2);
      expect((await journal.outbox(0, 100)).map(({ seq }) => seq)).toEqual([3, 4, 5]);
      expect(await journal.forwarded(journal.epoch, 99)).toBe(5);
      expect((await journal.counts()).unsent).toBe(0);
    });

    test("the hub is told once that the device has a person's answer, by acknowledgement or by fetching it", async () => {
      const after = (await journal.outbox(0, 100)).at(-1)?.seq ?? 0;
      const told = async () =>
        (await journal.outbox(after, 100)).flatMap(({ kind, body }) =>
          kind === "delivered" ? [JSON.parse(body) as unknown] : [],
        );
      const [sent, request] = [await decided("escalate"), makeRequest()];
      await journal.admit({ ...admissionOf(request), transport: "http" });
      const fetched = decisionOf(request, "escalate");
      await journal.decide(recordOf(fetched));
      const accepted = await decided("accept");
      for (const { id } of [sent, fetched, accepted]) await journal.delivered("camera-1", id, 1);
      for (const { id } of [sent, fetched]) await journal.delivered("camera-1", id, 2);
      expect(await told()).toEqual([]);
      for (const decision of [sent, fetched]) await journal.settle({ revision: settledBy(decision) });
      for (const { id } of [sent, fetched]) await journal.delivered("camera-2", id, 2);
      for (const { id } of [sent, fetched, sent, fetched]) await journal.delivered("camera-1", id, 2);
      expect(await told()).toEqual([
        { id: sent.id, revision: 2 },
        { id: fetched.id, revision: 2 },
      ]);
      expect((await journal.counts()).unsent).toBe((await journal.outbox(0, 1000)).length);
    });

    test("a config keeps its revision while it is in force, and gets a new one when it comes back", async () => {
      const [a, b] = [configOf("store_1"), configOf("store_2")];
      const revision = async (config: EffectiveConfig) => (await journal.adoptConfig(config)).revision;
      expect([await revision(a), await revision(a), await revision(b), await revision(a)]).toEqual([1, 1, 2, 3]);
      expect(await journal.config(b.digest)).toEqual({ ...b, revision: 2 });
      expect(await journal.config("sha256:none")).toBeNull();
    });

    test("a listing is newest first, filtered, and continues at its cursor", async () => {
      const all: Decision[] = [];
      for (const verdict of ["accept", "escalate", "accept", "abstain", "accept"] as const)
        all.push(await decided(verdict));
      await journal.admit(admissionOf(makeRequest()));
      const first = await journal.list({ limit: 2 });
      expect(first.decisions).toEqual([all[4], all[3]]);
      const second = await journal.list({ limit: 10, cursor: first.cursor ?? "" });
      expect(second).toEqual({ decisions: [all[2], all[1], all[0]], cursor: null });
      const accepted = await journal.list({ limit: 10, verdict: "accept", device: "camera-1" });
      expect(accepted.decisions).toEqual([all[4], all[2], all[0]]);
      expect((await journal.list({ limit: 10, task: "other" })).decisions).toEqual([]);
    });

    test("everything is as it was after a restart", async () => {
      const accepted = await decided("accept");
      const escalated = await decided("escalate");
      const open = makeRequest();
      await journal.admit(admissionOf(open));
      const before = await journal.counts();
      const { epoch } = journal;
      await restart();
      expect(journal.epoch).toBe(epoch);
      expect(await journal.counts()).toEqual(before);
      expect((await journal.undecided(10)).map(({ id }) => id)).toEqual([open.id]);
      expect((await journal.pending(10)).map(({ id }) => id)).toEqual([escalated.id]);
      expect((await journal.find(accepted.id))?.decision).toEqual(accepted);
      expect((await journal.verify()).intact).toBe(true);
    });

    test("patience with people runs on agent time: across restarts, and whatever the wall clock does", async () => {
      const decision = await decided("escalate");
      const left = async () => (await journal.find(decision.id))?.reviewLeftMs;
      expect(await left()).toBe(900_000);
      await under.pass(100_000);
      expect(await left()).toBe(800_000);
      under.clock.wall += 10 * 365 * 86_400_000;
      await under.pass(1000);
      expect(await left()).toBe(799_000);
      await restart();
      expect(await left()).toBe(799_000);
      under.clock.wall -= 20 * 365 * 86_400_000;
      await under.pass(800_000);
      expect((await journal.pending(1))[0]?.reviewLeftMs).toBe(-1000);
    });

    test("undecided cases are listed in pages", async () => {
      const requests = [makeRequest(), makeRequest(), makeRequest()];
      for (const request of requests) await journal.admit(admissionOf(request));
      const ids = requests.map(({ id }) => id);
      expect((await journal.undecided(2)).map(({ id }) => id)).toEqual(ids.slice(0, 2));
      expect((await journal.undecided(2, ids[1])).map(({ id }) => id)).toEqual(ids.slice(2));
    });

    test("a closed journal refuses and says so", async () => {
      await journal.close();
      await expect(journal.admit(admissionOf(makeRequest()))).rejects.toMatchObject({ code: "HP_CLOSED" });
      await expect(journal.find("x")).rejects.toMatchObject({ code: "HP_CLOSED" });
      await journal.close();
    });
  });
}
