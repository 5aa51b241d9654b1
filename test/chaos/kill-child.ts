import { setTimeout as sleep } from "node:timers/promises";
import { type Decision } from "../../protocol/index.ts";
import { startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { childrenOf } from "./child-of.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";
import { sidesConfig, sidesPlace, sidesRequest } from "./sides-place.ts";

/**
 * The theorem: the inference child is killed or frozen under load, and every request is decided all the same, within its
 * deadline, by the model or by the ladder; the daemon stays, and the model answers again by itself.
 */
export interface KillChildOptions extends ChaosOptions {
  /** How every second child is frozen and not killed; a frozen one is noticed by its silence, which takes seconds. */
  readonly freeze: boolean;
}

/** `decide_within` is 2 s; above it a machine with other work needs some room. */
const latencyMsMax = 6000;
/**
 * A frozen child is found after 10 s; eight deaths in a minute spend the restart budget, and it is tried again after 30 s;
 * and a child that starts beside other work takes its time.
 */
const backMs = 75_000;

export async function killChild(options: KillChildOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ config: sidesConfig({ reviewWithin: "1s" }) });
  try {
    const agent = await startAgentProcess(place);
    try {
      return await run(options, place, agent);
    } finally {
      await agent.kill();
    }
  } finally {
    await place.remove();
  }
}

async function run(options: KillChildOptions, place: AgentPlace, agent: AgentProcess): Promise<ChaosReport> {
  const { random, say } = options;
  const ledger = newLedger();
  const violations: string[] = [];
  const counted = { byModel: 0, withoutModel: 0, slowestMs: 0, slowestBackMs: 0, killed: 0, frozen: 0 };
  const onDecided = (decision: Decision, latencyMs: number): void => {
    if (decision.model === null) counted.withoutModel += 1;
    else counted.byModel += 1;
    counted.slowestMs = Math.max(counted.slowestMs, latencyMs);
  };
  const request = () => sidesRequest(random);
  const load = new AgentLoad(
    place,
    agent,
    { mqttLanes: 4, httpLanes: 2, until: "decided", request, onDecided },
    ledger,
  );
  await load.start();
  for (let round = 1; round <= options.rounds; round += 1) {
    await sleep(100 + random() * 900);
    const [child] = childrenOf(agent.pid);
    if (child === undefined) {
      violations.push(`round ${round}: there is no inference child`);
      break;
    }
    const freeze = options.freeze && round % 2 === 0;
    process.kill(child, freeze ? "SIGSTOP" : "SIGKILL");
    counted[freeze ? "frozen" : "killed"] += 1;
    const replaced = await timeUntil(
      () =>
        Promise.resolve(childrenOf(agent.pid).some((pid) => pid !== child) && !childrenOf(agent.pid).includes(child)),
      backMs,
    );
    const before = counted.byModel;
    const back = await timeUntil(() => Promise.resolve(counted.byModel > before), backMs);
    if (replaced === null || back === null) violations.push(`round ${round}: no model within ${backMs} ms`);
    counted.slowestBackMs = Math.max(counted.slowestBackMs, (replaced ?? backMs) + (back ?? backMs));
    say(`round ${round}: ${counted.byModel} by the model, ${counted.withoutModel} without`);
  }
  if (!(await load.end(15_000))) violations.push("some requests were never decided");
  if ((await agent.stop()) !== 0) violations.push("the agent did not end in order");
  if (counted.slowestMs > latencyMsMax) violations.push(`a decision took ${Math.round(counted.slowestMs)} ms`);
  const detail = Object.fromEntries(Object.entries(counted).map(([key, value]) => [key, Math.round(value)]));
  return reportOf(await holdAgainstJournal(place.dataDir, ledger), detail, violations);
}
