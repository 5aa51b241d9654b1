import { createAgentReviewStore } from "../../edge-agent/review/agent-review-store.ts";
import { encodePng } from "../../edge-agent/review/png-encoder.node.ts";
import { silentLogger, type Input } from "../../protocol/index.ts";
import { fakeClock } from "../../testing/index.ts";
import { createFakeSource, heldCase } from "../browser/review-cases.ts";
import { reviewStoreContract } from "./review-store.contract.ts";

const pixels: Input = { kind: "pixels", width: 4, height: 2, channels: 3, data: new Uint8Array(24).fill(120) };

reviewStoreContract("the agent's queue", async () => {
  const clock = fakeClock();
  const source = createFakeSource();
  const store = await createAgentReviewStore({ source, clock, timers: clock, logger: silentLogger, encodePng });
  return {
    store,
    clock,
    hold: async (n, { leftMs = 900_000, heldAgoMs = 1_000 } = {}) => {
      const times = { heldAtMs: clock.wallMs() - heldAgoMs, leftMs, audit: leftMs === null };
      const held = heldCase({ n, ...times, suggestions: [["Kiwi", 0.5]] }, pixels);
      source.hold(held, pixels);
      await Promise.resolve();
      return held.id;
    },
    settle: (id) => {
      source.settle(id);
      return Promise.resolve();
    },
    reviews: () => source.reviews,
    failCommits: (count) => source.failCommits(count),
  };
});
