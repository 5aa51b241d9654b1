import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openJournalReadOnly } from "../../edge-agent/journal/journal-read-only.node.ts";
import {
  encodeMessage,
  newId,
  parseDecision,
  type AgentStatus,
  type Decision,
  type DecisionRequest,
  type HeldCases,
} from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { connect, type Client } from "../../sdk/index.ts";
import { agentPlace, startAgentProcess, type AgentPlace, type AgentProcess } from "../support/agent-process.ts";
import { hasMosquitto, startMosquitto, type Mosquitto } from "../support/mosquitto.ts";

const devices = Array.from({ length: 20 }, (_, index) => `camera-${index + 1}`);
const input = { kind: "features", values: { weight_in_gms: 1233 } } as const;

/** `quick` is decided at once, `asked` by a person; both without a model. */
const config = (broker: Mosquitto): string => `store_id: store_1
broker: { url: "${broker.url}", password_file: PASSWORD_FILE }
tasks:
  quick: { fallback: [safe_action], safe_action: { label: ask-shopper } }
  asked: { labels: [cat, dog], safe_action: { label: ask-shopper } }
`;

describe.skipIf(!hasMosquitto)("behind Debian's Mosquitto with the ACL file that ships", () => {
  let broker: Mosquitto;
  const places: AgentPlace[] = [];
  const agents: AgentProcess[] = [];
  const clients: Client[] = [];
  const raw: MqttClient[] = [];
  beforeAll(async () => {
    broker = await startMosquitto(["box-1", "box-2", "till-1", ...devices]);
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    for (const client of raw.splice(0)) await client.endAsync(true);
    for (const agent of agents.splice(0)) await agent.kill();
    for (const place of places.splice(0)) await place.remove();
  });
  afterAll(() => broker.stop());

  const placeOf = async (name: string): Promise<AgentPlace> => {
    const text = config(broker).replace("PASSWORD_FILE", JSON.stringify(broker.passwordFile(name)));
    const place = await agentPlace({ config: text, devices: [], model: false });
    places.push(place);
    return place;
  };
  const start = async (place: AgentPlace, name: string): Promise<AgentProcess> => {
    const agent = await startAgentProcess(place, { args: ["--name", name] });
    agents.push(agent);
    return agent;
  };
  const clientOf = (device: string): Client => {
    const client = connect({
      url: `${broker.url}/store_1`,
      device,
      secret: broker.password(device),
      persistentSession: true,
      onTimeout: "wait",
      // What a device waits for minutes for, this test waits for seconds for.
      policy: {
        link: { reconnect: { baseMs: 100, capMs: 500 }, stableMs: 1_000 },
        request: {
          retry: { baseMs: 100, capMs: 500 },
          acknowledge: { baseMs: 2_000, capMs: 4_000 },
          askFirst: { baseMs: 2_000, capMs: 4_000 },
          askFinal: { baseMs: 4_000, capMs: 8_000 },
        },
      },
    });
    clients.push(client);
    return client;
  };
  /** A peer without our client library; `clean` false keeps its session. */
  const peer = async (user: string, filters: readonly string[], clean = true): Promise<Heard> => {
    const client = mqtt.connect(broker.url, {
      clientId: `${user}-watching`,
      username: user,
      password: broker.password(user),
      clean,
      reconnectPeriod: 200,
    });
    raw.push(client);
    const messages: { topic: string; payload: Uint8Array }[] = [];
    client.on("message", (topic, payload) => messages.push({ topic, payload: new Uint8Array(payload) }));
    await client.subscribeAsync([...filters], { qos: 1 });
    return { client, messages };
  };

  it("makes a request durable, says so, decides, and corrects the decision when a person has answered", async () => {
    const place = await placeOf("box-1");
    const agent = await start(place, "box-1");
    expect(agent.mqttPort).toBeNull();
    const own = "holdpoint/v1/store_1/till-1";
    const till = await peer("till-1", [`${own}/+`, "holdpoint/v1/store_1/agents/+/status"], false);
    await until(() => statusOf(till, "box-1")?.state === "ready");

    const asked = requestOf("asked");
    till.client.publish(`${own}/request`, Buffer.from(encodeMessage(asked, "json")), { qos: 1 });
    await until(() => decisionsOf(till, asked.id).length === 1);
    expect(receivedIds(till)).toContain(asked.id);
    expect(decisionsOf(till, asked.id)[0]).toMatchObject({ revision: 1, status: "pending", verdict: "escalate" });

    // The device is away while the person answers: the broker keeps the correction.
    await till.client.endAsync();
    await answer(agent, asked.id, "dog");
    const back = await peer("till-1", [`${own}/+`], false);
    await until(() => decisionsOf(back, asked.id).length === 1);
    expect(decisionsOf(back, asked.id)[0]).toMatchObject({
      revision: 2,
      status: "final",
      decidedBy: "reviewer",
      answer: { label: "dog" },
    });

    // A refusal is said on the error topic, and a device cannot speak for another one.
    const bad = { ...requestOf("quick"), task: "unheard_of" };
    back.client.publish(`${own}/request`, Buffer.from(encodeMessage(bad, "json")), { qos: 1 });
    await until(() => back.messages.some(({ topic }) => topic === `${own}/error`));
    const refusal = back.messages.find(({ topic }) => topic === `${own}/error`);
    expect(json(refusal?.payload)).toMatchObject({ id: bad.id, code: "HP_UNKNOWN_TASK" });
    const forged = requestOf("quick");
    const foreign = "holdpoint/v1/store_1/camera-1/request";
    await back.client.publishAsync(foreign, Buffer.from(encodeMessage(forged, "json")), { qos: 1 });
    const next = requestOf("quick");
    back.client.publish(`${own}/request`, Buffer.from(encodeMessage(next, "json")), { qos: 1 });
    await until(() => decisionsOf(back, next.id).length === 1);
    expect(await idsIn(place, [forged.id, next.id])).toEqual([next.id]);

    // The clearing goes with the journal's next commit, within about a second.
    const rows = () => undelivered(place, "till-1");
    await expect.poll(rows, { timeout: 5_000, message: "the broker's PUBACK has cleared every delivery row" }).toBe(0);
    expect(await agent.stop()).toBe(0);
  }, 30_000);

  it("loses nothing that it said it has received when the agent is killed, nor when the broker restarts", async () => {
    const place = await placeOf("box-1");
    let agent = await start(place, "box-1");
    const own = "holdpoint/v1/store_1/till-1";
    const till = await peer("till-1", [`${own}/+`, "holdpoint/v1/store_1/agents/+/status"]);
    const sent: string[] = [];
    const ended = new AbortController();
    const load = (async () => {
      while (!ended.signal.aborted) {
        const request = requestOf("quick");
        sent.push(request.id);
        till.client.publish(`${own}/request`, Buffer.from(encodeMessage(request, "json")), { qos: 1 });
        await sleep(3);
      }
    })();
    for (const lifeMs of [300, 500, 700]) {
      const before = receivedIds(till).length;
      await until(() => receivedIds(till).length > before + 20);
      await sleep(lifeMs);
      await agent.kill();
      if (lifeMs === 300) await until(() => statusOf(till, "box-1")?.state === "offline");
      if (lifeMs === 500) await broker.restart(300);
      agent = await start(place, "box-1");
    }
    ended.abort();
    await load;
    // What the broker took and the agent had not acknowledged comes again: everything is answered in the end.
    await until(() => new Set(receivedIds(till)).size === sent.length, 15_000);
    await until(() => new Set(allDecisions(till).map(({ id }) => id)).size === sent.length, 15_000);
    expect(bodiesOf(till).doubled).toEqual([]);
    await agent.kill();
    expect(await idsIn(place, sent)).toHaveLength(sent.length);
  }, 45_000);

  it("shares twenty devices between two agents, and one takes over when the other is killed", async () => {
    const first = await placeOf("box-1");
    const second = await placeOf("box-2");
    const one = await start(first, "box-1");
    await start(second, "box-2");
    // A look at everything, with an agent's rights.
    const all = await peer("box-2", ["holdpoint/v1/store_1/+/decision", "holdpoint/v1/store_1/agents/leases/+"]);
    const asking = devices.map((device) => clientOf(device));
    const round = async (): Promise<readonly Decision[]> =>
      Promise.all(asking.map((client) => client.decide("quick", input)));
    const decided: Decision[] = [];
    // Whoever came first has most of them, and gives some to the other while it works.
    const least = (): number => Math.min(...["box-1", "box-2"].map((name) => holders(all).get(name)?.size ?? 0));
    const sharedByMs = performance.now() + 10_000;
    while (least() < 8 && performance.now() < sharedByMs) {
      decided.push(...(await round()));
      await sleep(50);
    }
    expect(least()).toBeGreaterThanOrEqual(8);

    // The owner of some of them dies in the middle of a round.
    const cut = round();
    await sleep(5);
    await one.kill();
    const killedAtMs = performance.now();
    decided.push(...(await cut), ...(await round()));
    expect(performance.now() - killedAtMs).toBeLessThan(15_000);
    await until(() => (holders(all).get("box-2")?.size ?? 0) === devices.length);

    // The broker goes and comes back while devices ask; the first agent comes back as well.
    const across = round();
    await broker.restart(200);
    const again = await start(first, "box-1");
    decided.push(...(await across), ...(await round()));
    expect(decided.length % devices.length).toBe(0);
    expect(decided.every(({ status }) => status === "final")).toBe(true);
    await sleep(500);
    const { doubled, bodies } = bodiesOf(all);
    expect(doubled, "one body for each id and revision, whoever decided").toEqual([]);
    for (const { id } of decided) expect(bodies.has(`${id}/1`)).toBe(true);
    expect(await again.stop()).toBe(0);
  }, 45_000);
});

