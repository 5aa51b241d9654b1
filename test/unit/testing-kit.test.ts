import { describe, expect, it } from "vitest";
import { createDecider } from "../../sdk/index.ts";
import { type StubAnswer } from "../../models/runtimes/stub.ts";
import { fakeClock, fakeReviewer, stubModels } from "../../testing/index.ts";

const config = {
  store_id: "store_1",
  models: { shelf_check: { model: "shelf@1" } },
  tasks: { shelf_check: { review_within: "10m", safe_action: { label: "ask" }, audit_share: 0 } },
};
const input = { kind: "features", values: { grams: 12 } } as const;
const unsure = (): StubAnswer => ({ kind: "outputs", values: [0.6, 0.4] });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the kit for tests of other software", () => {
  it("plays a case through to a person's answer", async () => {
    const clock = fakeClock();
    const reviewer = fakeReviewer("Kim");

    const models = () => stubModels({ labels: ["full", "empty"], answer: unsure, timers: clock });
    const decider = await createDecider({ config, models, escalateTo: reviewer.escalateTo, clock, timers: clock });
    const decided = decider.decide("shelf_check", input);
    for (let i = 0; i < 20; i += 1) {
      clock.advance(1);
      await settled();
    }
    const { id, status } = await decided;
    expect(status).toBe("pending");
    reviewer.answer("empty");
    expect(await decider.final(id)).toMatchObject({ decidedBy: "reviewer", answer: { label: "empty" } });
  });

  it("lets the patience with people end by hand, and a jump of the wall clock ends nothing", async () => {
    const clock = fakeClock();
    const reviewer = fakeReviewer();
    const models = () => stubModels({ answer: unsure, timers: clock });
    const decider = await createDecider({ config, models, escalateTo: reviewer.escalateTo, clock, timers: clock });
    const decided = decider.decide("shelf_check", input);
    for (let i = 0; i < 20; i += 1) {
      clock.advance(1);
      await settled();
    }
    const { id } = await decided;
    clock.jump(10 * 365 * 86_400_000);
    clock.advance(9 * 60_000);
    await settled();
    expect(reviewer.waiting).toHaveLength(1);
    const final = decider.final(id);
    clock.advance(2 * 60_000);
    expect(await final).toMatchObject({ decidedBy: "fallback", answer: { label: "ask" } });
  });
});
