import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type EffectiveConfig, resolveConfig } from "../../config/index.ts";
import { openJournal } from "../../edge-agent/journal/journal.node.ts";
import { type Journal, type JournalOpened } from "../../edge-agent/journal/journal.ts";
import { silentLogger, universalHasher, type Random } from "../../protocol/index.ts";
import { createPipeline, wantedModels } from "../../sdk/index.ts";
import { roomyRetention } from "../contract/journal-sqlite.ts";
import { SimDisk } from "../support/agent-simulation-disk.ts";
import { SimProcess } from "../support/agent-simulation-agent.ts";
import { SimTime } from "../support/agent-simulation-time.ts";
import { requestOf } from "../support/requests.ts";
import { scriptedHost } from "../support/scripted-host.ts";

/** What the simulation found, each by itself: a seed is another run after a change of the simulation, these stay. */

const task = "product_identification";

function configOf(reviewWithin: string, revision: number): EffectiveConfig {
  const text = JSON.stringify({
    store_id: "store_7",
    models: { [task]: { model: `scripted@${revision}` } },
    thresholds: { [task]: 0.95 },
    tasks: { [task]: { review_within: reviewWithin, fallback: ["human_review", "safe_action"] } },
  });
  const resolved = resolveConfig([{ layer: "store", file: "store.yaml", text }], universalHasher);
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
  return { ...resolved.value.config, revision };
}

it("a decision that was under way while the config changed has the patience of the config that ruled it", async () => {
  const host = scriptedHost(null);
  const time = new SimTime();
  const [first, second] = [configOf("15m", 1), configOf("20s", 2)];
  await host.apply(wantedModels(first));
  const secret = new Uint8Array(32);
  const pipeline = createPipeline({ config: first, host, secret, hasher: universalHasher, clock: time, timers: time });
  const request = requestOf();
  const underWay = pipeline.find(request);
  await host.apply(wantedModels(second));
  pipeline.adopt(second);
  host.release(0.5);
  const { decision } = pipeline.rule(request, await underWay, { reviewer: true, storage: true });
  expect([decision.status, decision.config.revision]).toEqual(["pending", 1]);
  expect(pipeline.policyOf(decision)?.reviewWithinMs).toBe(900_000);
});

it("a journal that is closed while its disk fails is found whole, also where the failed commit was on the disk", async () => {
  const root = mkdtempSync(join(tmpdir(), "holdpoint-simulation-"));
  const time = new SimTime();
  // Always the lesser number: every failing commit is on the disk all the same.
  const random: Random = { uniform: () => 0, bytes: (length) => new Uint8Array(length) };
  const disk = new SimDisk({ root, time, random, commitMsMax: 1, readMsMax: 1 });
  disk.instant = true;
  const open = (): Promise<{ journal: Journal; opened: JournalOpened }> =>
    openJournal({
      ...{ dir: disk.dir, clock: time, timers: time, random, logger: silentLogger, retention: roomyRetention },
      limits: { reserveBytes: 65_536 },
      startThread: disk.threadsFor(new SimProcess()),
    });
  try {
    const { journal } = await open();
    const event = { v: 1 as const, id: requestOf().id, entity: "201", at: 1, values: { grams: 7 } };
    disk.weather = "failing";
    await expect(journal.observe("camera-1", event)).rejects.toThrow(/I\/O/);
    await journal.close();
    disk.weather = "well";
    disk.forget();
    const again = await open();
    expect(again.opened).toEqual({ kind: "existing" });
    expect(await again.journal.events("201", 0)).toEqual([event]);
    await again.journal.close();
  } finally {
    disk.close();
    rmSync(root, { recursive: true, force: true });
  }
});
