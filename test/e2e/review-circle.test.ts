import { type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { type Decision } from "../../protocol/index.ts";
import { connect, type Client } from "../../sdk/index.ts";
import { hasChromium, seeCase, startChromium } from "../browser/review-room.ts";
import {
  agentPlace,
  productTask,
  startAgentProcess,
  type AgentPlace,
  type AgentProcess,
} from "../support/agent-process.ts";

/** Nothing is accepted by the model, so that the person decides. */
const config = `store_id: store_1
models:
  product_identification: { model: product-id@^1, batch_size: 8 }
thresholds:
  product_identification: { default: 1, coarse: 1 }
tasks:
  product_identification:
    question: Which product is it?
    safe_action: { label: ask-shopper }
`;

// Skipped where there is no Chromium: review-room.ts says so.
describe.skipIf(!hasChromium)("the whole circle, with a real browser", () => {
  let place: AgentPlace;
  let agent: AgentProcess;
  let client: Client;
  let browser: Browser;
  beforeAll(async () => {
    place = await agentPlace({ config });
    agent = await startAgentProcess(place);
    const secret = place.devices["camera-1"] ?? "";
    client = connect({ url: `mqtt://127.0.0.1:${agent.mqttPort}/store_1`, device: "camera-1", secret });
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser.close();
    await client.close();
    await agent.stop();
    await place.remove();
  });

  it("a device asks, the model is not sure, a person answers with a key, and the device has the final decision", async () => {
    const { jpeg } = await drawShelfCrop(3);
    const input = { kind: "image", encoding: "jpeg", data: jpeg } as const;
    const first = await client.decide(productTask, input, { context: { camera: "aisle-3", shelf: "C2" } });
    expect(first).toMatchObject({ status: "pending", verdict: "escalate", revision: 1 });
    // A second case, so that the page has one to show after the answer.
    const next = await client.decide(productTask, { ...input, data: (await drawShelfCrop(4)).jpeg });
    expect(next.status).toBe("pending");
    const revisions: Decision[] = [];
    client.on("revision", (decision) => revisions.push(decision));

    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(agent.review ?? "");
    await page.getByLabel("PIN").fill(agent.pin ?? "");
    await page.getByLabel("Your name").fill("Maja Lind");
    await page.getByRole("button", { name: "Start reviewing" }).click();
    await seeCase(page);
    await page.keyboard.press("2");

    const final = await client.final(first.id, { waitMs: 20_000 });
    const second = first.answer?.alternatives?.[0]?.label;
    expect(final).toMatchObject({
      id: first.id,
      revision: 2,
      status: "final",
      verdict: "escalate",
      decidedBy: "reviewer",
      answer: { label: second },
      reasons: ["reviewed", "below_gate"],
    });
    expect(final.explanation).toContain("Maja Lind");
    // The page shows that the device has it: the PUBACK of revision 2 has cleared its delivery row.
    await page.getByText("the device has it").waitFor();
    expect(revisions.map(({ revision }) => revision)).toEqual([2]);
    await page.close();
  });
});
