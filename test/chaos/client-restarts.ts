import { setTimeout as sleep } from "node:timers/promises";
import { newId, type Decision } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { connect, type Client } from "../../sdk/client/index.ts";
import { startAgentProcess, type AgentPlace, type AgentPorts } from "../support/agent-process.ts";
import { quickPolicy, type Way } from "../support/client-fixtures.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { sidesInput, sidesPlace, sidesTask } from "./sides-place.ts";

/**
 * The theorem: a client that lives while its agent is killed again and again answers each `decide()` exactly once, and
 * each `final()`; shows each revision once; and what it answered is what the agent's journal says, word for word.
 */
export interface RestartsOptions extends ChaosOptions {
  readonly way: Way;
  /** The agent lives between these, milliseconds from its open doors. */
  readonly lifeMs: readonly [least: number, most: number];
}

type AskerOptions = Pick<RestartsOptions, "way" | "random">;

const lanes = 8;
const undecidedMax = 64;
const patienceMs = 60_000;

interface Asked {
  readonly answers: Decision[];
  readonly finals: Decision[];
  readonly errors: string[];
}

export async function clientRestarts(options: RestartsOptions): Promise<ChaosReport> {
  const place = await sidesPlace({ devices: ["camera-1"] });
  try {
    let agent = await startAgentProcess(place);
    const asker = new Asker(place, agent, options);
    for (let round = 1; round <= options.rounds; round += 1) {
      const [least, most] = options.lifeMs;
      await sleep(least + options.random() * (most - least));
      await agent.kill();
      // Sometimes it is back at once, sometimes the device sees it gone for a while.
      await sleep(options.random() * 200);
      agent = await startAgentProcess(place, { ports: agent });
      options.say(`round ${round}: ${asker.answered} answered`);
    }
    await asker.end();
    await agent.kill();
    return await asker.report();
  } finally {
    await place.remove();
  }
}

/** A client with a bounded heap of open questions; `report` holds what it was told against the journal. */
export class Asker {
  readonly #client: Client;
  readonly #place: AgentPlace;
  readonly #options: AskerOptions;
  readonly #asked = new Map<string, Asked>();
  /** How often each revision was shown. */
  readonly #shown = new Map<string, number>();
  readonly #lanes: Promise<void>[];
  readonly #open = new Set<Promise<void>>();
  #over = false;
  #undecided = 0;
  #unanswered = 0;
  answered = 0;

  constructor(place: AgentPlace, agent: AgentPorts, options: AskerOptions) {
    this.#place = place;
    this.#options = options;
    this.#client = connect({
      url: options.way === "mqtt" ? `mqtt://127.0.0.1:${agent.mqttPort}/store_1` : agent.http,
      device: "camera-1",
      secret: place.devices["camera-1"] ?? "",
      policy: { ...quickPolicy, link: { reconnect: { baseMs: 20, capMs: 200 }, stableMs: 200 } },
      onTimeout: "wait",
    });
    this.#client.on("revision", ({ id, revision }) => {
      const key = `${id} ${revision}`;
      this.#shown.set(key, (this.#shown.get(key) ?? 0) + 1);
    });
    this.#lanes = Array.from({ length: lanes }, () => this.#lane());
  }

  #isOver(): boolean {
    return this.#over;
  }

  async end(): Promise<void> {
    this.#over = true;
    await Promise.race([this.#settled(), sleep(patienceMs, null, { ref: false })]);
    this.#unanswered = [...this.#asked.values()].filter(({ finals }) => finals.length === 0).length;
    await this.#client.close();
    await this.#settled();
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#lanes);
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  async #lane(): Promise<void> {
    while (!this.#isOver()) {
      const id = newId(systemClock, systemRandom);
      const asked: Asked = { answers: [], finals: [], errors: [] };
      this.#asked.set(id, asked);
      const failed = (cause: unknown): void => void asked.errors.push(String(cause));
      this.#undecided += 1;
      const first = this.#client.decide(sidesTask, sidesInput(this.#options.random), { id }).then((decision) => {
        asked.answers.push(decision);
        this.answered += 1;
        this.#undecided -= 1;
        return this.#client.final(id).then((last) => void asked.finals.push(last));
      });
      const whole = first.catch(failed).finally(() => this.#open.delete(whole));
      this.#open.add(whole);
      // Questions pile up while the agent is away, to a bound.
      do await sleep(5);
      while (this.#undecided >= undecidedMax && !this.#isOver());
    }
  }

  async report(): Promise<ChaosReport> {
    const journal = await openJournalReadOnly(this.#place.dataDir);
    try {
      let lost = 0;
      let doubled = 0;
      for (const [id, { answers, finals }] of this.#asked) {
        const known = await journal.find(id);
        const bodies = new Map(known?.revisions.map((decision) => [decision.revision, JSON.stringify(decision)]));
        for (const answer of [...answers, ...finals]) {
          const body = bodies.get(answer.revision);
          if (body === undefined) lost += 1;
          else if (body !== JSON.stringify(answer)) doubled += 1;
        }
      }
      const { intact, records, fault } = await journal.verify();
      const { received } = await journal.counts();
      const chain = { intact, records, fault: fault?.message ?? null };
      const counts = { acknowledged: this.answered, lost, doubled, chain };
      return reportOf(counts, { asked: this.#asked.size, received }, this.#violations(received));
    } finally {
      await journal.close();
    }
  }

  #violations(received: number): readonly string[] {
    const asked = [...this.#asked.values()];
    const wrong = asked.filter(({ answers, finals }) => answers.length !== 1 || finals.length !== 1).length;
    const shownTwice = [...this.#shown.values()].filter((times) => times !== 1).length;
    const errors = new Set(asked.flatMap((one) => one.errors));
    return [
      ...(this.#unanswered > 0 ? [`${this.#unanswered} were not final within ${patienceMs} ms of the last start`] : []),
      ...(wrong > 0 ? [`${wrong} of ${asked.length} questions were not answered exactly once`] : []),
      ...(shownTwice > 0 ? [`${shownTwice} revisions were shown more than once`] : []),
      ...(received !== asked.length ? [`${asked.length} were asked and the journal has ${received}`] : []),
      ...[...errors].slice(0, 3),
    ];
  }
}
