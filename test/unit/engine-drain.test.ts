import { expect, it } from "vitest";
import { resolveConfig } from "../../config/index.ts";
import { HoldpointError, silentLogger } from "../../protocol/index.ts";
import { systemClock, systemTimers } from "../../protocol/platform/clock.node.ts";
import { nodeHasher } from "../../protocol/platform/hash.node.ts";
import { createPipeline, Engine, wantedModels, type CaseStore } from "../../sdk/index.ts";
import { memoryStore } from "../../sdk/memory-store.ts";
import { requestOf } from "../support/requests.ts";
import { scriptedHost } from "../support/scripted-host.ts";

/** A memory that takes requests and no decisions: what a journal on a full disk does. */
function fullStore(): CaseStore<object> {
  const full = new HoldpointError("HP_DISK_FULL", "no space", { retryAfterMs: 1000 });
  return { ...memoryStore(), decide: () => Promise.reject(full) };
}

it("an engine whose store takes no decisions is abandoned: nothing is told, and the drain ends", async () => {
  const text = "store_id: store_1\nmodels: { product_identification: { model: product-id@^1 } }";
  const resolved = resolveConfig([{ layer: "store", file: "store.yaml", text }], nodeHasher);
  if (!resolved.ok) throw resolved.error;
  const config = { ...resolved.value.config, revision: 1 };
  const host = scriptedHost(0.9);
  await host.apply(wantedModels(config));
  const shared = { clock: systemClock, timers: systemTimers, logger: silentLogger, hasher: nodeHasher };
  const store = fullStore();
  const engine = new Engine<object>({
    ...shared,
    store,
    pipeline: createPipeline({ ...shared, config, host, secret: new Uint8Array(32) }),
    reviewer: () => false,
    storage: () => true,
    configOf: () => Promise.resolve(null),
    inFlightMax: 10,
    waitersMax: 10,
  });
  const told: string[] = [];
  engine.onRevision(({ id }) => void told.push(id));
  const request = requestOf();
  expect(await engine.submit(request, {})).toMatchObject({ kind: "durable" });
  let drained = false;
  const drain = engine.drain().then(() => (drained = true));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect({ drained, inFlight: engine.inFlight() }).toEqual({ drained: false, inFlight: 1 });
  engine.abandon();
  await drain;
  expect({ told, inFlight: engine.inFlight() }).toEqual({ told: [], inFlight: 0 });
  // The case is where a restart finds it, without a decision.
  expect(await store.find(request.id)).toMatchObject({ decision: null });
});
