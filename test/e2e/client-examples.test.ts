import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Decision } from "../../protocol/index.ts";
import { defaultPolicy } from "../../sdk/client/index.ts";
import { agentPlace, root, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { whyNoPaho } from "../support/shared-data.ts";

const run = promisify(execFile);
const noPaho = whyNoPaho();

describe("the examples", () => {
  let place: AgentPlace;
  let agent: AgentProcess;
  beforeAll(async () => {
    place = await agentPlace({ devices: ["camera-1"] });
    agent = await startAgentProcess(place);
    const [device, secret] = ["camera-1", place.devices["camera-1"] ?? ""];
    await mkdir(join(place.dataDir, ".holdpoint"), { recursive: true });
    await writeFile(
      join(place.dataDir, ".holdpoint", "demo-credentials.json"),
      JSON.stringify({
        store: "store_1",
        mqtt: { host: "127.0.0.1", port: agent.mqttPort },
        http: agent.http,
        devices: [{ device, secret }],
      }),
    );
  });
  afterAll(async () => {
    await agent.stop();
    await place.remove();
  });

  const example = async (name: string, ...args: string[]): Promise<string> => {
    const { stdout } = await run(process.execPath, [join(root, "examples", name), ...args], { cwd: place.dataDir });
    return stdout;
  };

  it("device-mqtt.ts asks, is answered, and leaves nothing outstanding but what people have", async () => {
    const output = await example("device-mqtt.ts", "2");
    expect(output.match(/revision 1 (pending|final)/g)).toHaveLength(2);
    expect(output).toMatch(/still outstanding/);
  });

  it("device-http.ts asks and is answered", async () => {
    expect(await example("device-http.ts")).toMatch(/^(accept|escalate|abstain): /);
  });

  it("embedded.ts decides in its own process, and a person answers what is held", async () => {
    const output = await example("embedded.ts");
    expect(output).toMatch(/^final: .* by (reviewer|model)$/m);
  });

  it.skipIf(noPaho !== null)(`device.py is answered${noPaho === null ? "" : ` (skipped: ${noPaho})`}`, async () => {
    const env = {
      ...process.env,
      HOLDPOINT_PORT: String(agent.mqttPort),
      HOLDPOINT_STORE: "store_1",
      HOLDPOINT_DEVICE: "camera-1",
      HOLDPOINT_SECRET: place.devices["camera-1"],
      HOLDPOINT_PATIENCE: "3",
    };
    const { stdout } = await run("/usr/bin/python3", [join(root, "examples/python/device.py")], { env });
    const decisions = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Decision);
    expect(decisions[0]).toMatchObject({ task: "product_identification", revision: 1 });
  });
});

describe("docs/clients.md", () => {
  it("states every limit of the client with its value", () => {
    const text = readFileSync(join(root, "docs/clients.md"), "utf8").split("## Limits")[1]?.split("## ")[0] ?? "";
    const stated = [...text.matchAll(/^\| `(\w+)`\s*\| ([\d,]+)/gm)].map(([, key, value]) => [
      key,
      Number(value?.replaceAll(",", "")),
    ]);
    const numbers = Object.entries(defaultPolicy).filter(([, value]) => typeof value === "number");
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(numbers));
  });
});
