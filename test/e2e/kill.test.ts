import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { join } from "node:path";
import { agentPlace, root, type AgentPlace } from "../support/agent-process.ts";
import { killRounds } from "../support/kill-rounds.ts";
import { seededRandom } from "../support/requests.ts";

// The long form is `npm run chaos -- kill-agent`; docs/chaos.md has its result.
describe("SIGKILL of the agent at random moments under load over MQTT and HTTP", () => {
  const places: AgentPlace[] = [];
  let place: AgentPlace;
  beforeAll(async () => {
    place = await agentPlace({ devices: ["camera-1", "till-1"] });
    places.push(place);
  });
  afterAll(async () => {
    for (const used of places) await used.remove();
  });

  it("loses nothing that was acknowledged, and knows one body for each id and revision", async () => {
    const seeded = seededRandom(Number(process.env["KILL_SEED"] ?? 1));
    const report = await killRounds({
      place,
      rounds: 6,
      acknowledgedMin: 501,
      lifeMs: [150, 700],
      random: () => seeded.uniform(),
      httpLanes: 4,
    });
    expect(report).toMatchObject({ lost: 0, doubled: 0, chain: { intact: true } });
    expect(report.acknowledged).toBeGreaterThan(500);
    expect(report.decisionsSeen).toBeGreaterThan(100);
  });

  it("the negative control, which acknowledges before it commits, does lose", async () => {
    const control = await agentPlace({ devices: ["camera-1", "till-1"], model: false });
    places.push(control);
    const seeded = seededRandom(2);
    const report = await killRounds({
      place: control,
      rounds: 6,
      lifeMs: [150, 500],
      random: () => seeded.uniform(),
      entry: join(root, "test/chaos/ack-in-published.node.ts"),
      mqttLanes: 64,
      pictureShare: 0.2,
    });
    expect(report.acknowledged).toBeGreaterThan(500);
    expect(report.lost).toBeGreaterThan(0);
  });
});
