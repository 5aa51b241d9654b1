import { setTimeout as sleep } from "node:timers/promises";
import { startAgentProcess, type AgentPlace, type AgentPorts, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { says, timeUntil } from "./agent-status.ts";
import { reportOf, together, type ChaosOptions, type ChaosReport, type Skipped } from "./chaos-report.ts";
import { Asker } from "./client-restarts.ts";
import { holdAgainstJournal, newLedger, type LoadLedger } from "./load-ledger.ts";
import { sidesPlace, sidesRequest } from "./sides-place.ts";
import { SmallDisk } from "./small-disk.ts";

/**
 * The theorem: the disk fills up at any write, once politely (the journal's reserve is left to it) and once with a
 * neighbour that takes every byte that becomes free; sometimes the agent is killed, or told to end, and started while it
 * is full. It stays up, says HP_DISK_FULL, ends in time when it is told to, and goes on by itself when there is room;
 * nothing that was acknowledged is lost, and a client that waits is answered exactly once.
 */
export async function diskFull(options: ChaosOptions): Promise<ChaosReport | Skipped> {
  const reports: ChaosReport[] = [];
  for (let left = options.rounds; left > 0; left -= fillsOf(reports.at(-1))) {
    const report = await onOneDisk({ ...options, rounds: left });
    if ("skipped" in report) return report;
    reports.push(report);
  }
  return together(reports);
}

function fillsOf(report: ChaosReport | undefined): number {
  return Number(report?.detail["fills"] ?? 1);
}

const diskMebibytes = 64;
/**
 * Answers of one disk, after which a fresh one is mounted: with about twice as many the journal of so small a disk begins
 * to let old cases go, as it should, and a case that was let go would be counted as lost.
 */
const answeredOfADiskMax = 3_000;

async function onOneDisk(options: ChaosOptions): Promise<ChaosReport | Skipped> {
  const disk = SmallDisk.mount(diskMebibytes);
  if (disk === null) return { skipped: "it needs the right to mount a tmpfs: run it as root" };
  const original = await sidesPlace();
  try {
    return await new DiskFull(disk, disk.take(original), options).run();
  } finally {
    disk.unmount();
    await original.remove();
  }
}

const noticeMs = 20_000;
const recoverMs = 10_000;
/** What containers give before they kill. */
const endMsMax = 10_000;

class DiskFull {
  readonly #disk: SmallDisk;
  readonly #place: AgentPlace;
  readonly #options: ChaosOptions;
  readonly #ledger: LoadLedger = newLedger();
  readonly #violations: string[] = [];
  #slowestRecoveryMs = 0;
  #slowestEndMs = 0;
  #startsRefused = 0;

  constructor(disk: SmallDisk, place: AgentPlace, options: ChaosOptions) {
    this.#disk = disk;
    this.#place = place;
    this.#options = options;
  }

  async run(): Promise<ChaosReport> {
    let agent = await startAgentProcess(this.#place);
    const asker = new Asker(this.#place, agent, { ...this.#options, way: "mqtt" });
    let round = 0;
    while (round < this.#options.rounds && asker.answered < answeredOfADiskMax) {
      round += 1;
      agent = await this.#round(agent, round);
      const refused = [...this.#ledger.refused].map(([code, times]) => `${code} ${times}`).join(", ");
      this.#options.say(`round ${round}: ${asker.answered} answered; refused over HTTP: ${refused}`);
    }
    await asker.end();
    if ((await agent.stop()) !== 0) this.#violations.push("the agent did not end in order");
    const told = await asker.report();
    const held = await holdAgainstJournal(this.#place.dataDir, this.#ledger);
    if (!this.#ledger.refused.has("HP_DISK_FULL")) this.#violations.push("nobody was told HP_DISK_FULL");
    return reportOf(
      {
        acknowledged: told.acknowledged + held.acknowledged,
        lost: told.lost + held.lost,
        doubled: told.doubled + held.doubled,
        chain: held.chain,
      },
      {
        fills: round,
        refused: this.#refusals(),
        startsRefusedWithoutOneByte: this.#startsRefused,
        slowestRecoveryMs: Math.round(this.#slowestRecoveryMs),
        slowestEndMs: Math.round(this.#slowestEndMs),
      },
      [...this.#violations, ...told.violations.filter((violation) => !violation.includes("the journal has"))],
    );
  }

  async #round(running: AgentProcess, round: number): Promise<AgentProcess> {
    const { random } = this.#options;
    let agent = running;
    let load = await this.#load(agent);
    await sleep(200 + random() * 800);
    const greedy = round % 2 === 0;
    if (greedy) this.#disk.fillGreedily();
    else this.#disk.fill(Math.floor(random() * 400_000));
    if ((await timeUntil(() => says(agent, "HP_DISK_FULL"), noticeMs)) === null) {
      this.#violations.push(`round ${round}: ${noticeMs} ms after the disk was full the agent did not say so`);
    }
    const refused = this.#refusals();
    if ((await timeUntil(() => Promise.resolve(this.#refusals() > refused), noticeMs)) === null) {
      this.#violations.push(`round ${round}: ${noticeMs} ms after the disk was full nobody was refused`);
    }
    await sleep(random() * 1500);
    if (round % 3 !== 1) {
      if (round % 3 === 0) await agent.kill();
      else await this.#endInTime(agent, round);
      await load.end();
      agent = await this.#startFull(agent, round);
      load = await this.#load(agent);
    }
    this.#disk.free();
    const recovery = await timeUntil(async () => !(await says(agent, "HP_DISK_FULL")), recoverMs);
    if (recovery === null) this.#violations.push(`round ${round}: did not recover within ${recoverMs} ms`);
    this.#slowestRecoveryMs = Math.max(this.#slowestRecoveryMs, recovery ?? recoverMs);
    const before = this.#ledger.acknowledged.size;
    await timeUntil(() => Promise.resolve(this.#ledger.acknowledged.size > before), recoverMs);
    if (this.#ledger.acknowledged.size === before) this.#violations.push(`round ${round}: serves nothing afterwards`);
    await load.end();
    return agent;
  }

  #refusals(): number {
    return [...this.#ledger.refused.values()].reduce((sum, times) => sum + times, 0);
  }

  /** What cannot be decided on a full disk is in the journal, and is decided after the next start. */
  async #endInTime(agent: AgentProcess, round: number): Promise<void> {
    const startedMs = performance.now();
    const code = await agent.stop();
    const tookMs = performance.now() - startedMs;
    this.#slowestEndMs = Math.max(this.#slowestEndMs, tookMs);
    if (code !== 0)
      this.#violations.push(`round ${round}: ended with ${String(code)} on the full disk: ${agent.log()}`);
    if (tookMs > endMsMax) this.#violations.push(`round ${round}: took ${Math.round(tookMs)} ms to end on a full disk`);
  }

  /** With its reserve left an agent starts on a full disk; without a single byte it ends and says why. */
  async #startFull(ports: AgentPorts, round: number): Promise<AgentProcess> {
    try {
      const agent = await startAgentProcess(this.#place, { ports });
      if (!(await says(agent, "HP_DISK_FULL"))) this.#violations.push(`round ${round}: started full and silent`);
      return agent;
    } catch (cause) {
      if (!String(cause).includes("HP_DISK_FULL")) throw cause;
      this.#startsRefused += 1;
      if (!this.#disk.greedy) this.#violations.push(`round ${round}: did not start with its reserve: ${String(cause)}`);
      this.#disk.free();
      return startAgentProcess(this.#place, { ports });
    }
  }

  async #load(agent: AgentProcess): Promise<AgentLoad> {
    const shape = {
      ...{ mqttLanes: 0, httpLanes: 2, until: "acknowledged" as const },
      request: () => ({
        ...sidesRequest(this.#options.random),
        // Some kilobytes each, so that the disk's last bytes go quickly.
        context: { note: "x".repeat(Math.floor(this.#options.random() * 250)) },
      }),
    };
    const load = new AgentLoad(this.#place, agent, shape, this.#ledger);
    await load.start();
    return load;
  }
}
