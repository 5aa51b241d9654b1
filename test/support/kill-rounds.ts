import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { encodeMessage, newId, parseDecision, type Decision, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { drawShelfCrop } from "../../edge-agent/cli/demo/drawn-crops.node.ts";
import { productTask, startAgentProcess, type AgentPlace, type AgentPorts } from "./agent-process.ts";

/**
 * The theorem: a request whose PUBACK the device has seen is in the journal, however the agent died; and for one id
 * there is one body for each revision, in the journal and in every copy that the device was ever sent. A request that
 * was not acknowledged may be there or not: a phantom, never a hole.
 */
export interface KillReport {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** Ids that were seen with two bodies for one revision. */
  readonly doubled: number;
  readonly decisionsSeen: number;
  readonly chain: { readonly intact: boolean; readonly records: number; readonly fault: string | null };
}

export interface KillOptions {
  readonly place: AgentPlace;
  readonly rounds: number;
  /** The agent lives between these, milliseconds from its first acknowledgement. */
  readonly lifeMs: readonly [least: number, most: number];
  readonly random: () => number;
  /** Another program in the agent's place: the negative control. */
  readonly entry?: string;
  /** Requests in flight of each of the two clients. */
  readonly windowMax?: number;
  /** Share of requests that carry a picture and run the model. */
  readonly pictureShare?: number;
  readonly progress?: (round: number, report: { acknowledged: number }) => void;
}

export async function killRounds(options: KillOptions): Promise<KillReport> {
  const { place, rounds, random } = options;
  const acknowledged = new Set<string>();
  const bodies = new Map<string, string>();
  const doubled = new Set<string>();
  const picture = (await drawShelfCrop(1)).jpeg;
  let ports: AgentPorts | undefined;
  for (let round = 1; round <= rounds; round += 1) {
    const agent = await startAgentProcess(place, {
      ...(ports ? { ports } : {}),
      ...(options.entry === undefined ? {} : { entry: options.entry }),
    });
    ports = agent;
    const load = new Load(place, agent, options, picture, { acknowledged, bodies, doubled });
    await load.start();
    const [least, most] = options.lifeMs;
    await sleep(least + random() * (most - least));
    await agent.kill();
    await load.end();
    options.progress?.(round, { acknowledged: acknowledged.size });
  }
  return { rounds, ...(await holdAgainstJournal(place, acknowledged, bodies, doubled)), decisionsSeen: bodies.size };
}

interface Seen {
  readonly acknowledged: Set<string>;
  readonly bodies: Map<string, string>;
  readonly doubled: Set<string>;
}

/** Two devices that send as fast as their windows allow, until the agent is gone. */
class Load {
  readonly #clients: mqtt.MqttClient[] = [];
  readonly #options: KillOptions;
  readonly #place: AgentPlace;
  readonly #ports: AgentPorts;
  readonly #picture: Uint8Array;
  readonly #seen: Seen;
  #over = false;
  #runs: Promise<void>[] = [];

  constructor(place: AgentPlace, ports: AgentPorts, options: KillOptions, picture: Uint8Array, seen: Seen) {
    this.#place = place;
    this.#ports = ports;
    this.#options = options;
    this.#picture = picture;
    this.#seen = seen;
  }

  async start(): Promise<void> {
    const devices = Object.entries(this.#place.devices);
    for (const [device, secret] of devices) {
      const client = mqtt.connect(`mqtt://127.0.0.1:${this.#ports.mqttPort}`, {
        username: device,
        password: secret,
        clientId: `${device}-kill`,
        reconnectPeriod: 0,
        clean: true,
      });
      client.on("error", () => undefined);
      client.on("message", (_topic, payload) => this.#take(payload));
      this.#clients.push(client);
      await new Promise((resolve) => client.once("connect", resolve));
      await client.subscribeAsync(`holdpoint/v1/store_1/${device}/decision`, { qos: 1 });
      const gone = new Promise<void>((resolve) => client.once("close", resolve));
      const lanes = Array.from({ length: this.#options.windowMax ?? 16 }, () => this.#lane(client, device, gone));
      this.#runs.push(...lanes);
    }
  }

  async end(): Promise<void> {
    this.#over = true;
    for (const client of this.#clients) client.end(true);
    await Promise.race([Promise.all(this.#runs), sleep(2000)]);
  }

  async #lane(client: mqtt.MqttClient, device: string, gone: Promise<void>): Promise<void> {
    while (!this.#over) {
      const request = this.#request();
      const sent = await new Promise<boolean>((resolve) => {
        client.publish(
          `holdpoint/v1/store_1/${device}/request`,
          Buffer.from(encodeMessage(request, "msgpack")),
          { qos: 1 },
          (error) => resolve(!error),
        );
        void gone.then(() => resolve(false));
      });
      if (!sent) return;
      this.#seen.acknowledged.add(request.id);
    }
  }

  #request(): DecisionRequest {
    const id = newId(systemClock, systemRandom);
    const base = { v: 1 as const, id, at: systemClock.wallMs() };
    return this.#options.random() < (this.#options.pictureShare ?? 0.05)
      ? { ...base, task: productTask, input: { kind: "image", encoding: "jpeg", data: this.#picture } }
      : { ...base, task: "people_only", input: { kind: "entity", entity: "7" } };
  }

  #take(payload: Uint8Array): void {
    const parsed = parseDecision(payload);
    if (!parsed.ok) throw parsed.error;
    remember(parsed.value, this.#seen);
  }
}

function remember(decision: Decision, { bodies, doubled }: Pick<Seen, "bodies" | "doubled">): void {
  const key = `${decision.id} ${decision.revision}`;
  const body = JSON.stringify(decision);
  const before = bodies.get(key);
  if (before === undefined) bodies.set(key, body);
  else if (before !== body) doubled.add(decision.id);
}

async function holdAgainstJournal(
  place: AgentPlace,
  acknowledged: ReadonlySet<string>,
  bodies: Map<string, string>,
  doubled: Set<string>,
): Promise<Pick<KillReport, "acknowledged" | "lost" | "doubled" | "chain">> {
  const journal = await openJournalReadOnly(place.dataDir);
  try {
    let lost = 0;
    for (const id of acknowledged) {
      const found = await journal.find(id);
      if (!found) lost += 1;
      else for (const revision of found.revisions) remember(revision, { bodies, doubled });
    }
    // What the device was told must be in the journal, too: a decision is sent after its commit.
    for (const key of bodies.keys()) {
      const [id = "", revision = ""] = key.split(" ");
      const found = await journal.find(id);
      if (!found?.revisions.some((decision) => String(decision.revision) === revision)) lost += 1;
    }
    const { intact, records, fault } = await journal.verify();
    const chain = { intact, records, fault: fault?.message ?? null };
    return { acknowledged: acknowledged.size, lost, doubled: doubled.size, chain };
  } finally {
    await journal.close();
  }
}
