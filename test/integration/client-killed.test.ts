import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fileOutbox } from "../../sdk/index.node.ts";
import { clientOf, eventually } from "../support/client-fixtures.ts";
import { ScriptedAgent } from "../support/scripted-agent.ts";

let folder: string;
let agent: ScriptedAgent;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdpoint-killed-"));
  agent = await new ScriptedAgent().start();
});
afterEach(async () => {
  await agent.stop();
  await rm(folder, { recursive: true });
});

const script = join(import.meta.dirname, "..", "support", "client-killed.node.ts");

/** Lets a device run for a while, kills it, and gives the ids that it was told are durable. */
async function killedRun(path: string, first: number, livesMs: number): Promise<readonly string[]> {
  const notes = join(folder, `notes-${first}`);
  writeFileSync(notes, "");
  const child = spawn(process.execPath, [script, agent.url, agent.device, agent.secret, path, String(first), notes], {
    stdio: "inherit",
  });
  const exited = once(child, "exit");
  const told = (): readonly string[] => readFileSync(notes, "utf8").split("\n").slice(0, -1);
  await eventually(() => told().length > 8, "the device has started");
  await new Promise((resolve) => setTimeout(resolve, livesMs));
  child.kill("SIGKILL");
  await exited;
  return told();
}

it("sends after a SIGKILL everything that the killed process was told is durable, once", async () => {
  const path = join(folder, "outbox.log");
  const durable: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    // In every other life no agent can be reached, so that what is durable is in the outbox alone.
    if (round % 2 === 1) await agent.stop();
    durable.push(...(await killedRun(path, round * 1_000_000, 40 + round * 37)));
    if (round % 2 === 1) await agent.start();
  }
  const client = clientOf(agent, "mqtt", { outbox: fileOutbox({ path }) });
  const recovered = await client.recovered();
  await eventually(() => client.status().outstanding === 0, "everything is answered", 20_000);
  await client.close();

  const lost = durable.filter((id) => agent.cases.get(id)?.revisions.length !== 1);
  expect({ lost: lost.length, durable: durable.length > 100, recovered: recovered.length > 50 }).toEqual({
    lost: 0,
    durable: true,
    recovered: true,
  });
});

it("loses with the outbox in memory: the control that shows that the test can fail", async () => {
  await agent.stop();
  const told = await killedRun("memory", 0, 60);
  await agent.start();
  expect(told.length).toBeGreaterThan(10);
  expect(told.filter((id) => agent.cases.has(id))).toEqual([]);
});
