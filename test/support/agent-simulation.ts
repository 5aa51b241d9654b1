import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveConfig, type EffectiveConfig } from "../../config/index.ts";
import { universalHasher, type Random } from "../../protocol/index.ts";
import { SimAgent, type Mistakes } from "./agent-simulation-agent.ts";
import { HttpDevice, MqttDevice, type NetWeather } from "./agent-simulation-devices.ts";
import { SimDisk, type DiskWeather } from "./agent-simulation-disk.ts";
import { digestOf, type ModelWeather } from "./agent-simulation-models.ts";
import { Oracle } from "./agent-simulation-oracle.ts";
import { SimReviewer } from "./agent-simulation-people.ts";
import { weatherOf, type Weather } from "./agent-simulation-weather.ts";
import { certificate } from "./certificates.ts";
import { settled, SimTime } from "./agent-simulation-time.ts";
import { seededRandom } from "./requests.ts";

export interface SimulationReport {
  readonly seed: number;
  readonly violations: readonly string[];
  /** SHA-256 over everything that happened: the same seed, the same trace. */
  readonly trace: string;
  readonly events: number;
  readonly asked: number;
  readonly acknowledged: number;
  readonly escalated: number;
  readonly expired: number;
  readonly reviewed: number;
  readonly lives: number;
  readonly commits: number;
  readonly simulatedMs: number;
}

export interface SimulationOptions {
  readonly weather?: Weather;
  readonly mistakes?: Mistakes;
  /** Hears every event. */
  readonly log?: (line: string) => void;
}

/**
 * A whole agent in one process, on simulated time: its engine, pipeline, review room, delivery windows and journal are the
 * real ones; clocks, disk, network, models, devices and people do what the seed says. One seed is one run, event for
 * event.
 */
export async function simulateAgent(seed: number, options: SimulationOptions = {}): Promise<SimulationReport> {
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "holdpoint-simulation-"));
  const store = new SimStore(seed, root, options);
  try {
    return await store.run();
  } finally {
    store.close();
    rmSync(root, { recursive: true, force: true });
  }
}

const healMsMax = 120_000;

class SimStore {
  readonly #seed: number;
  readonly #weather: Weather;
  readonly #mistakes: Mistakes;
  readonly #random: Random;
  readonly #time = new SimTime();
  readonly #oracle: Oracle;
  readonly #disk: SimDisk;
  readonly #net: NetWeather;
  readonly #devices: (MqttDevice | HttpDevice)[] = [];
  #models: ModelWeather;
  #agent: SimAgent | null = null;
  #doorsOpen = false;
  #config: EffectiveConfig;
  #configs = 0;
  #lives = 0;
  #uptimeBeforeMs = 0;
  #brokenSinceMs = Infinity;
  #wants: "nothing" | "stop" | "crash" = "nothing";
  /** Until then a crashed agent stays down. */
  #downUntilMs = 0;

  constructor(seed: number, root: string, options: SimulationOptions) {
    this.#seed = seed;
    this.#weather = options.weather ?? weatherOf(seed);
    this.#mistakes = options.mistakes ?? {};
    this.#random = seededRandom(seed);
    this.#oracle = new Oracle(this.#time, options.log ?? null);
    const { commitMsMax, readMsMax, net, models } = this.#weather;
    this.#disk = new SimDisk({ root, time: this.#time, random: this.#random, commitMsMax, readMsMax });
    this.#net = { ...net };
    this.#models = models;
    this.#config = this.#nextConfig();
  }

  async run(): Promise<SimulationReport> {
    await this.#start();
    this.#populate();
    const { loadMs } = this.#weather;
    await this.#live(() => this.#time.monotonicMs() >= loadMs);
    this.#heal();
    const healedMs = this.#time.monotonicMs();
    const done = (): boolean => this.#allAnswered() || this.#time.monotonicMs() - healedMs > healMsMax;
    await this.#live(done);
    // Rows that a full disk could not clear are cleared when they have been sent once more.
    this.#cutAll();
    await this.#live(() => false, 8_000);
    await this.#judge();
    return this.#report();
  }

