import { afterEach, expect, test } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { createAgentService } from "../../edge-agent/agent-service.ts";
import { type CaseOrigin, type Journal } from "../../edge-agent/journal/journal.ts";
import { type AgentService } from "../../edge-agent/service.ts";
import { encodeMessage, silentLogger, type Decision } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createPipeline, Engine, wantedModels, type CaseStore } from "../../sdk/index.ts";
import { openHttp, type HttpDoorUnderTest } from "../support/door-http.ts";
import { requestOf } from "../support/requests.ts";
import { scriptedHost, type ScriptedHost } from "../support/scripted-host.ts";

/** The door over the real engine, whose store has no disk: a commit is a turn of the loop. */
let door: HttpDoorUnderTest;
let host: ScriptedHost;
let told: string[];
afterEach(() => door.close());

const store: CaseStore<CaseOrigin> = {
  admit: async ({ decision }) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return decision?.() ? { kind: "admitted", decided: true } : { kind: "admitted" };
  },
  decide: () => Promise.resolve(),
  review: () => Promise.resolve({ kind: "unknown" }),
  settle: () => Promise.resolve(null),
  find: () => Promise.reject(new Error("the store was asked for what the engine has")),
};

/** `probability`: what the model says at once; null: it is silent until it is released. */
async function openEngine(probability: number | null, waitersMax: number): Promise<AgentService> {
  const text = `store_id: store_1
models: { product_identification: { model: product-id@^1 } }
thresholds: { product_identification: 0.9 }`;
  const resolved = resolveConfig([{ layer: "store", file: "store.yaml", text }], nodeHasher);
  if (!resolved.ok) throw resolved.error;
  const config = { ...resolved.value.config, revision: 1 };
  host = scriptedHost(probability);
  await host.apply(wantedModels(config));
  const shared = { clock: systemClock, timers: systemTimers, logger: silentLogger, hasher: nodeHasher };
  const engine = new Engine<CaseOrigin>({
    ...shared,
    store,
    pipeline: createPipeline({ ...shared, config, host, secret: new Uint8Array(32) }),
    reviewer: () => false,
    storage: () => true,
    configOf: () => Promise.resolve(null),
    inFlightMax: 10,
    waitersMax,
  });
  told = [];
  engine.onRevision(({ id }) => void told.push(id));
  const service = createAgentService({
    ...shared,
    storeId: "store_1",
    engine,
    journal: {} as Journal,
    metrics: { decided: () => undefined } as never,
    status: () => Promise.reject(new Error("not asked")),
    onEvent: () => undefined,
    onDelivered: () => undefined,
  });
  door = await openHttp({ service });
  return service;
}

test("a decision that was made durable with its request answers the request, and nobody waits for it", async () => {
  // Whoever waits is answered with null at once.
  await openEngine(0.99, 0);
  const request = requestOf();
  const response = await door.post("/v1/decisions?wait=2000", encodeMessage(request, "json"));
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ id: request.id, revision: 1, status: "final", verdict: "accept" });
  expect(told).toEqual([request.id]);
});

test("whoever goes away leaves its place to the next one, and is answered null", async () => {
  const service = await openEngine(null, 1);
  const request = requestOf();
  const bytes = encodeMessage(request, "json");
  expect(await service.submit({ device: "camera-1", bytes, transport: "http" })).toMatchObject({ decision: null });
  const wait = (waitMs: number, gone?: AbortSignal): Promise<Decision | null> =>
    service.wait("camera-1", request.id, "final", waitMs, gone);
  const leaving = new AbortController();
  const first = wait(60_000, leaving.signal);
  expect(await wait(60_000)).toBeNull();
  leaving.abort();
  expect(await first).toBeNull();
  expect(await wait(60_000, leaving.signal)).toBeNull();
  const second = wait(60_000);
  host.release(0.99);
  expect(await second).toMatchObject({ id: request.id, status: "final" });
});
