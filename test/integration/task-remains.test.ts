import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { earlierTasks, keepRemains, type TaskRemainsOptions } from "../../edge-agent/task-remains.node.ts";
import { newId, silentLogger, type Decision, type Logger } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { idleLoad, type TaskRemains } from "../../sdk/index.ts";
import { fakeClock, type FakeClock } from "../../testing/index.ts";
import { agentPlace, startAgentProcess } from "../support/agent-process.ts";

describe("what decisions left for the next ones", () => {
  let dir = "";
  let clock: FakeClock;
  let warned: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (event) => void warned.push(event) };
  const options = (): TaskRemainsOptions => ({ dir, clock, timers: clock, logger });
  const file = () => join(dir, "task-remains.json");
  const reviewLoad = { ...idleLoad({ per1000: 50, answerWithinMs: 30_000 }), tokens: 3, answersMs: [1000, 2000] };
  const tasks = { shelf: { budgetTokens: 2.5, auditScale: { mean: 0.1, decisions: 40 }, reviewLoad } };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "holdpoint-remains-"));
    clock = fakeClock();
    warned = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const written = async (): Promise<void> => {
    for (let n = 0; n < 200 && !existsSync(file()); n += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  test("is written within ten seconds, and at the end; the next life hears how long ago that was", async () => {
    expect(earlierTasks(options())).toEqual({ tasks: {}, agoMs: 0 });
    let now: Readonly<Record<string, TaskRemains>> = tasks;
    const end = keepRemains(options(), () => now);
    clock.advance(9_999);
    expect(existsSync(file())).toBe(false);
    clock.advance(1);
    await written();
    expect(earlierTasks(options())).toEqual({ tasks, agoMs: 0 });
    now = { shelf: { ...tasks.shelf, budgetTokens: 1 } };
    await end();
    clock.advance(5_000);
    expect(earlierTasks(options())).toEqual({ tasks: now, agoMs: 5_000 });
    expect(warned).toEqual([]);
  });

  test("a clock that was set back has let no time pass", async () => {
    const end = keepRemains(options(), () => tasks);
    await end();
    const text = readFileSync(file(), "utf8");
    writeFileSync(file(), JSON.stringify({ ...(JSON.parse(text) as object), wallMs: clock.wallMs() + 60_000 }));
    expect(earlierTasks(options())).toEqual({ tasks, agoMs: 0 });
  });

  test.each([
    ["no JSON", "{"],
    ["another version", JSON.stringify({ v: 2, wallMs: 0, tasks })],
    [
      "a load of another shape",
      JSON.stringify({ v: 1, wallMs: 0, tasks: { a: { ...tasks.shelf, reviewLoad: { ...reviewLoad, held: [1] } } } }),
    ],
    [
      "a pace that is none",
      JSON.stringify({ v: 1, wallMs: 0, tasks: { a: { ...tasks.shelf, reviewLoad: { ...reviewLoad, pace: 7 } } } }),
    ],
    [
      "a scale that is none",
      JSON.stringify({ v: 1, wallMs: 0, tasks: { a: { ...tasks.shelf, auditScale: { mean: -1, decisions: 1 } } } }),
    ],
  ])("a file that is %s is as none, and said", (_name, text) => {
    writeFileSync(file(), text);
    expect(earlierTasks(options())).toEqual({ tasks: {}, agoMs: 0 });
    expect(warned).toEqual(["task_remains_lost"]);
  });
});

describe("an agent that is killed", () => {
  test("has no new escalation budget when it comes back", async () => {
    const config = `store_id: store_1
tasks: { people_only: { escalations_per_hour: 3, safe_action: { label: ask-shopper } } }
`;
    const place = await agentPlace({ config, model: false });
    let agent = await startAgentProcess(place);
    const decide = async (): Promise<Decision> => {
      const id = newId(systemClock, systemRandom);
      const input = { kind: "features", values: { a: 1 } };
      const answer = await fetch(`${agent.http}/v1/decisions?wait=5000`, {
        method: "POST",
        headers: { authorization: `Bearer ${place.devices["camera-1"] ?? ""}`, "content-type": "application/json" },
        body: JSON.stringify({ v: 1, id, task: "people_only", at: Date.now(), input }),
      });
      return (await answer.json()) as Decision;
    };
    try {
      for (let n = 0; n < 3; n += 1) expect(await decide()).toMatchObject({ verdict: "escalate" });
      expect((await decide()).reasons).toContain("budget_exhausted");
      const file = join(place.dataDir, "task-remains.json");
      for (let n = 0; n < 300 && !existsSync(file); n += 1) await new Promise((resolve) => setTimeout(resolve, 50));
      await agent.kill();
      agent = await startAgentProcess(place);
      expect((await decide()).reasons).toContain("budget_exhausted");
    } finally {
      await agent.kill();
      await place.remove();
    }
  }, 60_000);
});
