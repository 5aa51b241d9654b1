import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import { parseDecision } from "../../protocol/index.ts";
import { agentPlace, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { newReviewBook, reviewUntilStopped, type ReviewBook } from "../support/hub-reviewers.ts";
import { statusOf } from "./agent-status.ts";
import { reportOf, type ChaosOptions, type ChaosReport } from "./chaos-report.ts";
import { hubPlace, type HubCase, type HubPlace } from "./hub-place.ts";
import { holdAgainstJournal, newLedger, noteDecision, type LoadLedger } from "./load-ledger.ts";
import { offlineHours, type OfflineCase } from "./offline-hours.ts";

/**
 * The theorem: a store that was offline for days owes its hub everything that happened in them. All of it arrives, in the
 * order in which it happened, with its pictures, though agents and hub die while it does; and what still waits for people
 * is then answered, and the devices hear it. The days are simulated, the bytes are real.
 */
export interface HubBacklogOptions extends ChaosOptions {
  readonly store: "sqlite" | "postgres";
  readonly agents: number;
  /** Escalations of each agent in an hour. */
  readonly perHour: number;
  /** SIGKILLs of an agent, and of the hub, while the backlog drains. */
  readonly kills: number;
}

const task = "people_only";
const labels = ["apple", "pear", "plum"];
const devices = ["camera-1", "till-1"];
const pictureBytes = 12 * 1024;
const drainMsMax = 3_600_000;
const answerMsMax = 300_000;

interface Store {
  readonly name: string;
  readonly place: AgentPlace;
  readonly cases: readonly OfflineCase[];
  readonly ledger: LoadLedger;
  readonly clients: mqtt.MqttClient[];
  agent: AgentProcess;
}

export async function hubBacklog(options: HubBacklogOptions): Promise<ChaosReport> {
  const { rounds: hours, agents, random, say } = options;
  const hub = await hubPlace(options.store);
  const stores: Store[] = [];
  const [book, stop] = [newReviewBook(), new AbortController()];
  try {
    await hub.plainRules(task);
    const people = await hub.reviewers(3);
    const startMs = { filled: performance.now(), drained: 0 };
    for (let index = 1; index <= agents; index += 1) stores.push(await offlineStore(hub, `store_${index}`, options));
    const total = stores.reduce((sum, { cases }) => sum + cases.length, 0);
    say(`${total} cases of ${hours} h in ${seconds(startMs.filled)} s, the agents are there`);
    startMs.drained = performance.now();
    const killing = killMeanwhile(hub, stores, options);
    await drained(stores, say);
    await killing;
    const drainedInS = seconds(startMs.drained);
    const cases = await hub.cases();
    const inOrder = stores.map((store) => outOfOrder(store, cases)).reduce((sum, count) => sum + count, 0);
    const working = people.map((person) => reviewUntilStopped({ person, labels, random, book, stop: stop.signal }));
    await answered(stores, book);
    stop.abort();
    await Promise.all(working);
    for (const { agent, clients } of stores) {
      for (const client of clients) client.end(true);
      await agent.stop();
    }
    const reports = await Promise.all(stores.map((store) => judge(store, cases, book)));
    const sum = (of: (one: Judged) => number): number => reports.reduce((count, one) => count + of(one), 0);
    const broken = reports.find(({ counts }) => !counts.chain.intact);
    const violations = [
      ...reports.flatMap((one) => one.violations),
      ...(inOrder > 0 ? [`${inOrder} cases came before one that was held before them`] : []),
    ];
    return reportOf(
      {
        ...{ acknowledged: sum(({ counts }) => counts.acknowledged), lost: sum(({ counts }) => counts.lost) },
        doubled: sum(({ counts }) => counts.doubled),
        chain: broken?.counts.chain ?? {
          intact: true,
          records: sum(({ counts }) => counts.chain.records),
          fault: null,
        },
      },
      {
        ...{ cases: total, answered: book.taken.size, drainedInS, perSecond: Math.round(total / drainedInS) },
        ...{ megabytes: Math.round((total * pictureBytes) / 1e6), agentKills: options.kills, hubKills: options.kills },
      },
      violations,
    );
  } finally {
    stop.abort();
    for (const { agent, place, clients } of stores) {
      for (const client of clients) client.end(true);
      await agent.kill();
      await place.remove();
    }
    await hub.close();
  }
}

async function offlineStore(hub: HubPlace, name: string, options: HubBacklogOptions): Promise<Store> {
  const { rounds: hours, perHour, random } = options;
  const config = `store_id: ${name}
tasks:
  ${task}: { question: Which one?, labels: [${labels.join(", ")}], safe_action: { label: ask-shopper } }
retention: { input_keep: ${hours + 24}h }
`;
  const place = await agentPlace({ config, devices, model: false });
  const offline = { dataDir: place.dataDir, task, devices, hours, perHour, pictureBytes, random };
  const cases = await offlineHours(offline);
  const args = ["--hub", hub.url, "--enrol", await hub.enrolToken(name, "box-1")];
  const agent = await startAgentProcess(place, { args });
  const ledger = newLedger();
  for (const { id } of cases) ledger.acknowledged.add(id);
  const clients = devices.map((device) => listen(place, agent, name, device, ledger));
  return { name, place, cases, ledger, clients, agent };
}

function listen(
  place: AgentPlace,
  { mqttPort }: AgentProcess,
  store: string,
  device: string,
  ledger: LoadLedger,
): mqtt.MqttClient {
  const client = mqtt.connect(`mqtt://127.0.0.1:${mqttPort}`, {
    ...{ username: device, password: place.devices[device] ?? "", clientId: `${device}-device` },
    ...{ reconnectPeriod: 200, clean: false },
  });
  client.on("error", () => undefined);
  client.on("connect", () => client.subscribe(`holdpoint/v1/${store}/${device}/decision`, { qos: 1 }));
  client.on("message", (_, payload) => {
    const parsed = parseDecision(payload);
    if (!parsed.ok) throw parsed.error;
    noteDecision(ledger, parsed.value);
  });
  return client;
}

/** An agent and the hub by turns, each at a moment of the first seconds of what is left. */
async function killMeanwhile(hub: HubPlace, stores: readonly Store[], options: HubBacklogOptions): Promise<void> {
  const { kills, random } = options;
  for (let kill = 0; kill < kills; kill += 1) {
    await sleep(500 + random() * 2_500);
    const store = stores[Math.floor(random() * stores.length)];
    if (store) {
      await store.agent.kill();
      store.agent = await startAgentProcess(store.place, { ports: store.agent, args: ["--hub", hub.url] });
    }
    await sleep(500 + random() * 2_500);
    await hub.killAndRestart();
  }
}

async function drained(stores: readonly Store[], say: (line: string) => void): Promise<void> {
  const startMs = performance.now();
  for (let look = 1; ; look += 1) {
    const states = await Promise.all(stores.map(({ agent }) => statusOf(agent).catch(() => null)));
    if (states.every((state) => state?.hub?.state === "connected" && state.unsent === 0)) return;
    if (performance.now() - startMs > drainMsMax) throw new Error("the backlog did not drain");
    if (look % 60 === 0) say(`${seconds(startMs)} s, unsent ${states.map((state) => state?.unsent ?? "?").join(" ")}`);
    await sleep(500);
  }
}

/** Everything that still waited has an answer, the devices have it, and the hub knows that they do. */
async function answered(stores: readonly Store[], book: ReviewBook): Promise<void> {
  const startMs = performance.now();
  const waiting = stores.flatMap(({ cases, ledger }) =>
    cases.filter(({ isSettled }) => !isSettled).map(({ id }) => ({ id, ledger })),
  );
  const isDone = async (): Promise<boolean> => {
    if (!waiting.every(({ id, ledger }) => book.taken.has(id) && ledger.bodies.has(`${id} 2`))) return false;
    const states = await Promise.all(stores.map(({ agent }) => statusOf(agent)));
    return states.every(({ safeToPowerOff }) => safeToPowerOff);
  };
  while (!(await isDone())) {
    if (performance.now() - startMs > answerMsMax) return;
    await sleep(200);
  }
}

/** Cases of a store that came to the hub before one that was held earlier; those of one call come at one time. */
function outOfOrder({ name, cases }: Store, atHub: readonly HubCase[]): number {
  const received = new Map(atHub.filter(({ store }) => store === name).map((one) => [one.decisionId, one.receivedMs]));
  let [newestMs, count] = [0, 0];
  for (const { id } of cases) {
    const atMs = received.get(id);
    if (atMs === undefined) continue;
    if (atMs < newestMs) count += 1;
    newestMs = Math.max(newestMs, atMs);
  }
  return count;
}

interface Judged {
  readonly counts: Awaited<ReturnType<typeof holdAgainstJournal>>;
  readonly violations: readonly string[];
}

async function judge(
  { name, place, cases, ledger }: Store,
  atHub: readonly HubCase[],
  book: ReviewBook,
): Promise<Judged> {
  const heard = new Set(ledger.bodies.keys());
  const counts = await holdAgainstJournal(place.dataDir, ledger);
  const journal = await openJournalReadOnly(place.dataDir);
  const found = new Map<string, HubCase[]>();
  for (const one of atHub)
    if (one.store === name) found.set(one.decisionId, [...(found.get(one.decisionId) ?? []), one]);
  let [missing, twice, bare, open, unanswered, notTold, otherwise] = [0, 0, 0, 0, 0, 0, 0];
  try {
    for (const { id, isSettled } of cases) {
      const [one, ...more] = found.get(id) ?? [];
      if (!one) missing += 1;
      if (more.length > 0) twice += 1;
      if (one && one.picture !== "kept") bare += 1;
      if (one && isSettled && (one.state !== "final" || one.finalBy !== "fallback")) open += 1;
      if (isSettled) continue;
      const final = (await journal.find(id))?.revisions.at(-1);
      const given = book.taken.get(id);
      if (!given) unanswered += 1;
      else if (final?.answer?.label !== given.label) otherwise += 1;
      else if (!heard.has(`${id} 2`)) notTold += 1;
    }
  } finally {
    await journal.close();
  }
  const lines: readonly [number, string][] = [
    [missing, "cases are not at the hub"],
    [twice, "cases are more than one at the hub"],
    [bare, "cases came without their picture"],
    [open, "cases that had taken their fallback are open at the hub"],
    [unanswered, "cases were given to nobody"],
    [otherwise, "cases ended with another answer than the reviewer's"],
    [notTold, "answers did not reach the device"],
  ];
  return {
    counts,
    violations: lines.filter(([count]) => count > 0).map(([count, text]) => `${name}: ${count} ${text}`),
  };
}

function seconds(sinceMs: number): number {
  return Math.max(1, Math.round((performance.now() - sinceMs) / 1000));
}
