import { afterEach, expect, test } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { createAgentService } from "../../edge-agent/agent-service.ts";
import { type CaseOrigin, type Journal } from "../../edge-agent/journal/journal.ts";
import { encodeMessage, silentLogger } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createPipeline, Engine, wantedModels, type CaseStore } from "../../sdk/index.ts";
import { openHttp, type HttpDoorUnderTest } from "../support/door-http.ts";
import { requestOf } from "../support/requests.ts";
import { scriptedHost } from "../support/scripted-host.ts";

let door: HttpDoorUnderTest;
afterEach(() => door.close());

/** A store without a disk: a commit is a turn of the loop, and the model has answered by then. */
const store: CaseStore<CaseOrigin> = {
  admit: async ({ decision }) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return decision?.() ? { kind: "admitted", decided: true } : { kind: "admitted" };
  },
  decide: () => Promise.resolve(),
  review: () => Promise.resolve({ kind: "unknown" }),
  settle: () => Promise.resolve(null),
  find: () => Promise.reject(new Error("the store was asked for what was just decided")),
};

test("a decision that was made durable with its request answers the request, and nobody waits for it", async () => {
  const text = `store_id: store_1
models: { product_identification: { model: product-id@^1 } }
thresholds: { product_identification: 0.9 }`;
  const resolved = resolveConfig([{ layer: "store", file: "store.yaml", text }], nodeHasher);
  if (!resolved.ok) throw resolved.error;
  const config = { ...resolved.value.config, revision: 1 };
  const host = scriptedHost(0.99);
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
    // Whoever waits is answered with null at once.
    waitersMax: 0,
  });
  const told: string[] = [];
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
  const request = requestOf();
  const response = await door.post("/v1/decisions?wait=2000", encodeMessage(request, "json"));
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ id: request.id, revision: 1, status: "final", verdict: "accept" });
  expect(told).toEqual([request.id]);
});
