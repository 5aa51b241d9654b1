import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId, type AgentStatus, type Decision } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { agentPlace, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";

/** The file that a store already has (docs/config.md): a pickle, a model that is not there, a task without a model. */
const config = `store_id: store_123
models:
  product_identification: { model_path: /models/product_id_v3.pkl, batch_size: 32 }
  customer_tracking: { model_path: /models/tracking_v2.onnx, max_history_frames: 30 }
thresholds: { product_identification: 0.92, customer_tracking: 0.85, cart_verification: 0.98 }
`;

describe("the config that a store already has", () => {
  let place: AgentPlace;
  let agent: AgentProcess;
  beforeAll(async () => {
    place = await agentPlace({ config, model: false });
    agent = await startAgentProcess(place);
  });
  afterAll(async () => {
    expect(await agent.stop()).toBe(0);
    await place.remove();
  });

  it("starts the agent, which says what to do about each model", async () => {
    const { state, reasons, store } = (await (await fetch(`${agent.http}/v1/status`)).json()) as AgentStatus;
    expect([state, store]).toEqual(["degraded", "store_123"]);
    const messages = reasons.map(({ code, message }) => `${code} ${message}`);
    expect(messages).toContainEqual(expect.stringMatching(/HP_MODEL_FORMAT product_identification.*\.pkl/));
    expect(messages).toContainEqual(expect.stringMatching(/HP_MODEL_NOT_FOUND customer_tracking/));
    const ready = await fetch(`${agent.http}/readyz`);
    expect(await ready.text()).toContain("HP_MODEL_FORMAT");
  });

  it("sends every task to people under its own gate threshold", async () => {
    const inputs = {
      product_identification: { kind: "pixels", width: 1, height: 1, channels: 3, data: "AAAA" },
      customer_tracking: { kind: "sequence", channels: ["x", "y"], hertz: 30, data: "AAAAAAAAAAA=" },
      cart_verification: { kind: "items", items: [{ label: "Banana", count: 2 }], grams: 240 },
    };
    const gateThresholds = { product_identification: 0.92, customer_tracking: 0.85, cart_verification: 0.98 };
    for (const [task, input] of Object.entries(inputs)) {
      const response = await fetch(`${agent.http}/v1/decisions?wait=5000`, {
        method: "POST",
        headers: { authorization: `Bearer ${place.devices["camera-1"] ?? ""}` },
        body: JSON.stringify({ v: 1, id: newId(systemClock, systemRandom), task, at: Date.now(), input }),
      });
      const decision = (await response.json()) as Decision;
      expect(decision).toMatchObject({
        verdict: "escalate",
        status: "pending",
        reasons: ["no_model"],
        gateThreshold: gateThresholds[task as keyof typeof gateThresholds],
      });
    }
  });
});
