import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newId, type Decision } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { edgeHub, hubbedAgent, until, type EdgeHub, type HubbedAgent } from "../support/edge-agent-hub.ts";

describe("an agent and its hub", () => {
  let hub: EdgeHub;
  const open: HubbedAgent[] = [];
  beforeAll(async () => {
    hub = await edgeHub();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
  afterAll(() => hub.close());

  const begin = async (more: Partial<Parameters<typeof hubbedAgent>[0]> = {}): Promise<HubbedAgent> => {
    const made = await hubbedAgent({ url: hub.url, token: await hub.enrolToken(), ...more });
    open.push(made);
    return made;
  };
  const caseOf = (id: string) => hub.rows("SELECT * FROM cases WHERE decision_id = ?", id)[0];
  const pixels = (side: number) => ({
    ...{ kind: "pixels" as const, width: side, height: side, channels: 3 as const },
    data: new Uint8Array(randomBytes(side * side * 3)),
  });

  test("what the store cannot decide is at the hub with what a reviewer needs, and then it is safe to switch off", async () => {
    const box = await begin();
    const id = await box.hold();
    await until(() => caseOf(id) !== undefined);
    const found = caseOf(id);
    expect(JSON.parse(found?.["view"] ?? "")).toMatchObject({
      ...{ id, task: "people_only", device: "camera-1", question: "Which one?", context: { shelf: "C2" } },
      facts: [{ name: "grams", value: "12" }],
    });
    expect(JSON.parse(found?.["costs"] ?? "")).toEqual({ review: 0.08, wrongAccept: 3.5 });
    await until(async () => (await box.agent.status()).safeToPowerOff);
    expect(await box.agent.status()).toMatchObject({
      state: "ready",
      unsent: 0,
      hub: { state: "connected", pictures: 0 },
    });
  });

  test("small pictures come along and large ones in parts; only then their rows count as sent", async () => {
    const box = await begin();
    const small = await box.hold(pixels(16));
    const large = await box.hold(pixels(700));
    await until(() => [small, large].every((id) => caseOf(id)?.["picture_state"] === "kept"));
    await until(async () => (await box.agent.status()).unsent === 0);
    expect(box.agent.hub?.()).toMatchObject({ owedPictures: 0, droppedPictures: 0 });
  });

  test("the hub's answer makes the decision final at the device, once, and comes back as a revision", async () => {
    const box = await begin();
    const id = await box.hold();
    await until(() => caseOf(id) !== undefined);
    const reviewId = newId(systemClock, systemRandom);
    const review = { kind: "review" as const, id, reviewId, reviewer: "Ada", tookMs: 900, atMs: Date.now() };
    hub.tell(box.agentId(), { ...review, answer: { kind: "label", label: "pear" } });
    const final = await box.agent.service.wait("camera-1", id, "final", 10_000);
    expect(final).toMatchObject({ revision: 2, status: "final", decidedBy: "reviewer", answer: { label: "pear" } });
    // Another hub's answer after it is a label, and the same one again is nothing.
    hub.tell(box.agentId(), { ...review, answer: { kind: "label", label: "pear" } });
    hub.tell(box.agentId(), { ...review, reviewId: "other", answer: { kind: "label", label: "apple" } });
    await until(() => box.agent.hub?.().applied === 3);
    const known = await box.agent.service.decision("camera-1", id);
    expect(known?.revisions).toHaveLength(2);
    expect(known?.reviews).toHaveLength(2);
    await until(() => caseOf(id)?.["state"] === "final");
    // The device's own call fetched it, and the hub is told.
    const events = () =>
      hub.rows("SELECT e.kind FROM case_events e JOIN cases c USING (case_id) WHERE decision_id = ?", id);
    await until(() => events().some(({ kind }) => kind === "delivered"));
    expect(events().filter(({ kind }) => kind === "delivered")).toHaveLength(1);
    expect((JSON.parse(caseOf(id)?.["decision"] ?? "") as Decision).answer?.label).toBe("pear");
  });

  test("what cannot be understood or is of an unknown case is counted and skipped; the rest is applied", async () => {
    const box = await begin();
    const id = await box.hold();
    await until(() => caseOf(id) !== undefined);
    hub.tell(box.agentId(), { kind: "dance" } as never);
    const review = { kind: "review" as const, reviewer: "Ada", tookMs: null, atMs: 1 };
    const answer = { kind: "label" as const, label: "apple" };
    hub.tell(box.agentId(), { ...review, id: newId(systemClock, systemRandom), reviewId: "r1", answer });
    hub.tell(box.agentId(), { ...review, id, reviewId: "r2", answer });
    expect(await box.agent.service.wait("camera-1", id, "final", 10_000)).toMatchObject({ answer: { label: "apple" } });
    await until(() => box.agent.hub?.().applied === 1);
    expect(box.agent.hub?.()).toMatchObject({ skipped: 2 });
    await until(() => hub.rows("SELECT 1 FROM feed_items WHERE agent_id = ?", box.agentId()).length === 0);
  });

  test("an erasure at the hub erases the picture in the store", async () => {
    const box = await begin();
    const id = await box.hold(pixels(16));
    await until(() => caseOf(id) !== undefined);
    hub.tell(box.agentId(), { kind: "erase", id });
    await until(async () => (await box.agent.service.decision("camera-1", id))?.inputState === "erased");
  });

  test("a picture leaves only as the redaction lets it, and not at all where it says so", async () => {
    const black = Uint8Array.from(
      atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="),
      (c) => c.charCodeAt(0),
    );
    const seen: string[] = [];
    const box = await begin({
      redact: (picture, { id, context }) => {
        seen.push(`${picture.contentType} ${String(context["shelf"])} ${id}`);
        return seen.length === 1 ? { contentType: "image/png", bytes: black } : null;
      },
    });
    const blurred = await box.hold(pixels(16));
    await until(() => caseOf(blurred)?.["picture_state"] === "kept");
    const kept = await box.hold(pixels(16));
    await until(() => caseOf(kept) !== undefined);
    expect(caseOf(kept)?.["picture_state"]).toBe("none");
    expect(hub.rows("SELECT picture_bytes AS n FROM cases WHERE decision_id = ?", blurred)).toEqual([
      { n: black.length },
    ]);
    expect(seen[0]).toBe(`image/png C2 ${blurred}`);
  });

  test("the hub knows each task's labels and question, and how it decided", async () => {
    const box = await begin();
    await box.hold();
    await until(() => hub.rows("SELECT 1 FROM store_tasks WHERE task = 'people_only'").length === 1);
    const [row] = hub.rows("SELECT * FROM store_tasks WHERE task = 'people_only'");
    expect(row).toMatchObject({ labels: '["apple","pear"]', question: "Which one?" });
  });
});