  close(): void {
    if (this.#agent) this.#agent.process.die();
    this.#disk.close();
  }

  #populate(): void {
    const shared = { time: this.#time, random: this.#random, oracle: this.#oracle };
    const agent = (): SimAgent | null => (this.#doorsOpen ? this.#agent : null);
    const world = { ...shared, net: this.#net, agent };
    const camera = new MqttDevice("camera-1", "msgpack", world);
    const till = new MqttDevice("till-1", "json", world);
    const kiosk = new HttpDevice("kiosk-1", world);
    this.#devices.push(camera, till, kiosk);
    const { people } = this.#weather;
    for (let n = 0; n < people.reviewers; n += 1) {
      new SimReviewer(`r${n}`, { ...shared, agent, weather: people });
    }
    const { askEveryMs, crashEveryMs, stopEveryMs, diskTroubleEveryMs, jumpEveryMs, configEveryMs } = this.#weather;
    this.#every(askEveryMs, () => {
      const device = this.#devices[Math.floor(this.#random.uniform() * 3)];
      // Sometimes many at once: they share a commit.
      const many = this.#random.uniform() < 0.1 ? 6 : 1;
      for (let n = 0; n < many; n += 1) device?.ask();
    });
    this.#every(askEveryMs * 6, () => {
      camera.askAgain(this.#random.uniform() < 0.4);
      till.tellOutcome();
    });
    this.#every(crashEveryMs, () => this.#crashSoon());
    this.#every(stopEveryMs, () => (this.#wants = "stop"));
    this.#every(diskTroubleEveryMs, () => this.#diskTrouble());
    this.#every(jumpEveryMs, () => this.#jump());
    this.#every(configEveryMs, () => void this.#changeConfig());
  }

