import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { encodeMessage, newId, parseDecision, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { agentPlace, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { newReviewBook, reviewUntilStopped, type ReviewBook } from "../support/hub-reviewers.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { hubPlace, type HubCase, type HubPlace } from "./hub-place.ts";
import { startHubProxy, type HubProxy } from "./hub-proxy.ts";
import { holdAgainstJournal, newLedger, noteDecision, type LoadLedger } from "./load-ledger.ts";

/**
 * The theorem: between a device and the people at the hub there is an agent, a network and a hub, and each of them may
 * fail at any moment. What the device was told is durable reaches the hub, once; the answer that the hub told a reviewer
 * it has taken reaches the device, once; and no other answer does.
 */
export interface CircleOptions extends ChaosOptions {
  readonly store: "sqlite" | "postgres";
  /** Share of the exchanges between agent and hub that the network spoils, in [0, 1). */
  readonly faultShare: number;
  /** What happens to them while a device asks and people answer. Resolves with figures for the report. */
  readonly disturb: (circle: Circle) => Promise<Disturbed>;
}

/** A running circle: a device asks every 120 ms, three people answer. */
export interface Circle {
  readonly hub: HubPlace;
  readonly ledger: LoadLedger;
  readonly book: ReviewBook;
  /** The agent's own address; it changes with its lives. */
  readonly agentUrl: () => string;
  /** SIGKILL of the agent, and its next life on the same data. */
  readonly killAgent: () => Promise<void>;
}

export interface Disturbed {
  readonly detail: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

const task = "people_only";
const labels = ["apple", "pear", "plum"];
const device = "camera-1";
const config = `store_id: store_1
tasks:
  ${task}: { question: Which one?, labels: [${labels.join(", ")}], review_within: 24h, safe_action: { label: ask-shopper } }
`;
const reviewersCount = 3;
/** Between two requests of the device. */
const requestEveryMs = 120;
/** After the last fault: back-offs, undo windows and deliveries on a busy machine. */
const settleMsMax = 180_000;

export async function hubCircle(options: CircleOptions): Promise<ChaosReport> {
  const { random, store, faultShare, disturb } = options;
  const hub = await hubPlace(store);
  const place = await agentPlace({ config, devices: [device], model: false });
  const proxy = await startHubProxy({ hubPort: () => hub.port, random, faultShare });
  const [ledger, book, stop] = [newLedger(), newReviewBook(), new AbortController()];
  let agent: AgentProcess | null = null;
  const working: Promise<unknown>[] = [];
  try {
    await hub.plainRules(task);
    const people = await hub.reviewers(reviewersCount);
    const start = agentLives(place, proxy, await hub.enrolToken("store_1", "box-1"));
    let life = await start();
    agent = life;
    const client = startDevice(place, life, ledger);
    for (const person of people) {
      const script = { person, labels, random, book, stop: stop.signal, thinkMs: 20 };
      working.push(reviewUntilStopped(script));
    }
    const asking = new AbortController();
    working.push(ask(client, ledger, asking.signal));
    const killAgent = async (): Promise<void> => {
      await life.kill();
      agent = life = await start(life);
    };
    const disturbed = await disturb({ hub, ledger, book, agentUrl: () => life.http, killAgent });
    asking.abort();
    proxy.calm();
    const settledInMs = await settle(ledger, book, life);
    stop.abort();
    await Promise.all(working);
    client.end(true);
    const cases = await hub.cases();
    await life.stop();
    agent = null;
    const detail = { ...disturbed.detail, settledInMs, ...faultCounts(proxy.injected) };
    return await judge(place, ledger, book, cases, { detail, violations: disturbed.violations });
  } finally {
    stop.abort();
    await agent?.kill();
    await proxy.close();
    await hub.close();
    await place.remove();
  }
}

/** Starts the agent, each life on the ports of the one before. */
function agentLives(
  place: AgentPlace,
  proxy: HubProxy,
  token: string,
): (before?: AgentProcess) => Promise<AgentProcess> {
  const args = ["--hub", proxy.url, "--enrol", token];
  return (ports) => startAgentProcess(place, { args, ...(ports ? { ports } : {}) });
}

function faultCounts(injected: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(injected).map(([fault, count]) => [`net_${fault}`, count]));
}

/**
 * One device over MQTT, through every life of the agent: it hears its decisions, and asks now and then. What was not
 * acknowledged when the agent died, its client sends again.
 */
function startDevice(place: AgentPlace, { mqttPort }: AgentProcess, ledger: LoadLedger): mqtt.MqttClient {
  const client = mqtt.connect(`mqtt://127.0.0.1:${mqttPort}`, {
    ...{ username: device, password: place.devices[device] ?? "", clientId: `${device}-device` },
    ...{ reconnectPeriod: 200, clean: false },
  });
  client.on("error", () => undefined);
  client.on("connect", () => client.subscribe(`holdpoint/v1/store_1/${device}/decision`, { qos: 1 }));
  client.on("message", (_, payload) => {
    const parsed = parseDecision(payload);
    if (!parsed.ok) throw parsed.error;
    noteDecision(ledger, parsed.value);
  });
  return client;
}

async function ask(client: mqtt.MqttClient, ledger: LoadLedger, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await sleep(requestEveryMs);
    if (!client.connected) continue;
    const id = newId(systemClock, systemRandom);
    const input = { kind: "entity", entity: "7" } as const;
    const request: DecisionRequest = { v: 1, id, at: systemClock.wallMs(), task, input, context: { ref: id } };
    const payload = Buffer.from(encodeMessage(request, "msgpack"));
    client.publish(`holdpoint/v1/store_1/${device}/request`, payload, { qos: 1 }, (error) => {
      if (!error) ledger.acknowledged.add(id);
    });
  }
}

/** Resolves when the device has a final answer to everything and the agent owes the hub nothing, or when time is up. */
async function settle(ledger: LoadLedger, book: ReviewBook, agent: AgentProcess): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    const tookMs = Math.round(performance.now() - startMs);
    const isAnswered = [...ledger.acknowledged].every((id) => book.taken.has(id) && ledger.bodies.has(`${id} 2`));
    if (isAnswered && (await owesNothing(agent))) return tookMs;
    if (tookMs > settleMsMax) return tookMs;
    await sleep(200);
  }
}

