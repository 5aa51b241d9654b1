import { setTimeout as sleep } from "node:timers/promises";
import { type Decision } from "../../protocol/index.ts";
import { startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { statusOf, timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { childrenOf } from "./child-of.ts";
import { shiftedClock, stillWaiting, type ShiftedClock } from "./clock.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";
import { sidesConfig, sidesPlace, sidesRequest } from "./sides-place.ts";

/**
 * The theorem: the box sleeps for eight hours in the middle of its work, again and again: its processes stand still and
 * the wall clock jumps. (The monotonic clock stands still with a real suspend as well; here it counts the moment for
 * which the processes were stopped.) What waits for people still waits, no input is gone, and every request is answered,
 * those that were under way too.
 */
export async function suspend(options: ChaosOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ config: sidesConfig({ reviewWithin: "1h" }) });
  try {
    const clock = shiftedClock(place);
    const agent = await startAgentProcess(place, { env: clock.env });
    try {
      return await run(options, place, agent, clock);
    } finally {
      signal(agent, "SIGCONT");
      await agent.kill();
    }
  } finally {
    await place.remove();
  }
}

const hoursMs = 8 * 3_600_000;
const servesMs = 20_000;

async function run(
  options: ChaosOptions,
  place: AgentPlace,
  agent: AgentProcess,
  clock: ShiftedClock,
): Promise<ChaosReport> {
  const { random, say, rounds } = options;
  const ledger = newLedger();
  const violations: string[] = [];
  let byModel = 0;
  const onDecided = ({ model }: Decision): void => {
    if (model !== null) byModel += 1;
  };
  const load = new AgentLoad(
    place,
    agent,
    { mqttLanes: 4, httpLanes: 2, until: "decided", request: () => sidesRequest(random), onDecided },
    ledger,
  );
  await load.start();
  let slowestBackMs = 0;
  for (let round = 1; round <= rounds; round += 1) {
    await sleep(300 + random() * 700);
    signal(agent, "SIGSTOP");
    clock.shift(round * hoursMs);
    await sleep(200 + random() * 1500);
    signal(agent, "SIGCONT");
    const [acknowledged, models] = [ledger.acknowledged.size, byModel];
    const back = await timeUntil(
      () => Promise.resolve(ledger.acknowledged.size > acknowledged + 20 && byModel > models + 10),
      servesMs,
    );
    if (back === null) violations.push(`round ${round}: does not serve with its model after ${servesMs} ms`);
    slowestBackMs = Math.max(slowestBackMs, back ?? servesMs);
    const { state, reasons } = await statusOf(agent);
    if (state !== "ready") violations.push(`round ${round}: ${state}, ${JSON.stringify(reasons)}`);
    say(`round ${round}: ${ledger.acknowledged.size} acknowledged`);
  }
  if (!(await load.end(15_000))) violations.push("some requests were never decided");
  if ((await agent.stop()) !== 0) violations.push("the agent did not end in order");
  const waiting = await stillWaiting(place, ledger.acknowledged, violations);
  if (waiting === 0) violations.push("nothing waited for people, so nothing was shown");
  return reportOf(
    await holdAgainstJournal(place.dataDir, ledger),
    { waiting, byModel, hoursAsleep: rounds * 8, slowestBackMs: Math.round(slowestBackMs) },
    violations,
  );
}

function signal(agent: AgentProcess, name: "SIGSTOP" | "SIGCONT"): void {
  for (const pid of [agent.pid, ...childrenOf(agent.pid)]) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}
