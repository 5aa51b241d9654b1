import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, type Decision, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { importModel, openRegistry } from "../../models/index.node.ts";
import {
  agentPlace,
  productTask,
  root,
  startAgentProcess,
  storeConfig,
  type AgentPlace,
  type AgentProcess,
} from "../support/agent-process.ts";
import { temporaryFolder } from "../support/models-fixtures.ts";
import { AgentLoad } from "./agent-load.ts";
import { timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport, type Skipped } from "./chaos-report.ts";
import { childrenOf } from "./child-of.ts";
import { LimitedGroup } from "./limited-group.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";

/**
 * The theorem: 512 MB are enough for the agent, its inference child with the shipped model and the page cache of its
 * files, under a load of pictures, while config and model change. The kernel kills nothing; were it to kill the child,
 * the agent would go on and start another. Nothing that was acknowledged is lost.
 */
export const memoryCapBytes = 512 * 1024 ** 2;

const versions = ["1.0.0", "1.1.0"] as const;
const servesMs = 30_000;

export async function memoryCap(options: ChaosOptions): Promise<ChaosReport | Skipped> {
  const group = LimitedGroup.make("memory");
  if (group === null) return { skipped: "it needs a memory control group: run it as root on Linux" };
  group.capMemory(memoryCapBytes);
  const place = await agentPlace({ devices: ["camera-1", "till-1"], config: configOf(0) });
  try {
    await importSecondVersion(place);
    const agent = await startAgentProcess(place, { launcher: group.launcher });
    try {
      return await run(options, place, agent, group);
    } finally {
      await agent.kill();
    }
  } finally {
    await place.remove();
    await group.remove();
  }
}

/** The control: in a tenth of it the agent is killed, so the cap is one. */
export async function startsWithin(bytes: number): Promise<boolean | Skipped> {
  const group = LimitedGroup.make("memory");
  if (group === null) return { skipped: "it needs a memory control group: run it as root on Linux" };
  group.capMemory(bytes);
  const place = await agentPlace({});
  try {
    const agent = await startAgentProcess(place, { launcher: group.launcher });
    await agent.kill();
    return true;
  } catch {
    return false;
  } finally {
    await place.remove();
    await group.remove();
  }
}

/** The shipped model under another version. */
async function importSecondVersion(place: AgentPlace): Promise<void> {
  const folder = temporaryFolder();
  try {
    const copy = join(folder.path, "product-id");
    cpSync(join(root, "models/zoo/product-id"), copy, { recursive: true });
    const file = join(copy, "manifest.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...manifest, version: versions[1] }));
    const imported = await importModel(copy, { registryDir: join(place.dataDir, "models") });
    if (!imported.ok) throw imported.error;
  } finally {
    folder.remove();
  }
}

function configOf(change: number): string {
  return storeConfig().replace("default: 0.9,", `default: ${(0.8 + (change % 100) / 1000).toFixed(3)},`);
}

async function run(
  options: ChaosOptions,
  place: AgentPlace,
  agent: AgentProcess,
  group: LimitedGroup,
): Promise<ChaosReport> {
  const { random, say } = options;
  const ledger = newLedger();
  const violations: string[] = [];
  const seen = { decided: 0, withoutModel: 0, version: "", revision: 0 };
  const onDecided = ({ model, config }: Decision): void => {
    seen.decided += 1;
    seen.revision = Math.max(seen.revision, config.revision);
    if (model === null) seen.withoutModel += 1;
    else seen.version = model.version;
  };
  const pictures = await Promise.all([1, 2, 3, 4].map(async (seed) => (await drawShelfCrop(seed)).jpeg));
  const request = (): DecisionRequest => pictureOf(pictures[Math.floor(random() * pictures.length)] ?? pictures[0]);
  const shape = { mqttLanes: 8, httpLanes: 2, until: "decided" as const, request, onDecided };
  const load = new AgentLoad(place, agent, shape, ledger);
  await load.start();
  const [firstChild] = childrenOf(agent.pid);
  for (let round = 1; round <= options.rounds; round += 1) {
    const before = seen.revision;
    await writeFile(place.configFile, configOf(round));
    const inForce = await timeUntil(() => Promise.resolve(seen.revision > before), servesMs);
    if (inForce === null) violations.push(`round ${round}: the config was not in force within ${servesMs} ms`);
    const wanted = versions[round % 2] ?? versions[0];
    const activated = await openRegistry(join(place.dataDir, "models")).activate(`product-id@${wanted}`);
    if (!activated.ok) throw activated.error;
    const served = await timeUntil(() => Promise.resolve(seen.version === wanted), servesMs);
    if (served === null) violations.push(`round ${round}: ${wanted} did not serve within ${servesMs} ms`);
    await sleep(random() * 500);
    say(`round ${round}: ${seen.decided} decided, peak ${mebibytes(group)} MiB, ${group.memoryKills()} killed`);
  }
  if (!(await load.end(30_000))) violations.push("some requests were never decided");
  const kills = group.memoryKills();
  if ((await agent.stop()) !== 0) violations.push(`the agent did not end in order: ${agent.log().slice(-500)}`);
  if (seen.withoutModel === seen.decided) violations.push("the model decided nothing");
  if (firstChild === undefined) violations.push("there was no inference child");
  return reportOf(
    await holdAgainstJournal(place.dataDir, ledger),
    {
      decided: seen.decided,
      withoutModel: seen.withoutModel,
      peakMiB: mebibytes(group),
      killedByTheKernel: kills,
    },
    violations,
  );
}

/** The page cache included, which fills the cap by and by and goes first. */
function mebibytes(group: LimitedGroup): number {
  return Math.round(group.memoryPeakBytes() / 1024 ** 2);
}

export function pictureOf(jpeg: Uint8Array = new Uint8Array()): DecisionRequest {
  const id = newId(systemClock, systemRandom);
  const input = { kind: "image", encoding: "jpeg", data: jpeg } as const;
  return { v: 1, id, task: productTask, at: systemClock.wallMs(), input };
}