async function owesNothing(agent: AgentProcess): Promise<boolean> {
  const answer = await fetch(`${agent.http}/v1/status`).catch(() => null);
  const status = (await answer?.json().catch(() => null)) as { safeToPowerOff?: boolean } | null;
  return status?.safeToPowerOff === true;
}

async function judge(
  place: AgentPlace,
  ledger: LoadLedger,
  book: ReviewBook,
  cases: readonly HubCase[],
  { detail, violations: found }: Disturbed,
): Promise<ChaosReport> {
  // What the device itself was told; the journal is added to the ledger below.
  const heard = new Set(ledger.bodies.keys());
  const counts = await holdAgainstJournal(place.dataDir, ledger);
  const journal = await openJournalReadOnly(place.dataDir);
  const atHub = new Map<string, number>();
  for (const { decisionId } of cases) atHub.set(decisionId, (atHub.get(decisionId) ?? 0) + 1);
  let [notAtHub, notOnce, verdictsLost, otherVerdict, unanswered, finalsDoubled] = [0, 0, 0, 0, 0, 0];
  try {
    for (const id of ledger.acknowledged) {
      if (!atHub.has(id)) notAtHub += 1;
      else if (atHub.get(id) !== 1) notOnce += 1;
      const finals = ((await journal.find(id))?.revisions ?? []).filter(({ status }) => status === "final");
      if (finals.length > 1) finalsDoubled += 1;
      const given = book.taken.get(id);
      if (!given) unanswered += 1;
      else if (finals[0]?.decidedBy !== "reviewer" || !heard.has(`${id} 2`)) verdictsLost += 1;
      else if (finals[0].answer?.label !== given.label) otherVerdict += 1;
    }
  } finally {
    await journal.close();
  }
  const violations = [
    ...found,
    ...(notAtHub > 0 ? [`${notAtHub} acknowledged escalations are not at the hub`] : []),
    ...(notOnce > 0 ? [`${notOnce} escalations are more than one case`] : []),
    ...(finalsDoubled > 0 ? [`${finalsDoubled} cases became final twice`] : []),
    ...(verdictsLost > 0 ? [`${verdictsLost} answers that the hub took did not reach the device`] : []),
    ...(otherVerdict > 0 ? [`${otherVerdict} cases ended with another answer than the reviewer's`] : []),
    ...(unanswered > 0 ? [`${unanswered} cases were given to nobody`] : []),
  ];
  return reportOf(counts, { answered: book.taken.size, leases: book.given.length, ...detail }, violations);
}
