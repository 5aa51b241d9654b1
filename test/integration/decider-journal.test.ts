import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDecisionJournal } from "../../edge-agent/decision-journal.node.ts";
import { bodyDigest, type Input } from "../../protocol/index.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createDecider } from "../../sdk/index.ts";
import { fakeReviewer } from "../../testing/index.ts";
import { requestOf } from "../support/requests.ts";
import { scriptedHost } from "../support/scripted-host.ts";

const task = "product_identification";
const input: Input = { kind: "pixels", width: 1, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3) };
const config = {
  store_id: "store_1",
  models: { product_identification: { model: "scripted@1" } },
  thresholds: { product_identification: 0.9 },
};

describe("the embedded decider with a journal", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "holdpoint-decider-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const open = async (probability: number, escalateTo = fakeReviewer().escalateTo) =>
    createDecider({
      config,
      models: () => scriptedHost(probability),
      escalateTo,
      journal: await openDecisionJournal({ dir }),
    });

  it("says that it is durable, and asks the person again in its next life", async () => {
    const first = await open(0.6);
    expect(first.durable).toBe(true);
    const { id, status } = await first.decide(task, input);
    expect(status).toBe("pending");
    await first.close();

    const reviewer = fakeReviewer("Kim");
    const second = await open(0.6, reviewer.escalateTo);
    const [shown] = reviewer.waiting;
    expect(shown?.decision.id).toBe(id);
    expect(shown?.request.input).toEqual(
      expect.objectContaining({ kind: "pixels", data: expect.anything() as unknown }),
    );
    reviewer.answer("Orange");
    expect(await second.final(id)).toMatchObject({ revision: 2, decidedBy: "reviewer", answer: { label: "Orange" } });
    await second.close();

    const third = await open(0.6);
    expect(await third.final(id)).toMatchObject({ revision: 2, answer: { label: "Orange" } });
    await third.close();
  });

  it("decides what was durable and not decided when its process ended", async () => {
    const journal = await openDecisionJournal({ dir });
    const request = requestOf({ input });
    await journal.admit({
      request,
      bodyDigest: bodyDigest(nodeHasher, request),
      receivedAtMs: request.at,
      keepInput: true,
    });
    await journal.close();
    const decider = await open(0.97);
    expect(await decider.final(request.id)).toMatchObject({ verdict: "accept", answer: { label: "Satsuma" } });
    await decider.close();
  });

  it("refuses a directory that another one has", async () => {
    const decider = await open(0.97);
    await expect(openDecisionJournal({ dir })).rejects.toMatchObject({ code: "HP_LOCKED" });
    await decider.close();
  });
});
