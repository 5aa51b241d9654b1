import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { openModels } from "../../models/index.node.ts";
import { type Decision, type Input } from "../../protocol/index.ts";
import { connect, createDecider, type Decider } from "../../sdk/index.ts";
import {
  agentPlace,
  productTask,
  startAgentProcess,
  storeConfig,
  type AgentPlace,
  type AgentProcess,
} from "../support/agent-process.ts";
import { picturesOf, sharedFile } from "../support/shared-data.ts";

const picturesMax = 40;

describe("MQTT, HTTP and the embedded decider", () => {
  let place: AgentPlace;
  let agent: AgentProcess;
  const roads: Record<string, Decider> = {};
  beforeAll(async () => {
    place = await agentPlace({ devices: ["camera-1", "camera-2"] });
    agent = await startAgentProcess(place);
    const { "camera-1": first = "", "camera-2": second = "" } = place.devices;
    roads["mqtt"] = connect({ url: `mqtt://127.0.0.1:${agent.mqttPort}/store_1`, device: "camera-1", secret: first });
    roads["http"] = connect({ url: agent.http, device: "camera-2", secret: second });
    roads["embedded"] = await createDecider({
      config: storeConfig(),
      models: (isolation) => openModels({ registryDir: join(place.dataDir, "models"), isolation }),
      escalateTo: () => new Promise(() => undefined),
    });
  });
  afterAll(async () => {
    for (const decider of Object.values(roads)) await decider.close();
    await agent.stop();
    await place.remove();
  });

  it("give the same decisions", async () => {
    const pictures = await somePictures();
    for (const input of pictures) {
      const decisions = await Promise.all(Object.values(roads).map((road) => road.decide(productTask, input)));
      const [first, ...others] = decisions.map(comparable);
      for (const other of others) expect(other).toEqual(first);
    }
  });
});

/** Everything but what differs by nature: id, time, and the number that this agent gave the config. */
function comparable(decision: Decision): Partial<Decision> {
  const { digest } = decision.config;
  return { ...decision, id: "", at: 0, latencyMs: 0, config: { revision: 0, digest } };
}

/** Real pictures where they are at hand, drawn ones elsewhere. */
async function somePictures(): Promise<readonly Input[]> {
  const tar = sharedFile("data/grocery/field.tar");
  const all = tar === null ? [] : await picturesOf(tar);
  const step = Math.max(1, Math.floor(all.length / picturesMax));
  const real = all.filter((_, i) => i % step === 0).slice(0, picturesMax);
  const bytes =
    real.length > 0
      ? real.map(({ data }) => data)
      : await Promise.all(Array.from({ length: picturesMax }, async (_, i) => (await drawShelfCrop(i + 1)).jpeg));
  return bytes.map((data) => ({ kind: "image", encoding: "jpeg", data }));
}
