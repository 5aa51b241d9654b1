import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import { encodeMessage, newId, parseDecision, type DecisionRequest, type HeldCases } from "../../protocol/index.ts";
import { systemClock, systemRandom } from "../../protocol/platform/clock.node.ts";
import { agentPlace, type AgentPlace } from "../support/agent-process.ts";
import { callHub } from "../support/hub-agent.ts";
import { enterPerson, type TestPerson } from "../support/hub-people.ts";
import { startBenchAgent } from "./bench-place.ts";
import { quantile, row, type BenchRow } from "./bench-row.ts";
import { startBenchHub, type StoreKind } from "./hub-place.ts";

const cases = 200;
const device = "camera-1";
const task = "people_only";
/** A reviewer's answer can be taken back for so long, and leaves then (docs/hub-review.md). */
const undoMs = 10_000;
const targetMs = 1_000;
/** Between two answers, so that each finds hub and agent at rest, as a person's do. */
const thinkMs = 50;
const config = `store_id: store_1
tasks:
  ${task}: { question: Which one?, labels: [apple, pear], review_within: 24h, safe_action: { label: ask-shopper } }
`;

/**
 * A reviewer answers at the hub, and the device hears it: from the hub's word that the answer is taken to the decision
 * on the device's MQTT connection, less the ten seconds in which it may be taken back. Between them are the hub, the
 * agent's feed, its journal's commit and its broker.
 */
export async function hubAnswerRows(): Promise<readonly BenchRow[]> {
  return [await answerRow("sqlite"), await answerRow("postgres")];
}

async function answerRow(kind: StoreKind): Promise<BenchRow> {
  const hub = await startBenchHub(kind);
  const place = await agentPlace({ config, devices: [device], model: false });
  try {
    const rules = { reviewersNeeded: 1, adjudication: true, goldShare: 0, secondOpinionShare: 0, skill: null };
    await callHub(hub.url, hub.token, "PUT", `/v1/reviews/rules/${task}`, rules);
    const made = await callHub(hub.url, hub.token, "POST", "/v1/fleet/tokens", { store: "store_1", agent: "box-1" });
    const agent = await startBenchAgent(place, { hub: { url: hub.url, token: String(made.json["token"]) } });
    try {
      const person = await enterPerson(hub.url, hub.token, "reviewer");
      const { heardMs, ask, end } = await startDevice(place, agent.mqttPort);
      for (let index = 0; index < cases; index += 1) ask();
      const answeredMs = await answerAll(person);
      while ([...answeredMs.keys()].some((id) => !heardMs.has(id))) await sleep(20);
      end();
      const waits = [...answeredMs].map(([id, atMs]) => (heardMs.get(id) ?? Number.NaN) - atMs - undoMs);
      const p95 = quantile(waits, 0.95);
      return row(
        `answer at the hub to decision at the device, p95 beyond the 10 s of undo, ${kind}, against 1 s`,
        p95 / targetMs,
        "≤ 1",
        `${p95.toFixed(0)} ms; p50 ${quantile(waits, 0.5).toFixed(0)} ms, the slowest ${Math.max(...waits).toFixed(0)} ms, of ${cases} answers`,
      );
    } finally {
      await agent.stop();
    }
  } finally {
    await place.remove();
    await hub.close();
  }
}

/** Times are of this process: it is the device and the reviewer both. */
async function startDevice(
  place: AgentPlace,
  mqttPort: number,
): Promise<{ readonly heardMs: ReadonlyMap<string, number>; readonly ask: () => void; readonly end: () => void }> {
  const heardMs = new Map<string, number>();
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
    ...{ username: device, password: place.devices[device] ?? "", clientId: `${device}-device` },
  });
  client.on("message", (_, payload) => {
    const parsed = parseDecision(payload);
    if (!parsed.ok) throw parsed.error;
    if (parsed.value.status === "final") heardMs.set(parsed.value.id, performance.now());
  });
  await client.subscribeAsync(`holdpoint/v1/store_1/${device}/decision`, { qos: 1 });
  const ask = (): void => {
    const id = newId(systemClock, systemRandom);
    const input = { kind: "entity", entity: "7" } as const;
    const request: DecisionRequest = { v: 1, id, at: systemClock.wallMs(), task, input, context: { ref: id } };
    client.publish(`holdpoint/v1/store_1/${device}/request`, Buffer.from(encodeMessage(request, "msgpack")), {
      qos: 1,
    });
  };
  return { heardMs, ask, end: () => client.end(true) };
}

/** Answers every case as it comes, by the keyboard's speed. Returns when the hub had taken each, by the decision's id. */
async function answerAll({ browser }: TestPerson): Promise<ReadonlyMap<string, number>> {
  const answeredMs = new Map<string, number>();
  while (answeredMs.size < cases) {
    const next = await browser.call("POST", "/v1/review/next", {});
    if (next.status !== 200) throw new Error(`the hub answered ${next.status}: ${JSON.stringify(next.json)}`);
    const held = next.json as unknown as HeldCases;
    for (const { id, lease, context } of held.cases) {
      const answer = { kind: "label", label: "apple" };
      const body = { answer, generation: lease?.generation ?? 0, reviewId: randomUUID(), tookMs: 700 };
      const done = await browser.call("POST", `/v1/review/cases/${id}/submit`, body);
      if (done.status !== 200) throw new Error(`the hub answered ${done.status}: ${JSON.stringify(done.json)}`);
      answeredMs.set(String(context["ref"]), performance.now());
      await sleep(thinkMs);
    }
    if (held.cases.length === 0) await sleep(100);
  }
  return answeredMs;
}
