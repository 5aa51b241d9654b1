import { execFile } from "node:child_process";
import { readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { type AgentStatus, type Decision } from "../../protocol/index.ts";
import { connect, type Client } from "../../sdk/index.ts";
import {
  agentPlace,
  productTask,
  root,
  startAgentProcess,
  type AgentPlace,
  type AgentProcess,
} from "../support/agent-process.ts";

describe("a model file that is missing when the inference child has to start again", () => {
  let place: AgentPlace;
  let agent: AgentProcess;
  let client: Client;
  beforeAll(async () => {
    place = await agentPlace({});
    agent = await startAgentProcess(place);
    const secret = place.devices["camera-1"] ?? "";
    client = connect({ url: `mqtt://127.0.0.1:${agent.mqttPort}/store_1`, device: "camera-1", secret });
  });
  afterAll(async () => {
    await client.close();
    await agent.stop();
    await place.remove();
  });

  const ask = async (): Promise<Decision> => {
    const { jpeg } = await drawShelfCrop(5);
    return client.decide(productTask, { kind: "image", encoding: "jpeg", data: jpeg }, { deadlineMs: 5000 });
  };
  const status = async (): Promise<AgentStatus> =>
    (await (await fetch(`${agent.http}/v1/status`)).json()) as AgentStatus;

  it("degrades the agent, sends cases to people, and mends itself when the file is back", async () => {
    expect((await ask()).model?.name).toBe("product-id");
    await rename(join(place.dataDir, "models"), join(place.dataDir, "away"));
    process.kill(await childOf(agent.pid), "SIGKILL");
    await expect.poll(async () => (await ask()).reasons[0], { timeout: 10_000 }).toBe("model_error");
    const { state, reasons } = await status();
    expect(state).toBe("degraded");
    expect(reasons.map(({ code }) => code)).toContainEqual(expect.stringMatching(/^HP_MODEL/));
    await rename(join(place.dataDir, "away"), join(place.dataDir, "models"));
    await expect.poll(async () => (await status()).state, { timeout: 40_000, interval: 250 }).toBe("ready");
    expect((await ask()).model?.name).toBe("product-id");
  });

  it("and the PIN that pairs a tablet now can be asked for at any time", async () => {
    const entry = join(root, "dist/edge-agent/main.node.js");
    const { stdout } = await promisify(execFile)(process.execPath, [
      entry,
      "review",
      "pin",
      "--data",
      place.dataDir,
      "--json",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ pin: agent.pin });
  });
});

/** The inference child is the only process that the agent starts. */
async function childOf(pid: number): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    if (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(pid)) return Number(name);
  }
  throw new Error("the agent has no child");
}
