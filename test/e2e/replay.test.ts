import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { type Decision, type Input } from "../../protocol/index.ts";
import { connect, type Client, type ReplayReport } from "../../sdk/index.ts";
import {
  agentPlace,
  productTask,
  root,
  startAgentProcess,
  type AgentPlace,
  type AgentProcess,
} from "../support/agent-process.ts";
import { picturesOf, sharedFile } from "../support/shared-data.ts";

const picturesMax = 12;

describe("a decision of the journal", () => {
  let place: AgentPlace;
  let agent: AgentProcess;
  let client: Client;
  const decisions: Decision[] = [];
  const command = async (...args: string[]): Promise<string> => {
    const entry = join(root, "dist/edge-agent/main.node.js");
    const { stdout } = await promisify(execFile)(process.execPath, [entry, ...args, "--data", place.dataDir]);
    return stdout;
  };

  beforeAll(async () => {
    place = await agentPlace({});
    agent = await startAgentProcess(place);
    const secret = place.devices["camera-1"] ?? "";
    client = connect({ url: `mqtt://127.0.0.1:${agent.mqttPort}/store_1`, device: "camera-1", secret });
    const inputs = await somePictures();
    // Together, so that some of them run in one batch.
    decisions.push(
      ...(await Promise.all(inputs.map((input) => client.decide(productTask, input, { context: { shelf: "C2" } })))),
    );
  });
  afterAll(async () => {
    await client.close();
    await agent.stop();
    await place.remove();
  });

  it("is replayed exactly while the agent runs: same machine, same runtime, whatever its batch was", async () => {
    for (const { id, verdict, confidence } of decisions.slice(0, 6)) {
      const report = JSON.parse(await command("replay", id, "--json")) as ReplayReport;
      expect(report).toMatchObject({ kind: "exact", differences: [], runtimeChanged: null });
      expect(report.decision).toMatchObject({ verdict, confidence });
    }
  });

  it("is told in a few lines", async () => {
    const [decision] = decisions;
    const story = await command("why", decision?.id ?? "");
    expect(story).toContain("camera-1 asked over mqtt with a JPEG picture (shelf C2)");
    expect(story).toContain("product-id 1.0.0");
    expect(story).toContain(`gate threshold ${decision?.gateThreshold}`);
    expect(story.trim().split("\n").length).toBeLessThan(10);
  });

  it("is written down as a test case that holds", async () => {
    const file = join(place.dataDir, "case.json");
    await command("replay", decisions[0]?.id ?? "", "--as-test", file);
    const saved = JSON.parse(await readFile(file, "utf8")) as {
      request: { input: { data: string } };
      expected: Decision;
    };
    expect(saved.expected).toEqual(decisions[0]);
    expect(saved.request.input.data.length).toBeGreaterThan(100);
  });

  it("that does not exist is an error with exit code 2", async () => {
    const error: unknown = await command("why", "0193a3f2-7d1c-7abc-8def-0123456789ab").catch(
      (cause: unknown) => cause,
    );
    expect(error).toMatchObject({ code: 2 });
    expect((error as { stderr: string }).stderr).toContain("HP_NOT_FOUND");
  });
});

async function somePictures(): Promise<readonly Input[]> {
  const tar = sharedFile("data/grocery/field.tar");
  const real = tar === null ? [] : (await picturesOf(tar)).filter((_, i) => i % 100 === 0).slice(0, picturesMax);
  const bytes =
    real.length > 0
      ? real.map(({ data }) => data)
      : await Promise.all(Array.from({ length: picturesMax }, async (_, i) => (await drawShelfCrop(i + 1)).jpeg));
  return bytes.map((data) => ({ kind: "image", encoding: "jpeg", data }));
}
