import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { type Decision } from "../../protocol/index.ts";
import { importModel } from "../../models/index.node.ts";
import { startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { linearModel, temporaryFolder, writeModel } from "../support/models-fixtures.ts";
import { AgentLoad } from "./agent-load.ts";
import { timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";
import { sidesConfig, sidesPlace, sidesRequest } from "./sides-place.ts";

/**
 * The theorem: gate threshold and model change together in one config, again and again under load. No request is
 * dropped, none is decided without a model, and no decision has the gate threshold of one revision and the model of
 * another.
 */
export async function configUnderLoad(options: ChaosOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ config: configOf(0) });
  try {
    await importVersion(place, "2.0.0", 5);
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

/** Imports another version of the tiny model; `gain` makes it another network. */
export async function importVersion(place: AgentPlace, version: string, gain: number): Promise<void> {
  const folder = temporaryFolder();
  try {
    const model = linearModel(gain);
    const written = writeModel(folder.path, "sides", { model, manifest: { version } });
    const imported = await importModel(written, { registryDir: join(place.dataDir, "models") });
    if (!imported.ok) throw imported.error;
  } finally {
    folder.remove();
  }
}

/** An even change has gate thresholds of three digits and model 1.0.0, an odd one model 2.0.0. */
function gateOf(change: number): number {
  return Number((0.5 + change / 1000).toFixed(3));
}

function modelOf(change: number): string {
  return change % 2 === 0 ? "1.0.0" : "2.0.0";
}

function configOf(change: number): string {
  const config = sidesConfig({ gate: gateOf(change), reviewWithin: "1s" });
  return config.replace("model: sides@^1", `model: sides@${modelOf(change)}`);
}

const inForceMs = 15_000;

async function run(options: ChaosOptions, place: AgentPlace, agent: AgentProcess): Promise<ChaosReport> {
  const { random, say } = options;
  const ledger = newLedger();
  const violations: string[] = [];
  const gates = new Map<number, number>();
  const seen = { withoutModel: 0, mixed: 0, latest: 0, slowestMs: 0, decided: 0 };
  const onDecided = ({ gateThreshold, model, config }: Decision): void => {
    seen.decided += 1;
    if (model === null) {
      seen.withoutModel += 1;
      return;
    }
    const change = Math.round((gateThreshold - 0.5) * 1000);
    seen.latest = Math.max(seen.latest, change);
    if (modelOf(change) !== model.version) seen.mixed += 1;
    if ((gates.get(config.revision) ?? gateThreshold) !== gateThreshold) seen.mixed += 1;
    gates.set(config.revision, gateThreshold);
  };
  const request = () => sidesRequest(random);
  const load = new AgentLoad(
    place,
    agent,
    { mqttLanes: 8, httpLanes: 2, until: "decided", request, onDecided },
    ledger,
  );
  await load.start();
  for (let change = 1; change <= options.rounds; change += 1) {
    await writeFile(place.configFile, configOf(change));
    const took = await timeUntil(() => Promise.resolve(seen.latest >= change), inForceMs);
    if (took === null) {
      violations.push(`change ${change} was not in force within ${inForceMs} ms`);
      break;
    }
    seen.slowestMs = Math.max(seen.slowestMs, took);
    await sleep(random() * 100);
    if (change % 10 === 0) say(`change ${change}: ${seen.decided} decided`);
  }
  if (!(await load.end(15_000))) violations.push("some requests were never decided");
  if ((await agent.stop()) !== 0) violations.push("the agent did not end in order");
  if (seen.mixed > 0) violations.push(`${seen.mixed} decisions have the gate of one revision and the model of another`);
  if (seen.withoutModel > 0) violations.push(`${seen.withoutModel} decisions were made without the model`);
  const detail = { decided: seen.decided, revisions: gates.size, slowestChangeMs: Math.round(seen.slowestMs) };
  return reportOf(await holdAgainstJournal(place.dataDir, ledger), detail, violations);
}
