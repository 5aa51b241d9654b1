import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { root, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";
import { sidesConfig, sidesPlace, sidesRequest } from "./sides-place.ts";

/**
 * The theorem: the wall clock jumps by up to ten years, both ways, while the agent runs and across its SIGKILLs. Nothing
 * expires by it: every case that waits for people still waits, every input is kept, and requests are served throughout.
 */
export async function clock(options: ChaosOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ config: sidesConfig({ reviewWithin: "1h" }) });
  try {
    return await run(options, place, shiftedClock(place));
  } finally {
    await place.remove();
  }
}

/** A wall clock of the place's agents that can be moved; `env` brings it to them. */
export interface ShiftedClock {
  readonly env: Readonly<Record<string, string>>;
  readonly shift: (offsetMs: number) => void;
}

export function shiftedClock(place: AgentPlace): ShiftedClock {
  const file = join(place.dataDir, "clock");
  writeFileSync(file, "0");
  const preload = pathToFileURL(join(root, "test/chaos/shifted-clock.node.ts")).href;
  return {
    env: { CHAOS_CLOCK: file, NODE_OPTIONS: `--import ${preload}` },
    shift: (offsetMs) => writeFileSync(file, String(offsetMs)),
  };
}

const yearMs = 365.25 * 86_400_000;

async function run(
  { rounds, random, say }: ChaosOptions,
  place: AgentPlace,
  { env, shift }: ShiftedClock,
): Promise<ChaosReport> {
  const ledger = newLedger();
  const violations: string[] = [];
  const shape = { mqttLanes: 2, httpLanes: 1, until: "decided" as const, request: () => sidesRequest(random) };
  let agent: AgentProcess = await startAgentProcess(place, { env });
  let kills = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const load = new AgentLoad(place, agent, shape, ledger);
    await load.start();
    await sleep(200 + random() * 300);
    const years = [10, -10, 0, 20 * random() - 10][round % 4] ?? 0;
    shift(Math.round(years * yearMs));
    const before = ledger.acknowledged.size;
    // Longer than a tick of the journal and of the review clocks.
    await sleep(1500);
    if (ledger.acknowledged.size === before) violations.push(`round ${round}: serves nothing after ${years} years`);
    if (round % 3 === 0) {
      await agent.kill();
      await load.end();
      agent = await startAgentProcess(place, { ports: agent, env });
      kills += 1;
    } else if (!(await load.end())) violations.push(`round ${round}: some requests were never decided`);
    say(`round ${round}: ${years.toFixed(1)} years, ${ledger.acknowledged.size} acknowledged`);
  }
  if ((await agent.stop()) !== 0) violations.push("the agent did not end in order");
  const waiting = await stillWaiting(place, ledger.acknowledged, violations);
  return reportOf(await holdAgainstJournal(place.dataDir, ledger), { waiting, kills }, violations);
}

/** How many of the cases wait for people; none may have expired, and none may have lost its input. */
export async function stillWaiting(place: AgentPlace, ids: ReadonlySet<string>, violations: string[]): Promise<number> {
  const journal = await openJournalReadOnly(place.dataDir);
  try {
    let [waiting, expired, gone] = [0, 0, 0];
    for (const id of ids) {
      const found = await journal.find(id);
      if (found?.decision?.verdict === "escalate" && found.state === "pending") waiting += 1;
      if ((found?.revisions.length ?? 0) > 1) expired += 1;
      if (found?.inputState !== "kept") gone += 1;
    }
    if (expired > 0) violations.push(`${expired} cases expired`);
    if (gone > 0) violations.push(`${gone} inputs are gone`);
    return waiting;
  } finally {
    await journal.close();
  }
}
