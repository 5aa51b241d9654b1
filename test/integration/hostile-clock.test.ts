import { afterEach, expect, it, vi } from "vitest";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { requestOf, sidesConfig, startHostileAgent } from "../fixtures/hostile/hostile-agent.ts";
import { pair, temporaryFolder, writeModel } from "../support/models-fixtures.ts";

/**
 * A wall clock that is wrong, at the start and while the agent runs. Only `Date` is moved: monotonic time goes on, as it
 * does on a box whose clock is set. Nothing is refused for it, nothing expires, and the journal says what it saw.
 */

const tenYearsMs = 10 * 365 * 86_400_000;
const folder = temporaryFolder();
const trueMs = Date.now();
const setClock = (offMs: number): void => {
  vi.useFakeTimers({ toFake: ["Date"], now: trueMs + offMs });
};
afterEach(() => {
  vi.useRealTimers();
  folder.remove();
});

it("a clock ten years off, in either direction and while it runs, refuses nothing and expires nothing", async () => {
  setClock(tenYearsMs);
  const hostile = await startHostileAgent(sidesConfig(writeModel(folder.path, "sides")));
  const camera = await hostile.device("camera-1");
  const pending: string[] = [];
  const decided: string[] = [];
  for (const offMs of [tenYearsMs, -tenYearsMs, 0, -trueMs, tenYearsMs]) {
    setClock(offMs);
    for (const decide of [camera.decide, hostile.decide]) {
      const sure = requestOf();
      expect(await decide(sure)).toMatchObject({ verdict: "accept", at: trueMs + offMs });
      decided.push(sure.id);
      const unsure = requestOf({}, pair(0, 0));
      expect(await decide(unsure)).toMatchObject({ verdict: "escalate", status: "pending" });
      pending.push(unsure.id);
      // A request of the device's own clock, wherever that stands, is as good as another.
      expect(await decide(requestOf({ at: 0 }))).toMatchObject({ verdict: "accept" });
    }
    expect((await hostile.status()).state).toBe("ready");
    expect(await hostile.metric("holdpoint_refused_total")).toBe(0);
  }
  // Patience with people runs on time that has passed, not on what the clock says.
  for (const id of pending) {
    expect((await hostile.agent.service.decision("camera-1", id))?.decision?.status).toBe("pending");
  }
  expect(await hostile.metric("holdpoint_journal_pending")).toBe(pending.length);
  const reader = await openJournalReadOnly(hostile.dataDir);
  expect(await reader.verify()).toMatchObject({ intact: true });
  for (const id of decided) expect((await reader.find(id))?.state).toBe("final");
  await reader.close();
  await hostile.close();
});