  #every(meanMs: number, act: () => void): void {
    if (meanMs === Infinity) return;
    this.#time.after(this.#random.uniform() * 2 * meanMs, () => {
      if (this.#time.monotonicMs() >= this.#weather.loadMs) return;
      act();
      this.#every(meanMs, act);
    });
  }

  /** Lets time pass, and the agent's process come and go. */
  async #live(isDone: () => boolean, forMs = Infinity): Promise<void> {
    const endMs = this.#time.monotonicMs() + forMs;
    const isOver = (): boolean => isDone() || this.#time.monotonicMs() >= endMs;
    while (!isOver()) {
      const interrupted = (): boolean => this.#agent?.isAlive() === false || this.#wants !== "nothing";
      await this.#time.run(Math.min(250, endMs - this.#time.monotonicMs()), interrupted);
      const agent = this.#agent;
      if (this.#wants === "stop" && agent?.isAlive() === true) await this.#stop(agent);
      else if (agent && (!agent.isAlive() || this.#wants === "crash")) this.#crash(agent);
      else if (agent && this.#isBroken(agent)) {
        // An operator sees what the agent says and starts it anew, in order or not.
        this.#oracle.trouble();
        if (this.#random.uniform() < 0.5) this.#crash(agent);
        else await this.#stop(agent);
      } else if (!agent && this.#time.monotonicMs() >= this.#downUntilMs) await this.#start();
      this.#wants = "nothing";
      if (this.#disk.weather !== "well") this.#oracle.trouble();
    }
  }

  /** For longer than anybody waits for a disk to come back. */
  #isBroken(agent: SimAgent): boolean {
    if (agent.journal.storage().problem?.code !== "HP_JOURNAL") this.#brokenSinceMs = Infinity;
    else this.#brokenSinceMs = Math.min(this.#brokenSinceMs, this.#time.monotonicMs());
    return this.#time.monotonicMs() - this.#brokenSinceMs > 2_500;
  }

  async #start(): Promise<void> {
    this.#brokenSinceMs = Infinity;
    const before = this.#uptimeBeforeMs;
    if (this.#disk.weather !== "full") this.#disk.weather = "well";
    this.#lives += 1;
    this.#oracle.note(`start ${this.#lives}`);
    const startedMs = this.#time.monotonicMs();
    this.#oracle.started(() => before + this.#time.monotonicMs() - startedMs);
    const troubled = this.#disk.weather;
    this.#disk.weather = "well"; // A start on a full disk has tests of its own; here it would only wait.
    const agent = await SimAgent.open({
      ...{ time: this.#time, disk: this.#disk, random: this.#random, oracle: this.#oracle },
      models: () => this.#models,
      config: this.#config,
      reviewer: this.#weather.people.reviewers > 0 || this.#seed % 3 > 0,
      mistakes: this.#mistakes,
    });
    if (!agent) {
      this.#oracle.note("died while it started");
      this.#died();
      return;
    }
    if (agent.opened.kind === "recovered") this.#oracle.violated(`quarantined: ${agent.opened.reason ?? ""}`);
    this.#adopted(agent);
    await this.#read(agent, false);
    this.#disk.weather = troubled;
    this.#agent = agent;
    this.#doorsOpen = true;
  }

  async #stop(agent: SimAgent): Promise<void> {
    this.#oracle.note("stop");
    this.#doorsOpen = false;
    this.#oracle.trouble();
    const state = { stopped: false };
    const stopping = agent.stop().finally(() => (state.stopped = true));
    stopping.catch((cause: unknown) => this.#oracle.note(`not stopped in order: ${String(cause)}`));
    const isOver = (): boolean => state.stopped || !agent.isAlive();
    const limitMs = this.#time.monotonicMs() + 12_000;
    while (!isOver() && this.#time.monotonicMs() < limitMs) await this.#time.run(100, isOver);
    if (!state.stopped) {
      this.#crash(agent);
      return;
    }
    await stopping.catch(() => undefined);
    this.#over(agent);
    this.#disk.forget();
  }

  #crash(agent: SimAgent): void {
    this.#oracle.note("crash");
    agent.process.die();
    this.#over(agent);
    this.#died();
  }

  #died(): void {
    this.#disk.instant = false;
    this.#disk.deathAt = null;
    this.#disk.crash();
  }

  #over(agent: SimAgent): void {
    this.#doorsOpen = false;
    this.#oracle.checkBudgets();
    this.#uptimeBeforeMs += agent.uptimeMs;
    this.#agent = null;
    this.#disk.deathAt = null;
    this.#downUntilMs = this.#time.monotonicMs() + this.#random.uniform() * 2_000;
  }

  /** At a moment like any other, or at the edge of a commit. */
  #crashSoon(): void {
    const fate = this.#random.uniform();
    if (fate < 0.4) this.#wants = "crash";
    else {
      const inCommits = 1 + Math.floor(this.#random.uniform() * 4);
      this.#disk.deathAt = { inCommits, edge: fate < 0.7 ? "before" : "behind" };
    }
  }

  #diskTrouble(): void {
    if (this.#disk.weather === "gone") return;
    const weather: DiskWeather = this.#random.uniform() < 0.75 ? "full" : "failing";
    this.#oracle.note(`disk ${weather}`);
    this.#oracle.trouble();
    this.#disk.weather = weather;
    this.#time.after(200 + this.#random.uniform() * 3_000, () => {
      this.#oracle.trouble();
      if (this.#disk.weather !== "gone") this.#disk.weather = "well";
    });
  }

  #jump(): void {
    const years = 10 * 365 * 86_400_000;
    const far = this.#random.uniform() < 0.5 ? years : 3_600_000;
    const ms = Math.round((this.#random.uniform() * 2 - 1) * far);
    this.#oracle.note(`wall clock jumps ${ms}`);
    this.#time.jumpWall(ms);
  }

  async #changeConfig(): Promise<void> {
    this.#config = this.#nextConfig();
    const agent = this.#agent;
    if (agent?.isAlive() !== true || !this.#doorsOpen) return;
    try {
      await agent.core.adopt(this.#config);
      if (agent.isAlive()) this.#adopted(agent);
    } catch {
      // The disk is full or fails: the watcher keeps the last good config and tries again.
    }
  }

  #adopted(agent: SimAgent): void {
    const { revision, digest } = agent.core.pipeline.config();
    this.#oracle.note(`config ${revision} ${digest}`);
  }

  /** No two are equal: a gate threshold says which config it is of. */
  #nextConfig(): EffectiveConfig {
    this.#configs += 1;
    const random = this.#random;
    const whole = (least: number, most: number): number => Math.round(least + random.uniform() * (most - least));
    const version = 1 + Math.floor(this.#configs / 2);
    const gateThreshold = Number((0.6 + this.#configs / 1000).toFixed(3));
    // Every third config is under a contract, whose certificate lapses after a few accepted decisions of one life.
    const isContract = this.#configs % 3 === 0;
    const text = `
store_id: store_7
models:
  product_identification: { model: product-id@^${version}, batch_size: 4 }
  cart_verification: { model: cart@^${1 + Math.floor(random.uniform() * 3)}, batch_size: 1 }
thresholds: { product_identification: ${isContract ? "{ max_error: 0.01, lapse_accepts: 5 }" : gateThreshold}, cart_verification: ${(0.85 + this.#configs / 1000).toFixed(3)} }
tasks:
  product_identification:
    decide_within: ${whole(200, 1_200)}ms
    review_within: ${whole(3, 9)}s
    fallback: [human_review, safe_action]
    safe_action: { label: ask-shopper }
    audit_share: 0.2
  cart_verification:
    decide_within: ${whole(200, 1_200)}ms
    review_within: ${whole(3, 9)}s
    fallback: [human_review, safe_action]
    safe_action: { label: ask-shopper }
    escalations_per_hour: ${whole(1, 5)}
`;
    const own = certificate({
      ...{ id: `01935b2a-7c00-7abc-8def-${String(this.#configs).padStart(12, "0")}`, gateThreshold },
      ...{ model: digestOf(`product-id@^${version}`), scope: { level: "fleet", name: "-" } },
      ...{ issuedAtMs: 0, lapse: { acceptedMax: 1e9, afterMs: 8e15 } },
    });
    const layer = { layer: "store" as const, file: "store.yaml", text };
    const resolved = resolveConfig([layer], universalHasher, [own]);
    if (!resolved.ok) throw new Error(JSON.stringify(resolved));
    const { config } = resolved.value;
    this.#oracle.allows(config);
    return config;
  }

  #heal(): void {
    this.#oracle.note("heal");
    Object.assign(this.#net, {
      loss: 0,
      duplication: 0,
      delayMsMax: 20,
      reorders: false,
      cutEveryMs: Infinity,
      frozen: 0,
    });
    this.#models = { slow: 0, hang: 0, crash: 0, nan: 0, runMsMax: 5, missing: 0, warmMsMax: 10 };
    if (this.#disk.weather !== "gone") this.#disk.weather = "well";
    this.#disk.deathAt = null;
    this.#downUntilMs = 0;
    // What the network lost on a connection that stood is owed until the next one.
    this.#cutAll();
  }

  #cutAll(): void {
    for (const device of this.#devices) if (device instanceof MqttDevice) device.cut();
  }

  #allAnswered(): boolean {
    if (!this.#devices.every((device) => device.idle)) return false;
    return [...this.#oracle.asked.values()].every(({ acknowledged, answered }) => acknowledged && answered);
  }

  async #judge(): Promise<void> {
    const agent = this.#agent;
    if (agent?.isAlive() !== true) {
      this.#oracle.violated("the agent is down at the end");
      return;
    }
    for (const [id, { acknowledged, answered, device }] of this.#oracle.asked) {
      if (!acknowledged) this.#oracle.violated(`${id}: never acknowledged to ${device}`);
      else if (!answered) this.#oracle.violated(`${id}: no final decision at ${device}`);
    }
    this.#oracle.checkBudgets();
    await this.#read(agent, true);
    const { undecided, pending, undelivered, received } = await agent.journal.counts();
    if (undecided + pending + undelivered > 0) {
      this.#oracle.violated(`left: ${undecided} undecided, ${pending} pending, ${undelivered} undelivered`);
    }
    if (received !== this.#oracle.asked.size) {
      this.#oracle.violated(`${received} received, ${this.#oracle.asked.size} asked`);
    }
    const inFlight = agent.core.engine.inFlight();
    if (inFlight > 0) this.#oracle.violated(`${inFlight} cases in flight at the end`);
  }

  /** Reads at once, as if time stood still. */
  async #read(agent: SimAgent, ended: boolean): Promise<void> {
    this.#disk.instant = true;
    await Promise.race([this.#oracle.readJournal(agent.journal, ended), agent.process.died]);
    await settled();
    this.#disk.instant = false;
  }

  #report(): SimulationReport {
    const { violations, events, escalated, expired, reviewed, asked } = this.#oracle;
    return {
      ...{ seed: this.#seed, violations, trace: this.#oracle.trace(), events, escalated, expired, reviewed },
      asked: asked.size,
      acknowledged: [...asked.values()].filter(({ acknowledged }) => acknowledged).length,
      lives: this.#lives,
      commits: this.#disk.commits,
      simulatedMs: Math.round(this.#time.monotonicMs()),
    };
  }
}
