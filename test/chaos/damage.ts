import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { says, timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { holdAgainstJournal, newLedger, type LoadLedger } from "./load-ledger.ts";
import { sidesPlace, sidesRequest } from "./sides-place.ts";

export interface DamageOptions extends ChaosOptions {
  /** What is done to the files, in turn; without it everything. */
  readonly kinds?: readonly DamageKind[];
}

/**
 * The theorem: whatever happens to the journal's files, the agent starts and serves. Either the journal is as it was and
 * holds everything acknowledged, or it is set aside, the status says so, and the start after that finds nothing wrong.
 * A disk that fails under a running agent is said (HP_JOURNAL), and nothing is acknowledged from then on.
 */
export async function damage(options: DamageOptions): Promise<ChaosReport> {
  const place = await sidesPlace();
  try {
    return await new Damage(place, options).run();
  } finally {
    await place.remove();
  }
}

const kinds = ["bit flips", "truncated", "swapped log", "noise in the log", "zero length", "EIO", "EROFS"] as const;
export type DamageKind = (typeof kinds)[number];
const inDatabase: ReadonlySet<DamageKind> = new Set(["bit flips", "truncated", "zero length"]);
const noticeMs = 10_000;

class Damage {
  readonly #place: AgentPlace;
  readonly #options: DamageOptions;
  readonly #violations: string[] = [];
  readonly #fates = new Map<string, number>();
  readonly #file: string;
  #acknowledged = 0;
  #lost = 0;
  #doubled = 0;
  #records = 0;

  constructor(place: AgentPlace, options: DamageOptions) {
    this.#place = place;
    this.#options = options;
    this.#file = join(place.dataDir, "journal.db");
  }

  async run(): Promise<ChaosReport> {
    for (let round = 1; round <= this.#options.rounds; round += 1) {
      const wanted = this.#options.kinds ?? kinds;
      const kind = wanted[(round - 1) % wanted.length] ?? "bit flips";
      this.#startAnew();
      try {
        await this.#round(kind);
      } catch (cause) {
        this.#violations.push(`round ${round}, ${kind}: ${String(cause)}`);
      }
      this.#options.say(`round ${round}, ${kind}: ${JSON.stringify(Object.fromEntries(this.#fates))}`);
    }
    const counts = { acknowledged: this.#acknowledged, lost: this.#lost, doubled: this.#doubled };
    const chain = { intact: true, records: this.#records, fault: null };
    return reportOf({ ...counts, chain }, Object.fromEntries(this.#fates), this.#violations);
  }

  async #round(kind: DamageKind): Promise<void> {
    let agent = await startAgentProcess(this.#place);
    const ledger = newLedger();
    const load = new AgentLoad(this.#place, agent, this.#shape(), ledger);
    await load.start();
    await sleep(300 + this.#options.random() * 500);
    const early = `${this.#file}-early`;
    copyFileSync(`${this.#file}-wal`, early);
    if (kind === "EIO" || kind === "EROFS") await this.#failDisk(agent, kind);
    else await sleep(200);
    // Closed in order, everything is in the database; killed, nearly everything is still in the log.
    if (inDatabase.has(kind)) {
      await load.end();
      await agent.stop();
    } else {
      await agent.kill();
      await load.end();
    }
    this.#acknowledged += ledger.acknowledged.size;
    this.#harm(kind, early);
    rmSync(early);

    agent = await startAgentProcess(this.#place);
    const quarantined = await says(agent, "HP_JOURNAL");
    if (quarantined !== this.#isQuarantined()) this.#violations.push(`${kind}: set aside and not said, or the reverse`);
    await this.#serves(agent, kind);
    await agent.kill();
    const again = await startAgentProcess(this.#place);
    if (await says(again, "HP_JOURNAL")) this.#violations.push(`${kind}: set aside a second time`);
    await again.stop();
    if (quarantined) this.#count(`${kind}: set aside`);
    else await this.#judge(kind, ledger);
  }

  /** Not set aside: then everything is there, or the whole-chain check finds what the start's quick one could not. */
  async #judge(kind: DamageKind, ledger: LoadLedger): Promise<void> {
    const held = await holdAgainstJournal(this.#place.dataDir, ledger).catch(() => null);
    if (held === null || !held.chain.intact) {
      if (kind !== "bit flips") this.#violations.push(`${kind}: neither set aside nor whole`);
      this.#count(`${kind}: found by audit verify`);
      return;
    }
    this.#records += held.chain.records;
    // A log that was swapped or garbled on purpose takes its commits with it: an exact prefix is all that can be asked,
    // and what was decided in the rest is decided again.
    if (kind !== "swapped log" && kind !== "noise in the log") {
      this.#lost += held.lost;
      this.#doubled += held.doubled;
    }
    this.#count(`${kind}: ${held.lost > 0 ? "an exact prefix" : "harmless"}`);
  }

  #harm(kind: DamageKind, early: string): void {
    const { random } = this.#options;
    const wal = `${this.#file}-wal`;
    const bytes = readFileSync(this.#file);
    switch (kind) {
      case "bit flips":
        for (let flip = 0; flip < 64; flip += 1) {
          const at = Math.floor(random() * bytes.length);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
        }
        writeFileSync(this.#file, bytes);
        break;
      case "truncated":
        truncateSync(this.#file, Math.floor(random() * bytes.length));
        break;
      case "swapped log":
        copyFileSync(early, wal);
        break;
      case "noise in the log": {
        const size = statSync(wal).size;
        const noise = readFileSync(wal);
        for (let at = Math.floor(random() * size); at < size; at += 1) noise[at] = Math.floor(random() * 256);
        writeFileSync(wal, noise);
        break;
      }
      case "zero length":
        truncateSync(this.#file, 0);
        rmSync(wal, { force: true });
        break;
      case "EIO":
      case "EROFS":
        break;
    }
  }

  /** From now on every write and fsync of the agent fails; strace does it. */
  async #failDisk(agent: AgentProcess, error: "EIO" | "EROFS"): Promise<void> {
    const injected = `inject=pwrite64,fsync,fdatasync:error=${error}`;
    const args = ["-f", "-q", "-o", "/dev/null", "-e", "trace=pwrite64,fsync,fdatasync", "-e", injected];
    const tracer = spawn("strace", [...args, "-p", String(agent.pid)], { stdio: "ignore" });
    try {
      const noticed = await timeUntil(() => says(agent, "HP_JOURNAL"), noticeMs);
      if (noticed === null) this.#violations.push(`${error}: not said within ${noticeMs} ms`);
    } finally {
      const exited = once(tracer, "exit");
      tracer.kill("SIGINT");
      await exited;
    }
  }

  async #serves(agent: AgentProcess, kind: DamageKind): Promise<void> {
    const ledger = newLedger();
    const load = new AgentLoad(this.#place, agent, { ...this.#shape(), until: "decided" }, ledger);
    await load.start();
    const served = await timeUntil(() => Promise.resolve(ledger.acknowledged.size > 5), noticeMs);
    if (served === null) this.#violations.push(`${kind}: serves nothing afterwards`);
    await load.end();
  }

  #shape() {
    return {
      ...{ mqttLanes: 4, httpLanes: 1, until: "acknowledged" as "acknowledged" | "decided" },
      request: () => sidesRequest(this.#options.random),
    };
  }

  #isQuarantined(): boolean {
    const folder = join(this.#place.dataDir, "quarantine");
    return existsSync(folder) && readdirSync(folder).length > 0;
  }

  #startAnew(): void {
    const names = ["journal.db", "journal.db-wal", "journal.db-shm", "instance.json", "suspect.json", "quarantine"];
    for (const name of names) rmSync(join(this.#place.dataDir, name), { recursive: true, force: true });
  }

  #count(fate: string): void {
    this.#fates.set(fate, (this.#fates.get(fate) ?? 0) + 1);
  }
}
