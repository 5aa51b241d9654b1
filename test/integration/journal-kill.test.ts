import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { openForTest, temporaryDirectory } from "../contract/journal-sqlite.ts";

/** SIGKILL at random moments: whatever a promise said is durable is there, and the chain still verifies. */

const dir = temporaryDirectory();
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const kills = 15;
const child = new URL("./journal-kill-child.node.ts", import.meta.url).pathname;

interface Promised {
  readonly id: string;
  readonly what: string;
}

/** Runs the child until it has worked for `workMs`, kills it, and returns what it had been promised. */
async function killAfter(workMs: number): Promise<readonly Promised[]> {
  const running = spawn(process.execPath, [child, dir], { stdio: ["ignore", "pipe", "inherit"] });
  const promised: Promised[] = [];
  const lines = createInterface({ input: running.stdout });
  lines.on("line", (line) => {
    const [what = "", id = ""] = line.split(" ");
    if (what === "ready") setTimeout(() => running.kill("SIGKILL"), workMs);
    // A line that the kill cut short promises nothing.
    else if (id.length === 36) promised.push({ what, id });
  });
  await Promise.all([once(running, "exit"), once(lines, "close")]);
  // It was the kill that ended it, and nothing of its own.
  expect(running.signalCode).toBe("SIGKILL");
  return promised;
}

test(`${kills} kills lose nothing that was acknowledged`, async () => {
  const promised: Promised[] = [];
  const bodies = new Map<string, string>();
  for (let kill = 0; kill < kills; kill += 1) {
    const now = await killAfter(5 + Math.random() * 120);
    promised.push(...now);
    const reader = await openJournalReadOnly(dir);
    for (const { id, what } of now) {
      const found = await reader.find(id);
      const states = { a: ["received", "pending", "final"], d: ["pending", "final"], s: ["final"] }[what];
      expect(states, `${what} ${id} after kill ${kill}`).toContain(found?.state);
      bodies.set(id, JSON.stringify(found?.revisions));
    }
    await reader.close();
  }
  const ids = new Set(promised.map(({ id }) => id));
  const under = await openForTest({ dir });
  expect(under.opened).toEqual({ kind: "existing" });
  expect(await under.journal.verify()).toMatchObject({ intact: true });
  await under.journal.close();
  const reader = await openJournalReadOnly(dir);
  for (const id of ids) {
    const found = await reader.find(id);
    // Per id one body per revision: what one kill left is what the next ones found.
    expect(JSON.stringify(found?.revisions)).toBe(bodies.get(id));
  }
  await reader.close();
  expect(ids.size).toBeGreaterThan(100);
}, 120_000);