interface Heard {
  readonly client: MqttClient;
  readonly messages: readonly { readonly topic: string; readonly payload: Uint8Array }[];
}

function requestOf(task: string): DecisionRequest {
  return { v: 1, id: newId(systemClock, systemRandom), task, at: systemClock.wallMs(), input: { ...input } };
}

function json(payload: Uint8Array | undefined): unknown {
  return payload === undefined ? null : JSON.parse(new TextDecoder().decode(payload));
}

function receivedIds({ messages }: Heard): readonly string[] {
  return messages
    .filter(({ topic }) => topic.endsWith("/received"))
    .flatMap(({ payload }) => (json(payload) as { ids: string[] }).ids);
}

function allDecisions({ messages }: Heard): readonly Decision[] {
  return messages
    .filter(({ topic }) => topic.endsWith("/decision"))
    .flatMap(({ payload }) => {
      const parsed = parseDecision(payload);
      return parsed.ok ? [parsed.value] : [];
    });
}

function decisionsOf(heard: Heard, id: string): readonly Decision[] {
  return allDecisions(heard).filter((decision) => decision.id === id);
}

/** Bodies by id and revision, and those ids and revisions that have two. */
function bodiesOf(heard: Heard): { readonly bodies: ReadonlyMap<string, string>; readonly doubled: readonly string[] } {
  const bodies = new Map<string, string>();
  const doubled: string[] = [];
  for (const decision of allDecisions(heard)) {
    const name = `${decision.id}/${decision.revision}`;
    const body = JSON.stringify(decision);
    if ((bodies.get(name) ?? body) !== body) doubled.push(name);
    bodies.set(name, body);
  }
  return { bodies, doubled };
}

