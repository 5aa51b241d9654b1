import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Decision } from "../../protocol/index.ts";
import { openRegistry } from "../../models/index.node.ts";
import { startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { AgentLoad } from "./agent-load.ts";
import { timeUntil } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { childrenOf, residentBytes } from "./child-of.ts";
import { importVersion } from "./config-under-load.ts";
import { holdAgainstJournal, newLedger } from "./load-ledger.ts";
import { sidesConfig, sidesPlace, sidesRequest } from "./sides-place.ts";

/**
 * The theorem: `holdpoint model activate` under load, again and again: no request is dropped, none is decided without a
 * model, and the agent's memory stays what it was. How much slower the slowest hundredth becomes is measured against
 * steady minutes of the same run.
 */
export interface ModelSwapOptions extends ChaosOptions {
  /** Steady load before and after, milliseconds: what p99 is compared with. */
  readonly steadyMs: number;
  /** Violations of time and memory count only where the machine does nothing else. */
  readonly measure: boolean;
}

const versions = ["1.0.0", "1.1.0"] as const;
const servesMs = 15_000;

export async function modelSwap(options: ModelSwapOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ config: sidesConfig({ reviewWithin: "1s" }) });
  try {
    await importVersion(place, versions[1], 5);
    const agent = await startAgentProcess(place);
    try {
      return await new Swaps(options, place, agent).run();
    } finally {
      await agent.kill();
    }
  } finally {
    await place.remove();
  }
}

class Swaps {
  readonly #options: ModelSwapOptions;
  readonly #place: AgentPlace;
  readonly #agent: AgentProcess;
  readonly #ledger = newLedger();
  readonly #violations: string[] = [];
  #latencies: number[] = [];
  #version = "";
  #withoutModel = 0;

  constructor(options: ModelSwapOptions, place: AgentPlace, agent: AgentProcess) {
    this.#options = options;
    this.#place = place;
    this.#agent = agent;
  }

  async run(): Promise<ChaosReport> {
    const { steadyMs, random, measure } = this.#options;
    const shape = { mqttLanes: 2, httpLanes: 1, until: "decided" as const, request: () => sidesRequest(random) };
    const load = new AgentLoad(
      this.#place,
      this.#agent,
      { ...shape, onDecided: (decision, latencyMs) => this.#decided(decision, latencyMs) },
      this.#ledger,
    );
    await load.start();
    await sleep(steadyMs / 2);
    const before = await this.#during(() => sleep(steadyMs));
    let settledBytes = 0;
    const swapping = await this.#during(async () => {
      for (let swap = 1; swap <= this.#options.rounds; swap += 1) {
        await this.#swap(swap);
        if (swap === Math.floor(this.#options.rounds / 2)) settledBytes = await this.#memory();
      }
    });
    const grownShare = (await this.#memory()) / settledBytes - 1;
    const after = await this.#during(() => sleep(steadyMs));
    if (!(await load.end(15_000))) this.#violations.push("some requests were never decided");
    if ((await this.#agent.stop()) !== 0) this.#violations.push("the agent did not end in order");
    if (this.#withoutModel > 0) this.#violations.push(`${this.#withoutModel} decisions were made without the model`);
    const ratio = swapping.p99Ms / Math.max(before.p99Ms, after.p99Ms);
    if (measure && ratio > 1.5) this.#violations.push(`p99 is ${ratio.toFixed(2)} times the steady one`);
    if (measure && grownShare > 0.05) this.#violations.push(`memory grew by ${(grownShare * 100).toFixed(1)} %`);
    return reportOf(
      await holdAgainstJournal(this.#place.dataDir, this.#ledger),
      {
        swaps: this.#options.rounds,
        p99: `${swapping.p99Ms.toFixed(1)} ms while swapping, ${before.p99Ms.toFixed(1)} before, ${after.p99Ms.toFixed(1)} after`,
        p99Ratio: ratio.toFixed(2),
        slowestMs: Math.round(swapping.slowestMs),
        memoryGrown: `${(grownShare * 100).toFixed(1)} % of ${Math.round(settledBytes / 1024 ** 2)} MiB`,
      },
      this.#violations,
    );
  }

  async #swap(swap: number): Promise<void> {
    const wanted = versions[swap % 2] ?? versions[0];
    const activated = await openRegistry(join(this.#place.dataDir, "models")).activate(`sides@${wanted}`);
    if (!activated.ok) throw activated.error;
    const served = await timeUntil(() => Promise.resolve(this.#version === wanted), servesMs);
    if (served === null) this.#violations.push(`swap ${swap}: ${wanted} did not serve within ${servesMs} ms`);
    if (swap % 10 === 0) this.#options.say(`swap ${swap}`);
    await sleep(this.#options.random() * 200);
  }

  #decided({ model }: Decision, latencyMs: number): void {
    this.#latencies.push(latencyMs);
    if (model === null) this.#withoutModel += 1;
    else this.#version = model.version;
  }

  async #during(work: () => Promise<void>): Promise<{ readonly p99Ms: number; readonly slowestMs: number }> {
    this.#latencies = [];
    await work();
    const sorted = this.#latencies.sort((a, b) => a - b);
    return { p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, slowestMs: sorted.at(-1) ?? 0 };
  }

  /** Daemon and child, when the outgoing child has ended: the least of some seconds, because garbage comes and goes. */
  async #memory(): Promise<number> {
    await timeUntil(() => Promise.resolve(childrenOf(this.#agent.pid).length <= 1), servesMs);
    let least = Infinity;
    for (let look = 0; look < 20; look += 1) {
      const pids = [this.#agent.pid, ...childrenOf(this.#agent.pid)];
      least = Math.min(
        least,
        pids.reduce((sum, pid) => sum + residentBytes(pid), 0),
      );
      await sleep(100);
    }
    return least;
  }
}
