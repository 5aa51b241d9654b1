import { setTimeout as sleep } from "node:timers/promises";
import { type Decision, type DecisionRequest } from "../../protocol/index.ts";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { agentPlace, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { statusOf, timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport, type Skipped } from "./chaos-report.ts";
import { LimitedGroup } from "./limited-group.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";
import { pictureOf } from "./memory-cap.ts";

/**
 * The theorem: with a tenth of one core under a load of pictures that is far too much for it, the agent sheds in the
 * open: what the model cannot look at within `decide_within` goes to people with the reason `timeout`, near its deadline
 * and not for ever later. Nothing that was acknowledged is lost, and with its core back the model decides everything
 * again.
 */
export async function cpuCap(options: ChaosOptions): Promise<ChaosReport | Skipped> {
  const group = LimitedGroup.make("cpu");
  if (group === null) return { skipped: "it needs a CPU control group: run it as root on Linux" };
  const place = await agentPlace({ devices: ["camera-1", "till-1"] });
  try {
    const agent = await startAgentProcess(place, { launcher: group.launcher });
    try {
      return await run(options, place, agent, group);
    } finally {
      group.capCpu(null);
      await agent.kill();
    }
  } finally {
    await place.remove();
    await group.remove();
  }
}

const share = 0.1;
const starvedMs = 6000;
const decideWithinMs = 2000;
/** With a tenth of a core, and on a machine with other work, a timer may be this late. */
const lateMsMax = 6000;
const recoverMs = 30_000;

async function run(
  options: ChaosOptions,
  place: AgentPlace,
  agent: AgentProcess,
  group: LimitedGroup,
): Promise<ChaosReport> {
  const { random, say } = options;
  const ledger = newLedger();
  const violations: string[] = [];
  const seen = { byModel: 0, shed: 0, wrongVerdict: 0, latestMs: 0, throttled: 0 };
  const onDecided = ({ verdict, reasons, latencyMs, model }: Decision): void => {
    seen.latestMs = Math.max(seen.latestMs, latencyMs);
    // Refused at the door of the model's queue, or waited for in vain: shed either way.
    if (reasons.includes("overload") || reasons.includes("timeout")) {
      seen.shed += 1;
      if (verdict === "accept") seen.wrongVerdict += 1;
    } else if (model !== null) seen.byModel += 1;
  };
  const pictures = await Promise.all([1, 2, 3].map(async (seed) => (await drawShelfCrop(seed)).jpeg));
  const request = (): DecisionRequest => pictureOf(pictures[Math.floor(random() * pictures.length)] ?? pictures[0]);
  for (let round = 1; round <= options.rounds; round += 1) {
    const shed = seen.shed;
    const load = new AgentLoad(
      place,
      agent,
      { mqttLanes: 48, httpLanes: 8, until: "decided", request, onDecided },
      ledger,
    );
    group.capCpu(share);
    await load.start();
    await sleep(starvedMs * (0.7 + 0.6 * random()));
    // The doors stay open and say how it is.
    const { inFlight } = await statusOf(agent);
    if (!(await load.end(recoverMs))) violations.push(`round ${round}: some requests were never decided`);
    if (seen.shed === shed) violations.push(`round ${round}: nothing was shed, so nothing was shown`);
    group.capCpu(null);
    await recovers(place, agent, round, violations, request);
    say(`round ${round}: ${seen.byModel} by the model, ${seen.shed} shed, ${inFlight} were in flight`);
  }
  seen.throttled = group.throttledPeriods();
  if (seen.throttled === 0) violations.push("the cap was never felt");
  if (seen.wrongVerdict > 0) violations.push(`${seen.wrongVerdict} timed out and were accepted`);
  if (seen.latestMs > decideWithinMs + lateMsMax) violations.push(`a decision took ${Math.round(seen.latestMs)} ms`);
  if ((await agent.stop()) !== 0) violations.push("the agent did not end in order");
  const { byModel, shed, latestMs: slowestMs, throttled } = seen;
  return reportOf(
    await holdAgainstJournal(place.dataDir, ledger),
    { byModel, shed, slowestMs: Math.round(slowestMs), throttledPeriods: throttled },
    violations,
  );
}

/** With the core back, a light load is decided by the model alone. */
async function recovers(
  place: AgentPlace,
  agent: AgentProcess,
  round: number,
  violations: string[],
  request: () => DecisionRequest,
): Promise<void> {
  let inARow = 0;
  const onDecided = ({ model, reasons }: Decision): void => {
    inARow = model !== null && !reasons.includes("timeout") ? inARow + 1 : 0;
  };
  const light = new AgentLoad(
    place,
    agent,
    { mqttLanes: 1, httpLanes: 0, until: "decided", request, onDecided },
    newLedger(),
  );
  await light.start();
  const recovered = await timeUntil(() => Promise.resolve(inARow >= 10), recoverMs);
  if (recovered === null) violations.push(`round ${round}: the model did not decide within ${recoverMs} ms`);
  await light.end(5000);
}