function statusOf({ messages }: Heard, agent: string): AgentStatus | null {
  const last = messages.findLast(({ topic }) => topic.endsWith(`/agents/${agent}/status`));
  return last ? (json(last.payload) as AgentStatus) : null;
}

/** The devices of each agent, by the last renewal of each lease. */
function holders({ messages }: Heard): ReadonlyMap<string, ReadonlySet<string>> {
  const byKey = new Map<string, string>();
  for (const { topic, payload } of messages) {
    if (!topic.includes("/agents/leases/device.camera-")) continue;
    const { kind, agent } = json(payload) as { kind: string; agent: string };
    if (kind === "renew") byKey.set(topic, agent);
  }
  const found = new Map<string, Set<string>>();
  for (const [key, agent] of byKey) found.set(agent, (found.get(agent) ?? new Set()).add(key));
  return found;
}

/** A person answers the case on the review page's own interface. */
async function answer(agent: AgentProcess, id: string, label: string): Promise<void> {
  const { origin } = new URL(agent.review ?? "");
  let cookie = "";
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(`${origin}/v1/review${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", origin, cookie },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    cookie = response.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return response.json();
  };
  await post("/pair", { pin: agent.pin, name: "Maja" });
  const { cases } = (await post("/next", {})) as HeldCases;
  const shown = cases.find((found) => found.id === id);
  if (!shown) throw new Error(`the case ${id} is not shown`);
  await post(`/cases/${id}/submit`, {
    answer: { kind: "label", label },
    generation: shown.lease?.generation,
    reviewId: newId(systemClock, systemRandom),
    tookMs: 1_000,
  });
}

async function idsIn(place: AgentPlace, ids: readonly string[]): Promise<readonly string[]> {
  const journal = await openJournalReadOnly(place.dataDir);
  try {
    const found: string[] = [];
    for (const id of ids) if (await journal.find(id)) found.push(id);
    return found;
  } finally {
    await journal.close();
  }
}

async function undelivered(place: AgentPlace, device: string): Promise<number> {
  const journal = await openJournalReadOnly(place.dataDir);
  try {
    return (await journal.undelivered(device, 100)).length;
  } finally {
    await journal.close();
  }
}

async function until(holds: () => boolean, waitMs = 12_000): Promise<void> {
  const endMs = performance.now() + waitMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not within ${waitMs} ms: ${holds.toString()}`);
    await sleep(20);
  }
}
