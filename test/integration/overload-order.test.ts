import { type MqttClient } from "mqtt";
import { expect, it } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { createAgentService } from "../../edge-agent/agent-service.ts";
import { type CaseOrigin, type Journal } from "../../edge-agent/journal/journal.ts";
import { silentLogger, type Decision } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createPipeline, Engine, wantedModels, type CaseStore } from "../../sdk/index.ts";
import { memoryStore } from "../../sdk/memory-store.ts";
import { stubModels } from "../../testing/stub-models.ts";
import { jsonOf, openDoor, requestOf, topic, until, type Door } from "../support/door-mqtt.ts";
import { DoorMetrics } from "../support/door-service.ts";

const shared = { clock: systemClock, timers: systemTimers, logger: silentLogger, hasher: nodeHasher };
const escalationsMax = 10;
const inFlightMax = 120;
const store = `store_id: store-1
models: { product_identification: { model: any@^1, batch_size: 4 } }
tasks:
  product_identification:
    audit_share: 0
    decide_within: 250ms
    fallback: [human_review, safe_action]
    safe_action: { label: ask }
    escalations_per_hour: ${escalationsMax}
`;

/** The engine over a memory whose commits can be held back, a model that runs four rows in 20 ms, and the real broker. */
async function openAgent(): Promise<{ door: Door; stall: () => void; go: () => void }> {
  const resolved = resolveConfig([{ layer: "store", file: "store.yaml", text: store }], nodeHasher);
  if (!resolved.ok) throw resolved.error;
  const config = { ...resolved.value.config, revision: 1 };
  const answer = { kind: "outputs", values: [0.99, 0.01] } as const;
  const host = stubModels({ timers: systemTimers, clock: systemClock, delayMs: 20, answer: () => answer });
  await host.apply(wantedModels(config));
  let committed = Promise.resolve();
  let go = (): void => undefined;
  const memory = memoryStore();
  const slow: CaseStore<object> = {
    ...memory,
    admit: async (admission) => {
      await committed;
      return memory.admit(admission);
    },
  };
  const engine = new Engine<CaseOrigin>({
    ...shared,
    store: slow,
    pipeline: createPipeline({ ...shared, config, host, secret: new Uint8Array(32) }),
    reviewer: () => true,
    storage: () => true,
    configOf: () => Promise.resolve(config),
    inFlightMax,
    waitersMax: 1,
  });
  const journal = {
    ...memory,
    delivered: () => Promise.resolve(),
    undelivered: () => Promise.resolve([]),
    storage: () => ({ problem: null }),
  } as unknown as Journal;
  const service = createAgentService({
    ...{ storeId: "store-1", engine, journal, metrics: new DoorMetrics(), logger: silentLogger },
    status: () => Promise.reject(new Error("not asked")),
    ...{ onEvent: () => undefined, onDelivered: () => undefined },
  });
  return {
    door: await openDoor({ withheldCloseMs: 300, statusIntervalMs: 60_000 }, { service }),
    stall: () => {
      committed = new Promise((resolve) => (go = resolve));
    },
    go: () => go(),
  };
}

/** A device that publishes without waiting, and what it heard. */
class Device {
  readonly acknowledged = new Set<number>();
  readonly decisions = new Map<string, Decision>();
  readonly busy: { readonly id: string; readonly retryAfterMs: number }[] = [];
  closes = 0;
  readonly #client: MqttClient;
  readonly #name: string;

  private constructor(client: MqttClient, name: string) {
    this.#client = client;
    this.#name = name;
    client.on("close", () => (this.closes += 1));
    client.on("message", (from, payload) => {
      const message = JSON.parse(payload.toString()) as Decision & { code: string; retryAfterMs: number };
      if (from.endsWith("/decision")) this.decisions.set(message.id, message);
      else if (message.code === "HP_BUSY") this.busy.push(message);
    });
  }

  static async connect(door: Door, name: string): Promise<Device> {
    const client = await door.connect(name, { clientId: name, clean: false, reconnectPeriod: 20 });
    const device = new Device(client, name);
    await client.subscribeAsync([topic("decision", name), topic("error", name)], { qos: 1 });
    return device;
  }

  send(from: number, count: number): void {
    for (let n = from; n < from + count; n += 1) {
      this.#client.publish(topic("request", this.#name), jsonOf(requestOf(n)), { qos: 1 }, (error) => {
        if (!error) this.acknowledged.add(n);
      });
    }
  }

  reasons(verdict: Decision["verdict"]): readonly (readonly string[])[] {
    return [...this.decisions.values()].filter((one) => one.verdict === verdict).map(({ reasons }) => reasons);
  }
}

it("sheds in the declared order: people without the model, the safe action, HP_BUSY, the connection; and loses nothing", async () => {
  const { door, stall, go } = await openAgent();
  const camera = await Device.connect(door, "camera-1");
  const till = await Device.connect(door, "till-1");

  // As much as the model can do.
  for (let n = 0; n < 5; n += 1) {
    camera.send(n, 1);
    await until(() => camera.decisions.size === n + 1);
  }
  expect(camera.reasons("accept")).toHaveLength(5);

  // More than it can do within the patience: people are asked without it, and when their hour is used up nobody is.
  camera.send(100, 110);
  await until(() => camera.decisions.size === 115);
  const byModel = camera.reasons("accept").length - 5;
  expect(byModel).toBeGreaterThan(12);
  const [toPeople, safe] = [camera.reasons("escalate"), camera.reasons("abstain")];
  expect([toPeople.length, safe.length]).toEqual([escalationsMax, 110 - byModel - escalationsMax]);
  // A busy machine may hold this process up for longer than a row can wait.
  for (const [reason] of [...toPeople, ...safe]) expect(["overload", "timeout"]).toContain(reason);
  expect(toPeople[0]).toEqual(["overload"]);
  for (const [, ...reasons] of safe) expect(reasons).toEqual(["budget_exhausted", "safe_action"]);
  expect({ acknowledged: camera.acknowledged.size, busy: camera.busy.length }).toEqual({ acknowledged: 115, busy: 0 });

  // The disk stands still, so cases pile up: beyond what the agent holds they are refused and not acknowledged.
  stall();
  camera.send(1000, 80);
  till.send(2000, 80);
  await until(() => camera.busy.length + till.busy.length === 160 - inFlightMax);
  expect([...camera.busy, ...till.busy].every(({ retryAfterMs }) => retryAfterMs === 250)).toBe(true);
  expect(camera.acknowledged.size + till.acknowledged.size).toBe(115);
  expect(camera.closes + till.closes).toBe(0);

  // What stays withheld ends its connection; the device delivers again, and everything is decided once there is room.
  await until(() => camera.closes + till.closes > 0);
  go();
  await until(() => camera.acknowledged.size === 195 && till.acknowledged.size === 80, 20_000);
  await until(() => camera.decisions.size === 195 && till.decisions.size === 80, 20_000);
  await door.close();
}, 60_000);
