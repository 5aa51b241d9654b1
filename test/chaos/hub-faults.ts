import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { encodeMessage, newId, parseDecision, type DecisionRequest } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { agentPlace, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { newReviewBook, reviewUntilStopped, type ReviewBook } from "../support/hub-reviewers.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { hubPlace, type HubCase } from "./hub-place.ts";
import { startHubProxy } from "./hub-proxy.ts";
import { holdAgainstJournal, newLedger, noteDecision, type LoadLedger } from "./load-ledger.ts";

/**
 * The theorem: between a device and the people at the hub there is an agent, a network and a hub, and each of them may
 * fail at any moment. What the device was told is durable reaches the hub, once; the answer that the hub told a reviewer
 * it has taken reaches the device, once; and no other answer does.
 */
export interface HubFaultOptions extends ChaosOptions {
  readonly store: "sqlite" | "postgres";
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
/** Long enough that the agent's link has begun to send, short enough to hit it while it does. */
const lifeMsMin = 300;
const lifeMsSpread = 2_200;
/** A database that goes away is no rare thing: once in so many rounds. */
const databaseEvery = 8;
/** After the last fault: back-offs, undo windows and deliveries on a busy machine. */
const settleMsMax = 180_000;

export async function hubFaults(options: HubFaultOptions): Promise<ChaosReport> {
  const { rounds, random, say, store } = options;
  const hub = await hubPlace(store);
  const place = await agentPlace({ config, devices: [device], model: false });
  const proxy = await startHubProxy({ hubPort: () => hub.port, random, faultShare: 0.35 });
  const [ledger, book, stop] = [newLedger(), newReviewBook(), new AbortController()];
  let agent: AgentProcess | null = null;
  const working: Promise<unknown>[] = [];
  const counts = { agentKills: 0, hubKills: 0, databaseRestarts: 0 };
  try {
    await hub.plainRules(task);
    const people = await hub.reviewers(reviewersCount);
    const token = await hub.enrolToken("store_1", "box-1");
    const start = async (): Promise<AgentProcess> => {
      const ports = agent ?? undefined;
      const args = ["--hub", proxy.url, "--enrol", token];
      return startAgentProcess(place, { args, ...(ports ? { ports } : {}) });
    };
    agent = await start();
    const client = startDevice(place, agent, ledger);
    for (const person of people) {
      const script = { person, labels, random, book, stop: stop.signal, thinkMs: 20 };
      working.push(reviewUntilStopped(script));
    }
    const asking = new AbortController();
    working.push(ask(client, ledger, asking.signal));
    for (let round = 1; round <= rounds; round += 1) {
      await sleep(lifeMsMin + random() * lifeMsSpread);
      await agent.kill();
      agent = await start();
      counts.agentKills += 1;
      await sleep(lifeMsMin + random() * lifeMsSpread);
      await hub.killAndRestart();
      counts.hubKills += 1;
      if (hub.postgres && round % databaseEvery === 0) {
        await hub.postgres.restart();
        counts.databaseRestarts += 1;
      }
      if (round % 10 === 0)
        say(`${round} rounds, ${ledger.acknowledged.size} acknowledged, ${book.taken.size} answered`);
    }
    asking.abort();
    proxy.calm();
    const settledInMs = await settle(ledger, book, agent);
    stop.abort();
    await Promise.all(working);
    client.end(true);
    const cases = await hub.cases();
    await agent.stop();
    agent = null;
    return await judge(place, ledger, book, cases, { ...counts, settledInMs, ...faultCounts(proxy.injected) });
  } finally {
    stop.abort();
    await agent?.kill();
    await proxy.close();
    await hub.close();
    await place.remove();
  }
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
  detail: Readonly<Record<string, number>>,
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
    ...(notAtHub > 0 ? [`${notAtHub} acknowledged escalations are not at the hub`] : []),
    ...(notOnce > 0 ? [`${notOnce} escalations are more than one case`] : []),
    ...(finalsDoubled > 0 ? [`${finalsDoubled} cases became final twice`] : []),
    ...(verdictsLost > 0 ? [`${verdictsLost} answers that the hub took did not reach the device`] : []),
    ...(otherVerdict > 0 ? [`${otherVerdict} cases ended with another answer than the reviewer's`] : []),
    ...(unanswered > 0 ? [`${unanswered} cases were given to nobody`] : []),
  ];
  return reportOf(counts, { answered: book.taken.size, leases: book.given.length, ...detail }, violations);
}
