import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { says, timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport, type Skipped } from "./chaos-report.ts";
import { holdAgainstJournal, newLedger, type LoadLedger } from "./load-ledger.ts";
import { sidesPlace, sidesRequest } from "./sides-place.ts";
import { FailingDisk } from "./small-disk.ts";

/**
 * The theorem: the agent's disk refuses to be written, in every second round for a while (EROFS from strace), else for
 * good until it is mounted anew, as an ext4 does after an I/O error. The agent says HP_JOURNAL and stays up, devices are
 * told to ask again, and nothing is acknowledged. A disk that comes back is written again without a restart. Started on
 * the read-only disk the agent ends at once and says why; on the mended one it goes on with the journal that it had.
 */
export async function readOnly(options: ChaosOptions): Promise<ChaosReport | Skipped> {
  const disk = FailingDisk.mount(64);
  if (disk === null) return { skipped: "it needs ext4, a loop device and the right to mount: run it as root on Linux" };
  const original = await sidesPlace();
  try {
    return await new ReadOnly(disk, disk.take(original), options).run();
  } finally {
    disk.unmount();
    await original.remove();
  }
}

const noticeMs = 20_000;
/** The disk is asked every five seconds. */
const recoverMs = 15_000;

class ReadOnly {
  readonly #disk: FailingDisk;
  readonly #place: AgentPlace;
  readonly #options: ChaosOptions;
  readonly #ledger: LoadLedger = newLedger();
  readonly #violations: string[] = [];
  readonly #counted = { returned: 0, mountedAnew: 0, slowestNoticeMs: 0, slowestRecoveryMs: 0, refusedStarts: 0 };

  constructor(disk: FailingDisk, place: AgentPlace, options: ChaosOptions) {
    this.#disk = disk;
    this.#place = place;
    this.#options = options;
  }

  async run(): Promise<ChaosReport> {
    let agent = await startAgentProcess(this.#place);
    try {
      for (let round = 1; round <= this.#options.rounds; round += 1) {
        agent = round % 2 === 1 ? await this.#mountAnew(agent, round) : await this.#comesBack(agent, round);
        this.#options.say(`round ${round}: ${this.#ledger.acknowledged.size} acknowledged`);
      }
      if ((await agent.stop()) !== 0) this.#violations.push("the agent did not end in order");
    } finally {
      await agent.kill();
    }
    const detail = Object.fromEntries(Object.entries(this.#counted).map(([key, value]) => [key, Math.round(value)]));
    return reportOf(await holdAgainstJournal(this.#place.dataDir, this.#ledger), detail, this.#violations);
  }

  /** The file system fails for good: nothing but mounting it anew helps, and a restart of the agent. */
  async #mountAnew(agent: AgentProcess, round: number): Promise<AgentProcess> {
    const load = await this.#load(agent);
    await sleep(200 + this.#options.random() * 600);
    this.#disk.becomeReadOnly();
    await this.#says(agent, round);
    await agent.kill();
    await load.end();
    const refused = await startAgentProcess(this.#place, { ports: agent }).then(
      async (started) => {
        await started.kill();
        return "it started";
      },
      (cause: unknown) => String(cause),
    );
    if (!refused.includes("HP_JOURNAL")) this.#violations.push(`round ${round}: on the read-only disk: ${refused}`);
    else this.#counted.refusedStarts += 1;
    await this.#disk.mountAnew();
    const again = await startAgentProcess(this.#place, { ports: agent });
    if (await says(again, "HP_JOURNAL")) this.#violations.push(`round ${round}: the journal was set aside`);
    this.#counted.mountedAnew += 1;
    await this.#serves(again, round);
    return again;
  }

  async #comesBack(agent: AgentProcess, round: number): Promise<AgentProcess> {
    const load = await this.#load(agent);
    await sleep(200 + this.#options.random() * 600);
    const giveBack = await refuseWrites(agent);
    await this.#says(agent, round);
    await giveBack();
    const recovery = await timeUntil(async () => !(await says(agent, "HP_JOURNAL")), recoverMs);
    if (recovery === null) this.#violations.push(`round ${round}: did not recover within ${recoverMs} ms`);
    this.#counted.slowestRecoveryMs = Math.max(this.#counted.slowestRecoveryMs, recovery ?? recoverMs);
    this.#counted.returned += 1;
    await this.#serves(agent, round);
    if (!(await load.end(10_000))) this.#violations.push(`round ${round}: some requests were never answered`);
    return agent;
  }

  async #says(agent: AgentProcess, round: number): Promise<void> {
    const noticed = await timeUntil(() => says(agent, "HP_JOURNAL"), noticeMs);
    if (noticed === null) this.#violations.push(`round ${round}: not said within ${noticeMs} ms`);
    this.#counted.slowestNoticeMs = Math.max(this.#counted.slowestNoticeMs, noticed ?? noticeMs);
    const refused = (): number => this.#ledger.refused.get("HP_BUSY") ?? 0;
    const before = refused();
    const told = await timeUntil(() => Promise.resolve(refused() > before), noticeMs);
    if (told === null) this.#violations.push(`round ${round}: nobody was told to ask again`);
  }

  async #serves(agent: AgentProcess, round: number): Promise<void> {
    const load = await this.#load(agent, "decided");
    const before = this.#ledger.acknowledged.size;
    const served = await timeUntil(() => Promise.resolve(this.#ledger.acknowledged.size > before + 5), recoverMs);
    if (served === null) this.#violations.push(`round ${round}: serves nothing afterwards`);
    if (!(await load.end(10_000))) this.#violations.push(`round ${round}: some requests were never decided`);
  }

  async #load(agent: AgentProcess, until: "acknowledged" | "decided" = "acknowledged"): Promise<AgentLoad> {
    const request = () => sidesRequest(this.#options.random);
    const load = new AgentLoad(this.#place, agent, { mqttLanes: 0, httpLanes: 3, until, request }, this.#ledger);
    await load.start();
    return load;
  }
}

/** From now on every write and fsync of the agent fails with EROFS, until the returned function is called. */
async function refuseWrites(agent: AgentProcess): Promise<() => Promise<void>> {
  const calls = "pwrite64,fsync,fdatasync";
  const args = ["-f", "-q", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", `inject=${calls}:error=EROFS`];
  const tracer = spawn("strace", [...args, "-p", String(agent.pid)], { stdio: "ignore" });
  const exited = once(tracer, "exit");
  await once(tracer, "spawn");
  return async () => {
    tracer.kill("SIGINT");
    await exited;
  };
}
